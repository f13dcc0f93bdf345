import { submitMessages } from '../chain-anchor/light/submit-messages.ts'
import type { SigningKey } from '../crypto/sign.ts'
import { asXcareError } from '../errors.ts'
import type { Vault } from '../identity/vault.ts'
import { type ObjectId, objectIdToBytes } from '../ids.ts'
import { FRAME_IDLE_MS } from '../limits.ts'
import type { FrameStream, PeerAddress, Progress } from '../ports.ts'
import { DELETE_DOMAIN, deleteOrderBytes, encodeFrame, FRAGMENT_PROTOCOL } from '../wire/fragment-protocol.ts'
import { readNodeMessage, unexpected } from './columns/node-message.ts'
import { type Destroyed, type DestroyPorts, destroyCustody } from './guardians/destroy.ts'
import { type LocatedObject, locateObject } from './locate.ts'

const DIAL_MS_MAX = 5_000

/** What removing needs of the world. */
export interface RemovePorts extends DestroyPorts {
  progress: Progress
  vault: Vault
  ownerKeyOf(objectId: Uint8Array): SigningKey
}

/** What became of one object. */
export interface RemovedObject {
  objectId: ObjectId
  /** Guardians that destroyed their share; once `shredded`, no copy of a fragment can be read ever again. */
  custody: Destroyed
  /** Storage nodes that dropped their fragments, of all that kept some; the others drop them when they learn of it. */
  nodes: number
  nodesOf: number
}

/**
 * Removes one object for good: its key shares are destroyed first, which makes every copy unreadable, then its fragments.
 * The own copy of the key is forgotten last, so that an interrupted removal can be run again.
 * @throws XcareError NOT_FOUND, REFUSED, OFFLINE
 */
export async function removeObject(ports: RemovePorts, objectId: ObjectId): Promise<RemovedObject> {
  const raw = objectIdToBytes(objectId)
  const ownerKey = ports.ownerKeyOf(raw)
  const located = await locateObject(ports.ledger, objectId)
  const custody = await destroyCustody(ports, located.custody, ownerKey)
  const keepers = new Map(located.holders.flatMap((holder) => (holder ? [[holder.nodeId, holder]] : [])))
  const dropped = await Promise.all(
    [...keepers.values()].map((peer) => dropAt(ports, peer, located, ownerKey)),
  )
  await submitMessages(ports, [{ type: 'record.remove', objectId: raw }], [ownerKey])
  await ports.vault.remove(raw)
  return { objectId, custody, nodes: dropped.filter(Boolean).length, nodesOf: keepers.size }
}

async function dropAt(
  ports: RemovePorts,
  peer: PeerAddress,
  { record }: LocatedObject,
  ownerKey: SigningKey,
): Promise<boolean> {
  const { objectId, version } = record
  const fields = { objectId, version, ownerKey: ownerKey.publicKey }
  const signature = ownerKey.sign(DELETE_DOMAIN, deleteOrderBytes({ network: ports.network, ...fields }))
  let stream: FrameStream | null = null
  try {
    stream = await ports.transport.open(peer, FRAGMENT_PROTOCOL, AbortSignal.timeout(DIAL_MS_MAX))
    await stream.write(...encodeFrame({ op: 'DELETE', ...fields, signature }))
    const reply = await readNodeMessage(stream, FRAME_IDLE_MS)
    if (reply.op !== 'END') throw unexpected(reply)
    void stream.close().catch(() => {})
    return true
  } catch (error) {
    stream?.abort(asXcareError(error))
    ports.progress({ type: 'node-kept', node: peer.nodeId, code: asXcareError(error).code })
    return false
  }
}
