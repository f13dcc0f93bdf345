import { decodeCbor, encodeCbor } from '../cbor.ts'
import { latestEpochKey } from '../chain-anchor/app/keys.ts'
import { epochValue, type NodeValue, nodeValue } from '../chain-anchor/app/values.ts'
import type { NodeId } from '../ids.ts'
import { DIAL_MS, HEADER_AGE_MS_MAX } from '../limits.ts'
import type { Ledger, PeerAddress, Random } from '../ports.ts'

/** Nodes of the DHT that a node keeps connections to, at least: enough to find all others. */
const NEIGHBOURS_WANTED = 8

/** The part of a peer that meeting others needs. */
export interface Meeting {
  readonly nodeId: NodeId
  connected(): NodeId[]
  connect(peer: PeerAddress, signal: AbortSignal): Promise<void>
}

/** Connects to some nodes of the newest epoch until there are enough neighbours. @returns how many are connected. @throws XcareError OFFLINE, INTEGRITY as the ledger does. */
export async function meetNeighbours(peer: Meeting, ledger: Ledger, random: Random): Promise<number> {
  const connected = new Set<string>(peer.connected())
  const nodes = await activeNodes(ledger)
  const known = nodes.filter(({ nodeId }) => connected.has(nodeId)).length
  const others = nodes.filter(({ nodeId }) => nodeId !== peer.nodeId && !connected.has(nodeId))
  const chosen = shuffled(others, random).slice(0, Math.max(0, NEIGHBOURS_WANTED - known))
  const met = await Promise.allSettled(
    chosen.map(({ nodeId, addresses }) =>
      peer.connect({ nodeId: nodeId as NodeId, addresses }, AbortSignal.timeout(DIAL_MS)),
    ),
  )
  return known + met.filter(({ status }) => status === 'fulfilled').length
}

async function activeNodes(ledger: Ledger): Promise<NodeValue[]> {
  const { value } = await ledger.read(latestEpochKey(), HEADER_AGE_MS_MAX)
  if (value === null) return []
  const list = decodeCbor(await ledger.blob(epochValue.decode(value).nodesHash))
  return Array.isArray(list) ? list.map((node) => nodeValue.decode(encodeCbor(node))) : []
}

function shuffled<T>(items: T[], random: Random): T[] {
  const keys = new DataView(random.bytes(items.length * 4).buffer)
  return items
    .map((item, at) => ({ item, key: keys.getUint32(at * 4) }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item)
}
