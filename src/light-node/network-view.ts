import { decodeCbor, encodeCbor } from '../cbor.ts'
import { epochKey, latestEpochKey } from '../chain-anchor/app/keys.ts'
import {
  type EpochValue,
  epochValue,
  type GuardianValue,
  guardianValue,
  type NodeValue,
  nodeValue,
} from '../chain-anchor/app/values.ts'
import { XcareError } from '../errors.ts'
import type { NodeId } from '../ids.ts'
import { HEADER_AGE_MS_MAX, SLOTS } from '../limits.ts'
import type { Ledger, PeerAddress } from '../ports.ts'
import type { Format } from '../schema.ts'

/** The network in one epoch, every part proven against a verified header. Shared between callers: not to be changed. */
export interface NetworkView {
  epoch: EpochValue
  /** Active storage nodes, sorted by node id; slot tables point into this list. */
  nodes: NodeValue[]
  /** Guardians, sorted by guardian id. */
  guardians: GuardianValue[]
  /** 16,384 indexes into `nodes`. */
  table: Uint16Array
}

/** @param number an epoch, or null for the newest. @throws XcareError NOT_INITIALISED while the network has no epoch yet; OFFLINE, INTEGRITY as the ledger. */
export async function readNetworkView(ledger: Ledger, number: number | null): Promise<NetworkView> {
  const key = number === null ? latestEpochKey() : epochKey(number)
  const { value } = await ledger.read(key, HEADER_AGE_MS_MAX)
  if (value === null)
    throw new XcareError('NOT_INITIALISED', 'this network has no storage nodes yet', {
      next: 'start some with `npx xcare node run`, or wait until they have registered',
    })
  const epoch = epochValue.decode(value)
  const [nodes, guardians, table] = await Promise.all([
    ledger.blob(epoch.nodesHash),
    ledger.blob(epoch.guardiansHash),
    ledger.blob(epoch.tableHash),
  ])
  return {
    epoch,
    nodes: decodedOnce(nodes, (bytes) => decodeList(bytes, nodeValue)),
    guardians: decodedOnce(guardians, (bytes) => decodeList(bytes, guardianValue)),
    table: decodedOnce(table, decodeTable),
  }
}

/** Node lists and tables are the same for a whole epoch: a ledger that hands out the same memory again spares their decoding. */
const decoded = new WeakMap<Uint8Array, unknown>()

function decodedOnce<T>(bytes: Uint8Array, decode: (bytes: Uint8Array) => T): T {
  const known = decoded.get(bytes)
  if (known !== undefined) return known as T
  const value = decode(bytes)
  decoded.set(bytes, value)
  return value
}

function decodeList<T>(bytes: Uint8Array, item: Format<T>): T[] {
  const list = decodeCbor(bytes)
  if (!Array.isArray(list)) throw new XcareError('MALFORMED', `a list of ${item.name} values is not a list`)
  return list.map((entry) => item.decode(encodeCbor(entry)))
}

function decodeTable(bytes: Uint8Array): Uint16Array {
  if (bytes.length !== SLOTS * 2) throw new XcareError('MALFORMED', 'the slot table has a wrong size')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return Uint16Array.from({ length: SLOTS }, (_, slot) => view.getUint16(slot * 2, true))
}

/** @returns where a registered node or guardian says it can be reached. */
export function addressOf(
  entry: { addresses: string[] } & ({ nodeId: string } | { guardianId: string }),
): PeerAddress {
  const id = 'nodeId' in entry ? entry.nodeId : entry.guardianId
  return { nodeId: id as NodeId, addresses: entry.addresses }
}
