import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type SigningKey, signingKeyFromSeed } from '../../src/crypto/sign.ts'
import type { NodeId } from '../../src/ids.ts'
import { nodeIdFromPublicKey } from '../../src/net/node-id.ts'
import { type Peer, startPeer } from '../../src/net/peer.ts'
import type { PeerOptions } from '../../src/net/peer-options.ts'
import { type MadeObject, makeObject, seededBytes } from '../storage-node/made-object.ts'

/** Far from the seeds that tests choose for the honest. */
let nextSeed = 0x7a0000

type ObjectWish = Omit<Parameters<typeof makeObject>[0], 'seed' | 'owner'>

/**
 * Somebody without keys that anybody knows: every identity costs it nothing. What it began is ended by
 * `leave`.
 */
export class Stranger {
  readonly #ends: (() => Promise<void> | void)[] = []

  /** @returns a fresh key: an identity, an owner, a self-made guardian, as one likes. */
  key(): SigningKey {
    return signingKeyFromSeed(seededBytes(nextSeed++, 32))
  }

  /** @returns the id of a fresh identity, for streams in memory. */
  nodeId(): NodeId {
    return nodeIdFromPublicKey(this.key().publicKey)
  }

  /**
   * @returns an object nobody anchored, with fragments and manifest of a fresh owner: its orders are validly
   * signed.
   */
  object(wish: ObjectWish = {}): MadeObject {
    const seed = nextSeed++
    return makeObject({ ...wish, seed })
  }

  /** @returns a peer of a fresh identity that only dials. */
  async peer(options: Partial<PeerOptions> = {}): Promise<Peer> {
    const peer = await startPeer({ seed: seededBytes(nextSeed++, 32), listen: [], ...options })
    this.#ends.push(() => peer.stop())
    return peer
  }

  /** @returns `count` connections to `port` of loopback, from `localAddress`, on which nothing is said. */
  async bareConnections(port: number, count: number, localAddress = '127.0.0.1'): Promise<Socket[]> {
    const sockets = Array.from({ length: count }, () => {
      const socket = connect({ port, host: '127.0.0.1', localAddress })
      // Being cut off is what it expects.
      socket.on('error', () => {})
      this.#ends.push(() => void socket.destroy())
      return socket
    })
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    return sockets
  }

  /** Ends everything it began. */
  async leave(): Promise<void> {
    await Promise.all(this.#ends.splice(0).map((end) => end()))
  }
}
