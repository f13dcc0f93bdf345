import { identify } from '@libp2p/identify'
import type { ConnectionEncrypter, ConnectionGater, Libp2p, PrivateKey, ServiceMap } from '@libp2p/interface'
import { ping } from '@libp2p/ping'
import { createLibp2p, type ServiceFactoryMap } from 'libp2p'
import { links } from '#links'
import { XcareError } from '../errors.ts'
import type { NodeId } from '../ids.ts'
import { DIAL_MS, HANDSHAKE_MS } from '../limits.ts'
import { MemoryStore } from './_memory-store.ts'
import { quietMerges } from './_quiet-peer-store.ts'
import { silentLog } from './_silent-log.ts'
import type { Admission } from './admission.ts'
import { muxer } from './mux/muxer.ts'
import type { PeerOptions } from './peer-options.ts'

/** Provider records live for 48 h; the addresses they need must live longer than any of them. */
const PEER_AGE_MS = 30 * 24 * 3600 * 1000

/** The library refuses newcomers above its limits; ours make room for them. */
const UNCOUNTED = Number.MAX_SAFE_INTEGER

/** Asks `admission` wherever the library lets us. */
function gaterOf(admission: Admission): ConnectionGater {
  return {
    // A page may call whom the registry names, also at home and without a certificate: who answers is proven
    // either way.
    denyDialMultiaddr: () => false,
    denyInboundConnection(connection) {
      const end = () => connection.abort(new XcareError('BUSY', 'others need the place of this connection'))
      connection.addEventListener('close', () => admission.leave(connection), { once: true })
      return !admission.arrive(connection, connection.remoteAddr, end)
    },
    // Every identity of this network is an Ed25519 key: whoever has another is not of it.
    denyInboundEncryptedConnection: (peer, connection) =>
      peer.type !== 'Ed25519' || !admission.identify(peer, connection),
    denyOutboundEncryptedConnection(peer, connection) {
      admission.dialled(peer, connection)
      return false
    },
  }
}

/** @returns `encrypter`, which tells `admission` of every remote that begins a handshake. */
function watched(encrypter: ConnectionEncrypter, admission: Admission): ConnectionEncrypter {
  return {
    protocol: encrypter.protocol,
    secureOutbound: (connection, options) => encrypter.secureOutbound(connection, options),
    async secureInbound(connection, options) {
      if (!admission.speak(connection)) throw new XcareError('BUSY', 'too many handshakes are under way')
      return encrypter.secureInbound(connection, options)
    },
  }
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
  admission: Admission,
): Promise<Libp2p<ServiceMap>> {
  const { transports, connectionEncrypters } = await links(options, admission)
  const node = await createLibp2p({
    start: false,
    privateKey,
    datastore: new MemoryStore((peer) => options.standingOf?.(peer as NodeId) === 'node'),
    ...(options.libraryLogs ? {} : { logger: silentLog }),
    addresses: { listen: [...options.listen], announce: [...(options.announce ?? [])] },
    transports,
    connectionEncrypters: connectionEncrypters.map(
      (encrypter) => (components: Parameters<typeof encrypter>[0]) =>
        watched(encrypter(components), admission),
    ),
    streamMuxers: [muxer(admission)],
    connectionManager: {
      ...{ maxConnections: UNCOUNTED, maxIncomingPendingConnections: UNCOUNTED },
      ...{ inboundConnectionThreshold: UNCOUNTED, inboundUpgradeTimeout: HANDSHAKE_MS, dialTimeout: DIAL_MS },
    },
    connectionGater: gaterOf(admission),
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
