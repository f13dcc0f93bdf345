import { equalBytes } from '../../bytes.ts'
import { recordKey } from '../../chain-anchor/app/keys.ts'
import { recordValue } from '../../chain-anchor/app/values.ts'
import { submitMessages } from '../../chain-anchor/light/submit-messages.ts'
import type { SigningKey } from '../../crypto/sign.ts'
import { objectIdFromBytes } from '../../ids.ts'
import { HEADER_AGE_MS_MAX, PUT_ABANDONED_MS } from '../../limits.ts'
import type { PeerAddress } from '../../ports.ts'
import { dropColumns } from '../columns/drop-columns.ts'
import { type DestroyPorts, destroyCustody } from '../guardians/destroy.ts'
import { locateObject } from '../locate.ts'
import { addressOf, readNetworkView } from '../network-view.ts'
import type { JournalObject } from './journal-format.ts'

/** What dropping needs of the world. */
export interface DropPorts extends DestroyPorts {
  /** The one-time owner key of an object. */
  ownerKeyOf(objectId: Uint8Array): SigningKey
}

/**
 * Removes what a put that will not be finished left: its record from the chain, its fragments from the nodes.
 * Storage nodes drop by themselves what the chain does not show, so that the chain is what matters; telling
 * them only gives their room back sooner.
 * @returns what is still to be done, or null when nothing is left.
 */
export async function dropObject(ports: DropPorts, object: JournalObject): Promise<JournalObject | null> {
  const ownerKey = ports.ownerKeyOf(object.objectId)
  const [nodes, onChain] = await Promise.all([
    tellNodes(ports, object, ownerKey).catch(() => object.nodes),
    takeFromChain(ports, object, ownerKey).catch(() => 'unknown' as const),
  ])
  const isOld = ports.clock.nowMs() - object.begunMs > PUT_ABANDONED_MS
  // What was sent may come into a block later than we look.
  const isSettled = onChain === 'removed' || (onChain === 'absent' && (isOld || !object.isSent))
  return isSettled && (nodes.length === 0 || isOld) ? null : { ...object, nodes, stored: null }
}

/** @returns those that could not be told. */
async function tellNodes(ports: DropPorts, object: JournalObject, ownerKey: SigningKey): Promise<string[]> {
  const { nodes: registered } = await readNetworkView(ports.ledger, null)
  const peers = new Map<string, PeerAddress>(registered.map((node) => [node.nodeId, addressOf(node)]))
  const left = await Promise.all(
    object.nodes.map(async (nodeId) => {
      const peer = peers.get(nodeId)
      // A node that left the network takes what it has along.
      if (!peer) return []
      return dropColumns(ports, peer, object, ownerKey).then(
        () => [],
        () => [nodeId],
      )
    }),
  )
  return left.flat()
}

/** @returns what the chain shows of its record, proven; that of another owner is none of ours. */
async function takeFromChain(
  ports: DropPorts,
  { objectId, isSent }: JournalObject,
  ownerKey: SigningKey,
): Promise<'absent' | 'removed'> {
  if (!isSent) return 'absent'
  const { value } = await ports.ledger.read(recordKey(objectId), HEADER_AGE_MS_MAX)
  const record = value && recordValue.decode(value)
  if (!record || !equalBytes(record.ownerKey, ownerKey.publicKey)) return 'absent'
  if (record.status === 'removed') return 'removed'
  const { custody } = await locateObject(ports.ledger, objectIdFromBytes(objectId))
  await destroyCustody(ports, custody, ownerKey)
  await submitMessages(ports, [{ type: 'record.remove', objectId }], [ownerKey])
  return 'removed'
}
