import { equalBytes } from '../bytes.ts'
import type { Message } from '../chain-anchor/app/messages.ts'
import { submitMessages } from '../chain-anchor/light/submit-messages.ts'
import type { SigningKey } from '../crypto/sign.ts'
import { asXcareError } from '../errors.ts'
import type { Vault } from '../identity/vault.ts'
import type { VaultRemoval } from '../identity/vault-entry.ts'
import { type ObjectId, objectIdFromBytes, objectIdToBytes } from '../ids.ts'
import { FRAME_IDLE_MS, REMOVAL_KEPT_MS, REMOVAL_RETRY_MS } from '../limits.ts'
import type { PeerAddress, Progress } from '../ports.ts'
import { dropColumns } from './columns/drop-columns.ts'
import { type DestroyPorts, destroyCustody } from './guardians/destroy.ts'
import { type LocatedObject, locateObject } from './locate.ts'
import { noteRemoved } from './unfinished/taken-back.ts'

/** A removal waits for a node as for any exchange with it. */
const PATIENCE = { dialMs: 5_000, answerMs: FRAME_IDLE_MS }
/** Removals that one use of the wallet goes on with, at most. */
const RESUMED_AT_ONCE = 4

/** What removing needs of the world. */
export interface RemovePorts extends DestroyPorts {
  progress: Progress
  vault: Vault
  ownerKeyOf(objectId: Uint8Array): SigningKey
}

/** What became of one object so far. */
export interface RemovedObject {
  objectId: ObjectId
  /**
   * Guardians that destroyed their share, of all; the ids of the others. Once `shredded`, no copy of a
   * fragment can be read ever again.
   */
  destroyed: number
  destroyedOf: number
  guardiansLeft: string[]
  shredded: boolean
  /** Storage nodes that dropped their fragments, of all that kept some. */
  nodes: number
  nodesOf: number
  /** Nothing is left to do, and the wallet has forgotten the object. */
  complete: boolean
}

/**
 * Removes one object for good, or goes on with a removal. The wallet notes that it is being removed; the
 * chain says so, from which guardians and nodes that are away now learn it; then shares and fragments are
 * destroyed. Only when all of them confirmed it, the wallet forgets the object and its key: until then the
 * removal can be run again, and goes on by itself.
 * @throws XcareError REFUSED, OFFLINE
 */
export async function removeObject(ports: RemovePorts, objectId: ObjectId): Promise<RemovedObject> {
  const { vault, clock } = ports
  const raw = objectIdToBytes(objectId)
  const ownerKey = ports.ownerKeyOf(raw)
  const triedMs = clock.nowMs()
  const begun = removalOf(vault, raw) ?? {
    objectId: raw,
    startedMs: triedMs,
    onChain: false,
    ...NOBODY_ASKED,
  }
  await vault.setRemoval({ ...begun, triedMs })
  const located = await locateOrNull(ports, objectId)
  if (!located) {
    await forget(vault, raw)
    return { objectId, ...NOTHING_THERE }
  }
  await endOnChain(ports, located, ownerKey)
  await vault.setRemoval({ ...begun, triedMs, onChain: true })
  const custody = { ...located.custody, status: 'destroyed' as const }
  const [shares, { nodes, nodesOf }] = await Promise.all([
    destroyCustody(ports, custody, ownerKey, begun.guardiansLeft ?? custody.guardians),
    begun.nodesLeft === 0 ? { nodes: 0, nodesOf: 0 } : dropEverywhere(ports, located, ownerKey),
  ])
  const { destroyed, of: destroyedOf, left: guardiansLeft, shredded } = shares
  for (const { guardianId, error } of shares.problems)
    ports.progress({ type: 'guardian-kept', guardian: guardianId, code: error.code })
  const removal = { ...begun, triedMs, onChain: true, shredded, guardiansLeft, nodesLeft: nodesOf - nodes }
  const complete = isComplete(removal)
  if (complete) await forget(vault, raw)
  else await vault.setRemoval(removal)
  return { objectId, destroyed, destroyedOf, guardiansLeft, shredded, nodes, nodesOf, complete }
}

/**
 * Goes on with removals that met absent parties, the longest untouched first; some at a time, and none twice
 * within REMOVAL_RETRY_MS. What fails is left for another time.
 */
export async function resumeRemovals(ports: RemovePorts, signal: AbortSignal): Promise<void> {
  const nowMs = ports.clock.nowMs()
  const due = ports.vault
    .removals()
    .filter(({ triedMs }) => nowMs - triedMs >= REMOVAL_RETRY_MS)
    .sort((a, b) => a.triedMs - b.triedMs)
  for (const { objectId } of due.slice(0, RESUMED_AT_ONCE)) {
    if (signal.aborted) return
    await removeObject({ ...ports, progress: () => {} }, objectIdFromBytes(objectId)).catch(() => {})
  }
}

const NOBODY_ASKED = { guardiansLeft: null, nodesLeft: null, shredded: false }
const NOTHING_THERE = {
  ...{ destroyed: 0, destroyedOf: 0, guardiansLeft: [], shredded: true },
  ...{ nodes: 0, nodesOf: 0, complete: true },
}

async function forget(vault: Vault, objectId: Uint8Array): Promise<void> {
  await noteRemoved(vault, objectId)
  await vault.remove(objectId)
}

/**
 * Who is away for good must not keep a removal alive: guardians and nodes that come back act on what the
 * chain says.
 */
function isComplete(removal: VaultRemoval): boolean {
  const { startedMs, triedMs, shredded, guardiansLeft, nodesLeft } = removal
  const isConfirmed = guardiansLeft?.length === 0 && nodesLeft === 0
  return isConfirmed || (shredded && triedMs - startedMs > REMOVAL_KEPT_MS)
}

function removalOf(vault: Vault, objectId: Uint8Array): VaultRemoval | null {
  return vault.removals().find((removal) => equalBytes(removal.objectId, objectId)) ?? null
}

/**
 * @returns null when it is proven that the chain knows nothing of the object: then nobody keeps any of it for
 * long.
 */
async function locateOrNull(ports: RemovePorts, objectId: ObjectId): Promise<LocatedObject | null> {
  try {
    return await locateObject(ports.ledger, objectId, true)
  } catch (error) {
    if (asXcareError(error).code === 'NOT_FOUND') return null
    throw error
  }
}

async function endOnChain(
  ports: RemovePorts,
  { record, custody }: LocatedObject,
  ownerKey: SigningKey,
): Promise<void> {
  const { objectId } = record
  const messages: Message[] = []
  if (custody.status === 'active') messages.push({ type: 'custody.destroy', objectId })
  if (record.status !== 'removed') messages.push({ type: 'record.remove', objectId })
  if (messages.length > 0) await submitMessages(ports, messages, [ownerKey])
}

async function dropEverywhere(
  ports: RemovePorts,
  located: LocatedObject,
  ownerKey: SigningKey,
): Promise<{ nodes: number; nodesOf: number }> {
  const keepers = new Map(located.holders.flatMap((holder) => (holder ? [[holder.nodeId, holder]] : [])))
  const dropped = await Promise.all(
    [...keepers.values()].map((peer) => dropAt(ports, peer, located, ownerKey)),
  )
  return { nodes: dropped.filter(Boolean).length, nodesOf: keepers.size }
}

async function dropAt(
  ports: RemovePorts,
  peer: PeerAddress,
  { record }: LocatedObject,
  ownerKey: SigningKey,
): Promise<boolean> {
  try {
    await dropColumns(ports, peer, record, ownerKey, PATIENCE)
    return true
  } catch (error) {
    ports.progress({ type: 'node-kept', node: peer.nodeId, code: asXcareError(error).code })
    return false
  }
}
