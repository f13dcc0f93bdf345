import type { NodeId } from '../ids.ts'
import { NODE_STREAMS_MAX, NODE_STREAMS_PER_PEER_MAX } from '../limits.ts'

/** Counts open streams, in all and of each peer, so that none takes the whole node. */
export class StreamGate {
  readonly #perPeer = new Map<NodeId, number>()
  #all = 0

  /** @returns whether one more stream of `peer` may be served; then `leave` must follow. */
  enter(peer: NodeId): boolean {
    const open = this.#perPeer.get(peer) ?? 0
    if (this.#all >= NODE_STREAMS_MAX || open >= NODE_STREAMS_PER_PEER_MAX) return false
    this.#all++
    this.#perPeer.set(peer, open + 1)
    return true
  }

  /** Ends what `enter` began. */
  leave(peer: NodeId): void {
    const open = this.#perPeer.get(peer) ?? 0
    this.#all--
    if (open > 1) this.#perPeer.set(peer, open - 1)
    else this.#perPeer.delete(peer)
  }
}
