import { custodyKey, recordKey } from '../chain-anchor/app/keys.ts'
import {
  type CustodyValue,
  custodyValue,
  type NodeValue,
  type RecordValue,
  recordValue,
} from '../chain-anchor/app/values.ts'
import { XcareError } from '../errors.ts'
import { placeColumns } from '../fragment/placement.ts'
import { type ObjectId, objectIdToBytes } from '../ids.ts'
import { HEADER_AGE_MS_MAX } from '../limits.ts'
import type { Ledger, PeerAddress } from '../ports.ts'
import { addressOf, type NetworkView, readNetworkView } from './network-view.ts'

/** What the chain says of an object, and where its columns lie. */
export interface LocatedObject {
  objectId: ObjectId
  record: RecordValue
  custody: CustodyValue
  /** Per column the node that keeps it, or null where no node was left to keep it. */
  keepers: (NodeValue | null)[]
  /** Where they say they can be reached. */
  holders: (PeerAddress | null)[]
}

/**
 * Finds an object by its id alone: what is anchored, and from epoch and slot table who keeps which column.
 * @param removedToo whether one that was removed is found, for its owner to remove what is left of it.
 * @throws XcareError NOT_FOUND when nothing is anchored under this id or it was removed; as the ledger otherwise.
 */
export async function locateObject(
  ledger: Ledger,
  objectId: ObjectId,
  removedToo = false,
): Promise<LocatedObject> {
  const raw = objectIdToBytes(objectId)
  const [record, custody] = await Promise.all([
    ledger.read(recordKey(raw), HEADER_AGE_MS_MAX),
    ledger.read(custodyKey(raw), HEADER_AGE_MS_MAX),
  ])
  if (record.value === null || custody.value === null)
    throw absent(objectId, 'this network has no object with the id')
  const found = { record: recordValue.decode(record.value), custody: custodyValue.decode(custody.value) }
  if (found.record.status === 'removed' && !removedToo) throw absent(objectId, 'its owner removed the object')
  const keepers = await keepersOf(ledger, found.record, found.custody)
  return { objectId, ...found, keepers, holders: keepers.map((keeper) => keeper && addressOf(keeper)) }
}

async function keepersOf(
  ledger: Ledger,
  record: RecordValue,
  custody: CustodyValue,
): Promise<(NodeValue | null)[]> {
  const newest = await readNetworkView(ledger, null)
  const pinned = newest.epoch.epoch === record.epoch ? newest : await readNetworkView(ledger, record.epoch)
  const planned = planColumns(pinned, record.objectId, record.k, record.n, custody.guardians)
  const current = new Map(newest.nodes.map((node) => [node.nodeId, node]))
  const moved = new Map(record.moved.map(({ column, nodeId }) => [column, nodeId]))
  return planned.map((planId, column) => {
    if (!(((record.columns[column >> 3] ?? 0) >> (column & 7)) & 1)) return null
    const keeper = moved.get(column) ?? planId
    return current.get(keeper) ?? pinned.nodes.find(({ nodeId }) => nodeId === keeper) ?? null
  })
}

/**
 * Column j of the object belongs to the node at place j of the answer. Pure: everyone computes the same.
 * @param guardians ids of the object's guardians, whose institutions keep none of its fragments.
 * @throws XcareError TOO_FEW_NODES when the domain caps cannot be met.
 */
export function planColumns(
  view: NetworkView,
  objectId: Uint8Array,
  k: number,
  n: number,
  guardians: string[],
): string[] {
  const custodians = new Set(guardians)
  const excluded = view.guardians
    .filter(({ guardianId }) => custodians.has(guardianId))
    .map(({ instId }) => instId)
  const nodes = view.nodes.map(({ nodeId, instId, network, region }) => ({
    nodeId,
    institution: instId,
    network,
    region,
  }))
  const placed = placeColumns({
    objectId,
    k,
    n,
    seed: view.epoch.seed,
    nodes,
    table: view.table,
    excludeInstitutions: excluded,
  })
  return placed.columns.map((index) => nodes[index]!.nodeId)
}

function absent(objectId: ObjectId, what: string): XcareError {
  return new XcareError('NOT_FOUND', `${what} ${objectId}`, {
    next: 'check the id; `npx xcare ls` lists your records',
  })
}
