import { identify } from '@libp2p/identify'
import type { Libp2p, PrivateKey, ServiceMap } from '@libp2p/interface'
import { ping } from '@libp2p/ping'
import { createLibp2p, type ServiceFactoryMap } from 'libp2p'
import { links } from '#links'
import { CONNECTIONS_MAX, DIAL_MS } from '../limits.ts'
import { MemoryStore } from './_memory-store.ts'
import { quietMerges } from './_quiet-peer-store.ts'
import { silentLog } from './_silent-log.ts'
import { muxer } from './mux/muxer.ts'
import type { PeerLimits, PeerOptions } from './peer-options.ts'

/** Provider records live for 48 h; the addresses they need must live longer than any of them. */
const PEER_AGE_MS = 30 * 24 * 3600 * 1000

// The library's defaults (5 new connections a second and 10 unfinished ones) refuse peers that share an address.
const DEFAULT_LIMITS: PeerLimits = {
  connections: CONNECTIONS_MAX,
  pendingConnections: 256,
  connectionsPerSecond: 256,
}

/** Whether a peer needs to know what its neighbours speak. One that nobody calls and that hears no topics knows what to ask of whom; its DHT learns when it is asked. */
function isAcquainted({ listen, topics = [] }: PeerOptions): boolean {
  return listen.length > 0 || topics.length > 0
}

/** @param services libp2p services besides identify and ping. @returns a libp2p node, not started. Settings: docs/spec/transport.md section 5. */
export async function createNode(
  options: PeerOptions,
  privateKey: PrivateKey,
  services: ServiceFactoryMap,
): Promise<Libp2p<ServiceMap>> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const node = await createLibp2p({
    start: false,
    privateKey,
    datastore: new MemoryStore(),
    ...(options.libraryLogs ? {} : { logger: silentLog }),
    addresses: { listen: [...options.listen], announce: [...(options.announce ?? [])] },
    ...(await links({ ...options, limits })),
    streamMuxers: [muxer()],
    connectionManager: {
      maxConnections: limits.connections,
      maxIncomingPendingConnections: limits.pendingConnections,
      inboundConnectionThreshold: limits.connectionsPerSecond,
      dialTimeout: DIAL_MS,
    },
    connectionGater: {
      // A page may call whom the registry names, also at home and without a certificate: who answers is proven either way.
      denyDialMultiaddr: () => false,
      // Every identity of this network is an Ed25519 key: whoever has another is not of it.
      denyInboundEncryptedConnection: (peer) => peer.type !== 'Ed25519',
    },
    // The monitor ends connections whose remote was busy for some seconds; silence is judged in TlsMessageStream instead.
    connectionMonitor: { enabled: false, abortConnectionOnPingFailure: false },
    peerStore: { maxAddressAge: PEER_AGE_MS, maxPeerAge: PEER_AGE_MS },
    services: {
      identify: identify({ runOnConnectionOpen: isAcquainted(options) }),
      ping: ping(),
      ...services,
    },
  })
  quietMerges(node.peerStore)
  return node
}
