import type { PeerId, PeerInfo } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { CID } from 'multiformats/cid'
import { XcareError } from '../errors.ts'
import type { NodeId, ObjectId } from '../ids.ts'
import { DHT_QUERY_MS, PEER_ADDRESSES_MAX } from '../limits.ts'
import type { Directory, PeerAddress } from '../ports.ts'
import { Announcer } from './_announcer.ts'
import { firstNeighbour, type KadParts, partsOf } from './_kad.ts'
import { recordKey } from './_record.ts'

/** Holders that must have named providers before a search ends early: they all keep nearly the same list. */
const AGREEING_HOLDERS = 3

/** The part of a peer the directory needs: its running services by name. */
export interface ServicePeer {
  service(name: string): unknown
}

/**
 * @param peer a peer that runs `kadService` under the name `kad`.
 * @returns the DHT as announce and find. Every question ends within DHT_QUERY_MS; every answer is a hint.
 */
export function openDirectory(peer: ServicePeer): Directory {
  const parts = partsOf(peer.service('kad'))
  const announcer = new Announcer(parts)
  return {
    announce: (objectId, signal) => announcer.announce(objectId, signal),
    find: (objectId, limit, signal) => find(parts, objectId, limit, signal),
    locate: (nodeId, signal) => locate(parts, nodeId, signal),
  }
}

async function find(
  parts: KadParts,
  objectId: ObjectId,
  limit: number,
  signal: AbortSignal,
): Promise<PeerAddress[]> {
  const key = recordKey(objectId)
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(DHT_QUERY_MS)])
  // By who told them: nobody who answers pushes out what the others know.
  const told = new Map<string, Map<string, PeerAddress>>()
  await firstNeighbour(parts, deadline)
  if (parts.kad.routingTable.size === 0) return (await ownHints(parts, key)).slice(0, limit)
  try {
    for await (const event of parts.kad.findProviders(key, { signal: deadline })) {
      if (event.name !== 'PEER_RESPONSE' || event.providers.length === 0) continue
      const from = event.from.toString()
      const hints = told.get(from) ?? new Map<string, PeerAddress>()
      told.set(from, hints)
      for (const provider of event.providers) if (hints.size < limit) addHint(hints, provider)
      if (told.size >= AGREEING_HOLDERS) break
    }
  } catch {
    // Out of time, or stopped: what was found until now is still useful.
  }
  return inTurns([...told.values()], limit)
}

/** @returns at most `limit` hints, one of each who told some, and again, until none is left. */
function inTurns(told: Map<string, PeerAddress>[], limit: number): PeerAddress[] {
  const found = new Map<string, PeerAddress>()
  const lists = told.map((hints) => [...hints.values()])
  for (let at = 0; found.size < limit && lists.some((list) => at < list.length); at++)
    for (const list of lists) {
      const hint = list[at]
      if (hint && found.size < limit && !found.has(hint.nodeId)) found.set(hint.nodeId, hint)
    }
  return [...found.values()]
}

async function locate(parts: KadParts, nodeId: NodeId, signal: AbortSignal): Promise<PeerAddress | null> {
  const id = nodeIdOf(nodeId)
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(DHT_QUERY_MS)])
  const isConnected = parts.connectionManager.getConnections(id).length > 0
  const known = isConnected ? await remembered(parts, id) : null
  if (known) return known
  await firstNeighbour(parts, deadline)
  if (parts.kad.routingTable.size === 0) return remembered(parts, id)
  try {
    for await (const event of parts.kad.findPeer(id, { signal: deadline, useCache: false }))
      if (event.name === 'FINAL_PEER') return hint(event.peer)
  } catch {
    // Not found, or out of time: the last addresses we knew are the next best hint.
  }
  return remembered(parts, id)
}

/** Without neighbours there is nobody to ask but ourselves. */
async function ownHints(parts: KadParts, key: CID): Promise<PeerAddress[]> {
  const providers = await parts.kad.providers.getProviders(key)
  const hints = await Promise.all(providers.map((provider) => remembered(parts, provider)))
  return hints.filter((address) => address !== null)
}

async function remembered(parts: KadParts, id: PeerId): Promise<PeerAddress | null> {
  try {
    const { addresses } = await parts.peerStore.get(id)
    return hint({ id, multiaddrs: addresses.map(({ multiaddr }) => multiaddr) })
  } catch {
    return null
  }
}

function addHint(found: Map<string, PeerAddress>, peer: PeerInfo): void {
  const address = hint(peer)
  if (address && !found.has(address.nodeId)) found.set(address.nodeId, address)
}

function hint({ id, multiaddrs }: PeerInfo): PeerAddress | null {
  if (id.type !== 'Ed25519') return null
  const suffix = `/p2p/${id.toString()}`
  const texts = new Set(multiaddrs.map((address) => address.toString().replace(suffix, '')))
  const addresses = [...texts].slice(0, PEER_ADDRESSES_MAX)
  return addresses.length > 0 ? { nodeId: id.toString() as NodeId, addresses } : null
}

function nodeIdOf(nodeId: string): PeerId {
  try {
    return peerIdFromString(nodeId)
  } catch (cause) {
    throw new XcareError('MALFORMED', `"${nodeId.slice(0, 80)}" is not a node id`, { cause })
  }
}
