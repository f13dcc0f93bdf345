import type { Multiaddr } from '@multiformats/multiaddr'

/** Bits of an IPv6 address that its holder does not choose: one customer has 64 bits of its own. */
const GROUPS_OF_HOLDER = 4

/**
 * @returns by what address its remote counts, or null where an address tells nothing: on loopback everybody
 * has the same. Of IPv6 the network that one customer gets.
 */
export function addressOf(remote: Multiaddr | string): string | null {
  const text = typeof remote === 'string' ? remote : (hostOf(remote) ?? '')
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(text)?.[1] ?? text
  if (mapped === '' || mapped === '::1' || mapped.startsWith('127.')) return null
  return mapped.includes(':') ? `${groupsOf(mapped).slice(0, GROUPS_OF_HOLDER).join(':')}::` : mapped
}

function hostOf(address: Multiaddr): string | undefined {
  return address.getComponents().find(({ name }) => /^(ip4|ip6|dns)/.test(name))?.value
}

/** The eight groups of an IPv6 address, without leading zeros. */
function groupsOf(text: string): string[] {
  const [head = '', tail] = text.toLowerCase().split('%')[0]!.split('::')
  const front = head === '' ? [] : head.split(':')
  if (tail === undefined) return front.map(short)
  const back = tail === '' ? [] : tail.split(':')
  return [
    ...front,
    ...Array.from({ length: Math.max(0, 8 - front.length - back.length) }, () => '0'),
    ...back,
  ].map(short)
}

function short(group: string): string {
  return group.replace(/^0+(?=.)/, '')
}
