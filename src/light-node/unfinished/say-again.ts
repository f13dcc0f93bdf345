import { toHex } from '../../bytes.ts'
import { decodeCbor, encodeCbor } from '../../cbor.ts'
import { custodyKey, grantKey, recordKey } from '../../chain-anchor/app/keys.ts'
import type { Message } from '../../chain-anchor/app/messages.ts'
import { custodyValue, grantValue, recordValue } from '../../chain-anchor/app/values.ts'
import { submitMessages } from '../../chain-anchor/light/submit-messages.ts'
import { revokeKeyOf } from '../../identity/keypair.ts'
import type { Vault } from '../../identity/vault.ts'
import type { IssuedGrant } from '../../identity/vault-entry.ts'
import { HEADER_AGE_MS_MAX, SAY_AGAIN_MS, SAY_AGAIN_RETRY_MS } from '../../limits.ts'
import type { RemovePorts } from '../remove-record.ts'
import { removedOf, revokingOf } from './taken-back.ts'

const READS_AT_ONCE = 16
const CHECKED = 'said-again'

/** What saying again needs of the world. */
export interface SayAgainPorts extends RemovePorts {
  /** The owner's root, 32 bytes. */
  root: Uint8Array
}

/**
 * Sends again what this wallet took back and the chain does not show: permissions revoked, objects removed. A
 * chain that was put back to an earlier state forgets them, and an endpoint may have swallowed them. Looked
 * at once in SAY_AGAIN_MS, and whenever the chain is shorter than at the last look.
 * @returns how many were sent.
 * @throws XcareError OFFLINE, TIMEOUT; what was not sent is tried at the next call
 */
export async function sayAgain(ports: SayAgainPorts, signal: AbortSignal): Promise<number> {
  const { vault, ledger, clock } = ports
  const { height } = await ledger.head(HEADER_AGE_MS_MAX)
  const last = lastLook(vault)
  const nowMs = clock.nowMs()
  const isDue = !last || height < last.height || Math.abs(nowMs - last.timeMs) >= SAY_AGAIN_MS
  const [wishes, removed] = [revocationsOf(vault, nowMs), removedOf(vault)]
  // A wallet that took nothing back writes nothing.
  if (!isDue || wishes.length + removed.length === 0) return 0
  // First of all: what fails is tried again, but not with every command.
  await vault.setMarker(CHECKED, encodeCbor([height, nowMs - SAY_AGAIN_MS + SAY_AGAIN_RETRY_MS]))
  const sent: boolean[] = []
  await eachOf(wishes, signal, async ({ grantId }) => sent.push(await revokeAgain(ports, grantId)))
  await eachOf(removed, signal, async (objectId) => sent.push(await removeAgain(ports, objectId)))
  if (!signal.aborted) await vault.setMarker(CHECKED, encodeCbor([height, nowMs]))
  return sent.filter(Boolean).length
}

/** Permissions taken back, or to be, that have not ended by themselves. */
function revocationsOf(vault: Vault, nowMs: number): IssuedGrant[] {
  const wanted = new Set(revokingOf(vault).map(toHex))
  return vault
    .issued()
    .filter(
      ({ grantId, revoked, notAfterMs }) => notAfterMs > nowMs && (revoked || wanted.has(toHex(grantId))),
    )
}

async function revokeAgain(ports: SayAgainPorts, grantId: Uint8Array): Promise<boolean> {
  const { value } = await ports.ledger.read(grantKey(grantId), HEADER_AGE_MS_MAX)
  const isActive = value !== null && grantValue.decode(value).status === 'active'
  // One that the chain does not know gives nothing, and nobody else can make it known.
  if (isActive)
    await submitMessages(ports, [{ type: 'grant.revoke', grantId }], [revokeKeyOf(ports.root, grantId)])
  const isNoted = ports.vault
    .issued()
    .some((grant) => toHex(grant.grantId) === toHex(grantId) && grant.revoked)
  if (!isNoted) await ports.vault.markRevoked(grantId)
  return isActive
}

async function removeAgain(ports: SayAgainPorts, objectId: Uint8Array): Promise<boolean> {
  const read = async (key: Uint8Array) => (await ports.ledger.read(key, HEADER_AGE_MS_MAX)).value
  const [custody, record] = await Promise.all([read(custodyKey(objectId)), read(recordKey(objectId))])
  const messages: Message[] = []
  if (custody && custodyValue.decode(custody).status === 'active')
    messages.push({ type: 'custody.destroy', objectId })
  if (record && recordValue.decode(record).status === 'active')
    messages.push({ type: 'record.remove', objectId })
  if (messages.length === 0) return false
  await submitMessages(ports, messages, [ports.ownerKeyOf(objectId)])
  return true
}

function lastLook(vault: Vault): { height: number; timeMs: number } | null {
  const marker = vault.marker(CHECKED)
  if (!marker) return null
  const [height, timeMs] = decodeCbor(marker) as [unknown, unknown]
  const isSound = Number.isSafeInteger(height) && Number.isSafeInteger(timeMs)
  return isSound ? { height: height as number, timeMs: timeMs as number } : null
}

async function eachOf<T>(
  things: readonly T[],
  signal: AbortSignal,
  work: (thing: T) => Promise<unknown>,
): Promise<void> {
  const waiting = [...things]
  const worker = async () => {
    for (let thing = waiting.shift(); thing !== undefined && !signal.aborted; thing = waiting.shift())
      await work(thing)
  }
  await Promise.all(Array.from({ length: READS_AT_ONCE }, worker))
}
