import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { Connection, Libp2p, ServiceMap, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { ServiceFactoryMap } from 'libp2p'
import { assert } from '../assert.ts'
import { concat } from '../bytes.ts'
import { signingKeyFromSeed } from '../crypto/sign.ts'
import { XcareError } from '../errors.ts'
import type { NodeId } from '../ids.ts'
import { DIAL_MS, PEER_STOP_MS } from '../limits.ts'
import type { Broadcast, FrameStream, PeerAddress, Transport } from '../ports.ts'
import { addressOf } from './_address.ts'
import { createNode } from './_node.ts'
import { Admission } from './admission.ts'
import { IdleStreams, LentStream, type ReusableStream } from './frames/_idle-streams.ts'
import { frameStream } from './frames/frame-stream.ts'
import { nodeIdFromPublicKey, parseNodeId } from './node-id.ts'
import { OneATurn } from './one-a-turn.ts'
import type { PeerOptions } from './peer-options.ts'

const OUTBOUND_STREAMS_MAX = 256

/** A running libp2p peer: transport, broadcast and services under one identity. */
export interface Peer extends Transport {
  readonly nodeId: NodeId
  readonly broadcast: Broadcast
  /** Where others can reach this peer, as multiaddrs without the peer id. */
  addresses(): string[]
  /** Peers connected now. */
  connected(): NodeId[]
  /** Connects without opening a stream. @throws XcareError as `open`. */
  connect(peer: PeerAddress, signal: AbortSignal): Promise<void>
  /**
   * Serves `protocol`. The stream is closed when `handler` resolves and torn down when it rejects.
   * `maxInboundStreams` holds per connection.
   */
  handle(protocol: string, handler: FrameHandler, options: { maxInboundStreams: number }): Promise<void>
  /** The running service called `name` in the options. */
  service(name: string): unknown
  /** Has what `standingOf` says of `peer` now hold for its connections and streams, too. */
  promote(peer: NodeId): void
  /** Closes everything; resolves within PEER_STOP_MS and a little. */
  stop(): Promise<void>
}

/** Serves one stream. */
export type FrameHandler = (stream: FrameStream) => Promise<void>

/**
 * Starts a peer on libp2p 3: TCP, TLS 1.3 before noise, yamux. Spec: docs/spec/transport.md.
 * @throws XcareError PORT_IN_USE when an address to listen on is taken, USAGE when it cannot be used.
 */
export async function startPeer(options: PeerOptions): Promise<Peer> {
  // Given both halves the library does not derive the public one again, in JavaScript.
  const { publicKey } = signingKeyFromSeed(options.seed)
  const privateKey = privateKeyFromRaw(concat(options.seed, publicKey))
  const topics = options.topics ?? []
  // Loaded on demand: peers without topics need not pay for it at start.
  const gossip = topics.length > 0 ? await import('./broadcast.ts') : null
  const services = { ...options.services } as ServiceFactoryMap
  if (gossip) services.gossip = gossip.gossipService(topics)
  const standingOf = options.standingOf ?? (() => 'stranger')
  const admission = new Admission(standingOf, () => performance.now(), options.budgets)
  const node = await createNode(options, privateKey, services, admission)
  const broadcast = gossip ? gossip.openBroadcast(node.services.gossip, topics) : silentBroadcast
  try {
    await node.start()
  } catch (cause) {
    throw listenError(cause, options.listen)
  }
  return new Libp2pPeer(node, nodeIdFromPublicKey(publicKey), broadcast, admission)
}

/** The broadcast of a peer without topics. */
const silentBroadcast: Broadcast = {
  publish: async (topic) => {
    assert(false, `this peer does not carry the topic "${topic}"`)
    return 0
  },
  subscribe: (topic) => assert(false, `this peer does not carry the topic "${topic}"`),
}

class Libp2pPeer implements Peer {
  readonly nodeId: NodeId
  readonly broadcast: Broadcast
  readonly #node: Libp2p<ServiceMap>
  readonly #admission: Admission
  readonly #idle = new IdleStreams()
  readonly #dials = new OneATurn()

  constructor(node: Libp2p<ServiceMap>, nodeId: NodeId, broadcast: Broadcast, admission: Admission) {
    this.#node = node
    this.#admission = admission
    this.nodeId = nodeId
    this.broadcast = broadcast
  }

  addresses(): string[] {
    const suffix = `/p2p/${this.nodeId}`
    return this.#node.getMultiaddrs().map((address) => address.toString().replace(suffix, ''))
  }

  connected(): NodeId[] {
    return this.#node.getPeers().map((peer) => peer.toString() as NodeId)
  }

  async connect(peer: PeerAddress, signal: AbortSignal): Promise<void> {
    await this.#connection(peer, signal)
  }

  async open(peer: PeerAddress, protocol: string, signal: AbortSignal): Promise<FrameStream> {
    const name = `${peer.nodeId} ${protocol}`
    const giveBack = (stream: ReusableStream) => this.#idle.give(name, stream)
    const idle = signal.aborted ? null : this.#idle.take(name)
    if (idle) return new LentStream(idle, giveBack)
    const connection = await this.#connection(peer, signal)
    let stream: Stream
    try {
      stream = await connection.newStream(protocol, { signal, maxOutboundStreams: OUTBOUND_STREAMS_MAX })
    } catch (cause) {
      throw unreachable(peer, cause, signal)
    }
    return new LentStream(frameStream(stream, peer.nodeId), giveBack)
  }

  async handle(
    protocol: string,
    handler: FrameHandler,
    options: { maxInboundStreams: number },
  ): Promise<void> {
    await this.#node.handle(
      protocol,
      (stream, connection) => {
        const remote = connection.remotePeer.toString() as NodeId
        void serve(frameStream(stream, remote, addressOf(connection.remoteAddr)), handler)
      },
      { maxInboundStreams: options.maxInboundStreams },
    )
  }

  service(name: string): unknown {
    return this.#node.services[name]
  }

  promote(peer: NodeId): void {
    this.#admission.promote(peer)
  }

  async stop(): Promise<void> {
    this.#idle.close()
    const { promise: deadline, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, PEER_STOP_MS)
    try {
      // What the library cannot close in time is left to the process, which ends anyway.
      await Promise.race([this.#node.stop(), deadline])
    } catch {
      // A connection that fails while it is being closed is closed.
    } finally {
      clearTimeout(timer)
    }
  }

  async #connection(peer: PeerAddress, signal: AbortSignal): Promise<Connection> {
    const id = parseNodeId(peer.nodeId)
    const open = this.#node.getConnections(id).find((connection) => connection.status === 'open')
    if (open) return open
    const limited = AbortSignal.any([signal, AbortSignal.timeout(DIAL_MS)])
    await this.#dials.pass()
    try {
      const addresses = peer.addresses.map((address) => multiaddr(`${address}/p2p/${peer.nodeId}`))
      return await this.#node.dial(addresses.length > 0 ? addresses : id, { signal: limited })
    } catch (cause) {
      throw unreachable(peer, cause, signal)
    }
  }
}

async function serve(stream: FrameStream, handler: FrameHandler): Promise<void> {
  try {
    await handler(stream)
    await stream.close()
  } catch (error) {
    stream.abort(error instanceof Error ? error : new Error(String(error)))
  }
}

function unreachable(peer: PeerAddress, cause: unknown, signal: AbortSignal): XcareError {
  if (signal.aborted)
    return new XcareError('TIMEOUT', `node ${peer.nodeId} did not answer in time`, { cause })
  return new XcareError('OFFLINE', `node ${peer.nodeId} cannot be reached`, { cause })
}

function listenError(cause: unknown, listen: readonly string[]): XcareError {
  const text = cause instanceof Error ? cause.message : String(cause)
  const port = listen.join(', ')
  if (text.includes('EADDRINUSE'))
    return new XcareError('PORT_IN_USE', `another program is using the port of ${port}`, {
      cause,
      next: 'stop the other program or choose another port',
    })
  return new XcareError('USAGE', `cannot listen on ${port}`, {
    cause,
    next: 'check the address and the port',
  })
}
