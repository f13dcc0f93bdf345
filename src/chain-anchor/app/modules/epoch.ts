import { equalBytes, u64be, utf8 } from '../../../bytes.ts'
import { decodeCbor, encodeCbor } from '../../../cbor.ts'
import { sha256 } from '../../../crypto/hash.ts'
import { assignSlots } from '../../../fragment/slots.ts'
import type { BlockContext } from '../context.ts'
import { epochKey, latestEpochKey } from '../keys.ts'
import { paramsOf } from '../params.ts'
import { LISTED_PREFIXES, load, type StateOverlay, type StateView, save } from '../state.ts'
import {
  type EpochValue,
  epochValue,
  type GuardianValue,
  guardianValue,
  institutionValue,
  type NodeValue,
  nodeValue,
} from '../values.ts'

const SEED_PREFIX = utf8('xcare/epoch/v1')
const WEIGHT_UNIT_BYTES = 2 ** 20
const WEIGHT_MAX = 2 ** 32 - 1
const pendingKey = utf8('epoch-pending')
const ONE = new Uint8Array([1])

/**
 * Ends a block: writes the next epoch when the active nodes or guardians differ from those of the newest one and enough
 * blocks have passed; otherwise remembers that an epoch is due. Spec: docs/spec/state.md 4.
 * @param blockHash hash of this block, from which the epoch's seed follows.
 */
export function turnEpoch(state: StateOverlay, context: BlockContext, blockHash: Uint8Array): void {
  const pending = state.get(pendingKey) !== null
  if (!pending && !state.touches(LISTED_PREFIXES)) return
  const before = load(state, latestEpochKey(), epochValue)
  const nodes = encodeCbor(activeNodes(state))
  const guardians = encodeCbor(activeGuardians(state))
  const changed =
    !before ||
    !equalBytes(before.nodesHash, sha256(nodes)) ||
    !equalBytes(before.guardiansHash, sha256(guardians))
  const due = !before || context.height - before.height >= paramsOf(state).epochBlocksMin
  if (changed && due) writeEpoch(state, context, { before, nodes, guardians, blockHash })
  if (changed && !due) state.set(pendingKey, ONE)
  else if (pending) state.remove(pendingKey)
}

interface Turn {
  before: EpochValue | null
  nodes: Uint8Array
  guardians: Uint8Array
  blockHash: Uint8Array
}

function writeEpoch(state: StateOverlay, context: BlockContext, turn: Turn): void {
  const epoch = (turn.before?.epoch ?? 0) + 1
  const nodes = decodeCbor(turn.nodes) as NodeValue[]
  const value: EpochValue = {
    epoch,
    height: context.height,
    seed: sha256(SEED_PREFIX, turn.blockHash, u64be(epoch)),
    nodesHash: state.putBlob(turn.nodes),
    tableHash: state.putBlob(slotTable(state, nodes, turn.before)),
    guardiansHash: state.putBlob(turn.guardians),
    nodeCount: nodes.length,
  }
  save(state, epochKey(epoch), epochValue, value)
  save(state, latestEpochKey(), epochValue, value)
}

// The registered nodes that take part: active themselves and of an active institution; sorted by node id.
function activeNodes(state: StateView): NodeValue[] {
  const active = activeInstitutions(state)
  const nodes = state.list('node/').map(({ value }) => nodeValue.decode(value))
  return nodes.filter((node) => node.status === 'active' && active.has(node.instId))
}

// The guardians that take part, sorted by guardian id.
function activeGuardians(state: StateView): GuardianValue[] {
  const active = activeInstitutions(state)
  const guardians = state.list('guardian/').map(({ value }) => guardianValue.decode(value))
  return guardians.filter((guardian) => guardian.status === 'active' && active.has(guardian.instId))
}

function activeInstitutions(state: StateView): Set<string> {
  const all = state.list('inst/').map(({ value }) => institutionValue.decode(value))
  return new Set(all.filter(({ status }) => status === 'active').map(({ instId }) => instId))
}

// Slots stay with their node where quotas allow, so the table depends on the one before.
function slotTable(state: StateView, nodes: NodeValue[], before: EpochValue | null): Uint8Array {
  if (nodes.length === 0) return new Uint8Array(0)
  const table = assignSlots(nodes.map(weighed), previousTable(state, before))
  const bytes = new Uint8Array(table.length * 2)
  const view = new DataView(bytes.buffer)
  for (const [slot, node] of table.entries()) view.setUint16(slot * 2, node, true)
  return bytes
}

// A node counts by whole mebibytes, and for something however small it is.
function weighed({ nodeId, capacityBytes }: NodeValue): { nodeId: string; weight: number } {
  return { nodeId, weight: Math.min(WEIGHT_MAX, Math.max(1, Math.floor(capacityBytes / WEIGHT_UNIT_BYTES))) }
}

function previousTable(
  state: StateView,
  before: EpochValue | null,
): { nodeIds: string[]; table: Uint16Array } | null {
  const tableBytes = before && state.blob(before.tableHash)
  const nodeBytes = before && state.blob(before.nodesHash)
  if (!tableBytes || !nodeBytes || tableBytes.length === 0) return null
  const view = new DataView(tableBytes.buffer, tableBytes.byteOffset, tableBytes.length)
  const table = Uint16Array.from({ length: tableBytes.length / 2 }, (_, slot) =>
    view.getUint16(slot * 2, true),
  )
  return { nodeIds: (decodeCbor(nodeBytes) as NodeValue[]).map(({ nodeId }) => nodeId), table }
}
