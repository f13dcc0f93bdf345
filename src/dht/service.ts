import type { PeerId, PeerInfo } from '@libp2p/interface'
import { type KadDHT, type KadDHTComponents, kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { KAD_PROTOCOL, type KadParts, rememberKad } from './_kad.ts'

const HOUR_MS = 3_600_000
/** A server looks for its neighbours soon after its start and then at this interval. */
const FIRST_LOOK_MS = 500
const LOOK_MS = 60_000

/**
 * @param options `serverMode`: whether this peer keeps records and answers questions, or only asks.
 * @returns a service factory for `startPeer`, to be named `kad`. Spec: docs/spec/directory.md.
 */
export function kadService(options: { serverMode: boolean }): (components: KadDHTComponents) => KadDHT {
  return (components) => {
    const service = kadDHT({
      protocol: KAD_PROTOCOL,
      clientMode: !options.serverMode,
      // Addresses are not filtered: hospitals and homes reach each other by private ones.
      peerInfoMapper: options.serverMode ? passthroughMapper : (peer) => connectedOnly(peer, components),
      // Fewer questions in flight than the default: half the traffic, the same answers up to 10,000 nodes.
      alpha: 3,
      disjointPaths: 3,
      // A server's first questions wait until it knows its neighbours. A client is found by nobody and never looks for itself.
      allowQueryWithZeroPeers: !options.serverMode,
      initialQuerySelfInterval: options.serverMode ? FIRST_LOOK_MS : HOUR_MS,
      querySelfInterval: options.serverMode ? LOOK_MS : HOUR_MS,
    })(components)
    keepToKnownProviders(rememberKad(service, components))
    return service
  }
}

/** The library dials every peer it hears of; a client that asks one question must not open a connection to each. */
function connectedOnly(peer: PeerInfo, components: KadDHTComponents): PeerInfo {
  const isConnected = components.connectionManager.getConnections(peer.id).length > 0
  return isConnected ? peer : { ...peer, multiaddrs: [] }
}

/** The library's answer to "who has this" fails as a whole when it has forgotten the addresses of one provider. */
function keepToKnownProviders({ kad, peerStore }: KadParts): void {
  const all = kad.providers.getProviders.bind(kad.providers)
  kad.providers.getProviders = async (cid, options) => {
    const providers: PeerId[] = []
    for (const provider of await all(cid, options))
      if (await peerStore.has(provider)) providers.push(provider)
    return providers
  }
}
