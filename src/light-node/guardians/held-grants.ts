import { equalBytes, toHex } from '../../bytes.ts'
import { decodeLetter, type HeldGrant, isGrantSignedBy } from '../../custody/grant.ts'
import type { Vault } from '../../identity/vault.ts'
import type { ReceivedGrant } from '../../identity/vault-entry.ts'
import { RECEIVED_BYTES_MAX, RECEIVED_MAX, RECEIVED_OF_OBJECT_MAX } from '../../limits.ts'
import type { Ledger } from '../../ports.ts'
import { readGrant } from './grant.ts'
import { isSameGrant } from './letter-proof.ts'

/** A permission that has ended is kept for so long, to say why nothing can be read. */
const ENDED_KEPT_MS = 30 * 24 * 3600 * 1000

/**
 * @returns the permissions in the vault that name the object: those that have not ended first, the newest of
 * them first.
 */
export function heldGrantsFor(vault: Vault, objectId: Uint8Array, nowMs: number): HeldGrant[] {
  const fitting = vault
    .received()
    .sort((a, b) => b.arrivedMs - a.arrivedMs)
    .map(({ letter }) => decodeLetter(letter))
    .filter(({ objects }) => objects.some((object) => equalBytes(object.objectId, objectId)))
  const ended = ({ grant }: HeldGrant) => (grant.notAfterMs > nowMs ? 0 : 1)
  return fitting.sort((a, b) => ended(a) - ended(b))
}

/**
 * Looks at all of `candidates`, however many there are, and forgets those that the owner of the object never
 * signed.
 * @param ownerKey of the object, as the chain has it.
 * @returns the first that works, and else the first that once did.
 */
export async function usableGrant(
  ports: { ledger: Ledger; vault: Vault },
  candidates: HeldGrant[],
  object: { objectId: Uint8Array; ownerKey: Uint8Array },
  nowMs: number,
): Promise<{ active: HeldGrant | null; past: HeldGrant | null }> {
  let past: HeldGrant | null = null
  for (const held of candidates) {
    const named = held.objects.find(({ objectId }) => equalBytes(objectId, object.objectId))
    if (!named || !isGrantSignedBy(object.ownerKey, held.grantBytes, named.ownerSignature)) {
      await ports.vault.forgetReceived(held.grant.grantId)
      continue
    }
    past ??= held
    if (held.grant.notAfterMs <= nowMs) continue
    const found = await readGrant(ports.ledger, held.grant.grantId)
    if (found?.status === 'active' && isSameGrant(found, held)) return { active: held, past }
  }
  return { active: null, past }
}

/**
 * Forgets permissions that ended long ago, and, where too many are held, more: of one object the oldest, as
 * only its owner can have sent them; of all, those that have ended, then the oldest.
 */
export async function pruneReceived(vault: Vault, nowMs: number): Promise<void> {
  const held = vault
    .received()
    .sort((a, b) => b.arrivedMs - a.arrivedMs)
    .map((received) => ({ received, ...decodeLetter(received.letter) }))
  const kept = held.filter(({ grant }) => grant.notAfterMs + ENDED_KEPT_MS > nowMs)
  const ofObject = new Map<string, number>()
  const fair = kept.filter(({ objects }) => {
    const ids = objects.map(({ objectId }) => toHex(objectId))
    if (ids.some((id) => (ofObject.get(id) ?? 0) >= RECEIVED_OF_OBJECT_MAX)) return false
    for (const id of ids) ofObject.set(id, (ofObject.get(id) ?? 0) + 1)
    return true
  })
  const byUse = fair.sort((a, b) => Number(a.grant.notAfterMs <= nowMs) - Number(b.grant.notAfterMs <= nowMs))
  const fitting = new Set(withinCaps(byUse.map(({ received }) => received)))
  for (const { received } of held) if (!fitting.has(received)) await vault.forgetReceived(received.grantId)
}

function withinCaps(received: ReceivedGrant[]): ReceivedGrant[] {
  let bytes = 0
  return received.filter(({ letter }, at) => {
    bytes += letter.length
    return at < RECEIVED_MAX && bytes <= RECEIVED_BYTES_MAX
  })
}
