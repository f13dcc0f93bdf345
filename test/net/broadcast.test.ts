import { afterEach, describe, expect, test } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { XcareError } from '../../src/errors.ts'
import { GOSSIP_BYTES_MAX } from '../../src/limits.ts'
import type { Peer } from '../../src/net/peer.ts'
import { address, ourPeer, soon, stopAll } from './_stock.ts'

const TOPICS = ['txs', 'notices']

afterEach(stopAll)

/** Three peers in a row: what the first says, the last hears through the middle one only. */
async function row(): Promise<[Peer, Peer, Peer]> {
  const [first, middle, last] = await Promise.all([1, 2, 3].map((seed) => ourPeer(seed, { topics: TOPICS })))
  await middle!.connect(address(first!), soon())
  await middle!.connect(address(last!), soon())
  return [first!, middle!, last!]
}

/** Says a fresh payload every 50 ms until `heard` is true. */
async function repeat(
  peer: Peer,
  payload: (round: number) => Uint8Array,
  heard: () => boolean,
): Promise<void> {
  for (let round = 0; !heard(); round++) {
    await peer.broadcast.publish('txs', payload(round))
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

describe('broadcast', () => {
  test('says something to nobody without an error', async () => {
    const alone = await ourPeer(1, { topics: TOPICS })
    expect(await alone.broadcast.publish('txs', utf8('anyone?'))).toBe(0)
    expect(await alone.broadcast.publish('txs', utf8('anyone?'))).toBe(0)
  })

  test('what nobody heard is not a duplicate for those who come later', async () => {
    const early = await ourPeer(1, { topics: TOPICS })
    expect(await early.broadcast.publish('txs', utf8('again'))).toBe(0)
    const late = await ourPeer(2, { topics: TOPICS })
    const heard: string[] = []
    late.broadcast.subscribe('txs', (payload) => heard.push(new TextDecoder().decode(payload)) > 0)
    await early.connect(address(late), soon())
    while (heard.length === 0) {
      await early.broadcast.publish('txs', utf8('again'))
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    expect(heard).toEqual(['again'])
  })

  test('carries what the middle accepts, drops what it rejects or cannot judge', async () => {
    const [first, middle, last] = await row()
    const heard = { middle: new Set<string>(), last: new Set<string>() }
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).split(' ')[0]!
    middle.broadcast.subscribe('txs', (payload) => {
      heard.middle.add(text(payload))
      if (text(payload) === 'forged') throw new XcareError('INTEGRITY', 'forged')
      if (text(payload) === 'unclear') throw new Error('disk error')
      return text(payload) === 'good'
    })
    last.broadcast.subscribe('txs', (payload) => {
      heard.last.add(text(payload))
      return true
    })
    await repeat(
      first,
      (round) => utf8(`good ${round}`),
      () => heard.last.has('good'),
    )
    for (const word of ['bad', 'unclear']) await first.broadcast.publish('txs', utf8(`${word} 1`))
    await repeat(
      first,
      (round) => utf8(`good again ${round}`),
      () => heard.middle.size === 3,
    )
    await first.broadcast.publish('txs', utf8('forged 1'))
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect([...heard.last]).toEqual(['good'])
  })

  test('refuses payloads above the cap and topics this peer does not carry', async () => {
    const peer = await ourPeer(1, { topics: TOPICS })
    const quiet = await ourPeer(2)
    await expect(peer.broadcast.publish('txs', new Uint8Array(GOSSIP_BYTES_MAX + 1))).rejects.toMatchObject({
      code: 'MALFORMED',
    })
    await expect(peer.broadcast.publish('other', new Uint8Array(1))).rejects.toThrow('does not carry')
    await expect(quiet.broadcast.publish('txs', new Uint8Array(1))).rejects.toThrow('does not carry')
    expect(() => quiet.broadcast.subscribe('txs', () => true)).toThrow('does not carry')
    peer.broadcast.subscribe('txs', () => true)
    expect(() => peer.broadcast.subscribe('txs', () => true)).toThrow('has a reader already')
  })

  test('carries payloads of the largest size', async () => {
    const [first, middle] = await row()
    let largest = 0
    middle.broadcast.subscribe('txs', (payload) => {
      largest = Math.max(largest, payload.length)
      return true
    })
    await repeat(
      first,
      (round) => new Uint8Array(GOSSIP_BYTES_MAX).fill(round),
      () => largest > 0,
    )
    expect(largest).toBe(GOSSIP_BYTES_MAX)
  })
})
