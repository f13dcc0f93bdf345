import type { ConnectionEncrypter, Libp2p } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import type { NodeId } from '../../src/ids.ts'
import { type Peer, startPeer } from '../../src/net/peer.ts'
import type { PeerOptions } from '../../src/net/peer-options.ts'
import type { FrameStream, PeerAddress } from '../../src/ports.ts'

export const LOCAL = ['/ip4/127.0.0.1/tcp/0']
const stops: (() => Promise<void>)[] = []

/** A peer of ours that is stopped by `stopAll`. */
export async function ourPeer(seedByte: number, options: Partial<PeerOptions> = {}): Promise<Peer> {
  const peer = await startPeer({ seed: new Uint8Array(32).fill(seedByte), listen: LOCAL, ...options })
  stops.push(() => peer.stop())
  return peer
}

/** A libp2p node as the library makes it, with its own TLS or noise. */
export async function stockPeer(encrypter: 'tls' | 'noise'): Promise<Libp2p> {
  const encrypters: Record<string, () => (components: never) => ConnectionEncrypter> = { tls, noise }
  const node = await createLibp2p({
    addresses: { listen: LOCAL },
    transports: [tcp()],
    connectionEncrypters: [encrypters[encrypter]!() as never],
    streamMuxers: [yamux()],
  })
  stops.push(async () => node.stop())
  return node
}

export async function stopAll(): Promise<void> {
  await Promise.all(stops.splice(0).map((stop) => stop()))
}

export const address = (peer: Peer): PeerAddress => ({ nodeId: peer.nodeId, addresses: peer.addresses() })

export const stockAddress = (node: Libp2p): PeerAddress => ({
  nodeId: node.peerId.toString() as NodeId,
  addresses: node.getMultiaddrs().map((each) => each.toString().replace(/\/p2p\/.*/, '')),
})

export const soon = (ms = 50_000) => AbortSignal.timeout(ms)

/** Port of a listening peer. */
export const portOf = (peer: Peer) => Number(peer.addresses()[0]!.split('/').at(-1))

/** Sends every frame back. */
export async function echo(stream: FrameStream): Promise<void> {
  for (let frame = await stream.read(1 << 20, 5000); frame; frame = await stream.read(1 << 20, 5000))
    await stream.write(frame)
}
