import { systemRandom } from '../../crypto/random.ts'
import { asXcareError, XcareError } from '../../errors.ts'
import { ELSEWHERE_MS_MAX, HEADER_AGE_MS_MAX } from '../../limits.ts'
import { startPeer } from '../../net/peer.ts'
import type { Ledger, PeerAddress } from '../../ports.ts'

/** A part as the chain may list it. */
export interface Listed {
  kind: 'node' | 'guardian'
  /** Its key on the chain, and what its value says of where it is. */
  key: Uint8Array
  addressOf(value: Uint8Array): PeerAddress
}

/**
 * Two processes with one identity displace each other: whoever registers last is found, and nobody once that
 * one ends. So a part that is about to start first asks where the chain says it is. Only the holder of its
 * key can answer there. A chain that is away lists nobody.
 * @throws XcareError LOCKED when this identity lives elsewhere.
 */
export async function refuseIfElsewhere(ledger: Ledger, { kind, key, addressOf }: Listed): Promise<void> {
  const { value } = await ledger.read(key, HEADER_AGE_MS_MAX).catch((error: unknown) => {
    if (!asXcareError(error).retryable) throw error
    return { value: null }
  })
  const address = value && addressOf(value)
  if (!address || address.addresses.length === 0 || !(await answers(address))) return
  throw new XcareError(
    'LOCKED',
    `this ${kind} lives already, at ${address.addresses[0]}: this folder is a copy of its folder, or the other way round`,
    {
      next: `end the other one first; with --take-over this one takes its place on the chain, and the other is no longer found`,
    },
  )
}

/** @returns whether the holder of that identity answers at one of its addresses. */
export async function answers(address: PeerAddress): Promise<boolean> {
  const peer = await startPeer({ seed: systemRandom.bytes(32), listen: [] })
  try {
    await peer.connect(address, AbortSignal.timeout(ELSEWHERE_MS_MAX))
    return true
  } catch {
    return false
  } finally {
    await peer.stop()
  }
}
