import type { Connection, PeerId, Stream } from '@libp2p/interface'
import type { KadDHT, KadDHTComponents } from '@libp2p/kad-dht'
import type { CID } from 'multiformats/cid'
import { assert } from '../assert.ts'
import { DHT_FIRST_NEIGHBOUR_MS } from '../limits.ts'

/** DHT protocol of this network. Spec: docs/spec/directory.md. */
export const KAD_PROTOCOL = '/xcare/kad/1.0.0'

/** The parts of the library's DHT that are public on the object but not in its interface. */
export interface Kad extends KadDHT {
  readonly k: number
  readonly routingTable: EventTarget & {
    readonly size: number
    closestPeers(kadId: Uint8Array, options: { count: number }): PeerId[]
  }
  readonly providers: {
    addProvider(cid: CID, provider: PeerId): Promise<void>
    getProviders(cid: CID, options?: { signal?: AbortSignal }): Promise<PeerId[]>
  }
}

/** What a DHT service was built from. */
export interface KadParts {
  readonly kad: Kad
  readonly peerId: PeerId
  readonly peerStore: KadDHTComponents['peerStore']
  readonly addressManager: KadDHTComponents['addressManager']
  readonly identify: { identify(connection: Connection): Promise<unknown> }
  readonly connectionManager: {
    getConnections(peer?: PeerId): Connection[]
    openStream(peer: PeerId, protocol: string, options: { signal: AbortSignal }): Promise<Stream>
  }
}

const known = new WeakMap<object, KadParts>()

/** Remembers the parts of a running service and checks that this version of the library has what we rely on. */
export function rememberKad(service: KadDHT, components: KadDHTComponents): KadParts {
  const kad = service as unknown as Kad
  assert(
    typeof kad.routingTable?.closestPeers === 'function',
    'this version of the DHT has another routing table',
  )
  assert(
    typeof kad.providers?.getProviders === 'function',
    'this version of the DHT keeps providers elsewhere',
  )
  const { peerId, peerStore, addressManager } = components
  const connectionManager = components.connectionManager as unknown as KadParts['connectionManager']
  // A service that the DHT names as one it depends on, so that it is there.
  const { identify } = components as unknown as Pick<KadParts, 'identify'>
  const parts = { kad, peerId, peerStore, addressManager, connectionManager, identify }
  known.set(service, parts)
  return parts
}

/** @returns the parts of a service made by `kadService`. */
export function partsOf(service: unknown): KadParts {
  const parts = typeof service === 'object' && service !== null ? known.get(service) : undefined
  assert(parts !== undefined, 'this peer runs no DHT service')
  return parts
}

/** Connections on which a client has asked, or asks, what the other side speaks. */
const asked = new WeakSet<Connection>()

/** Learns which of those a client is connected to serve the DHT: it does not ask before it has a question. */
function askNeighbours({ kad, connectionManager, identify }: KadParts): void {
  if (kad.getMode() !== 'client') return
  for (const connection of connectionManager.getConnections()) {
    if (asked.has(connection)) continue
    asked.add(connection)
    identify.identify(connection).catch(() => asked.delete(connection))
  }
}

/** To be awaited before a question: a client first asks who serves the DHT, and whoever has just connected is not in the table yet, so that the network would seem empty. Waits at most DHT_FIRST_NEIGHBOUR_MS. */
export async function firstNeighbour(parts: KadParts, signal: AbortSignal): Promise<void> {
  const { kad, connectionManager } = parts
  askNeighbours(parts)
  if (kad.routingTable.size > 0 || signal.aborted || connectionManager.getConnections().length === 0) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const onEvent = () => resolve()
  const timer = setTimeout(onEvent, DHT_FIRST_NEIGHBOUR_MS)
  kad.routingTable.addEventListener('peer:add', onEvent)
  signal.addEventListener('abort', onEvent)
  await promise
  clearTimeout(timer)
  kad.routingTable.removeEventListener('peer:add', onEvent)
  signal.removeEventListener('abort', onEvent)
}
