import type { Standing } from '../budget.ts'
import { equalBytes } from '../bytes.ts'
import type { Members } from '../chain-anchor/light/members.ts'
import type { NodeId } from '../ids.ts'
import { OWNER_PROOF_RATE, OWNER_PROVEN_MS, OWNERS_PROVEN_MAX } from '../limits.ts'
import type { Clock } from '../ports.ts'
import { RateBudget } from '../rate.ts'

/** What is asked for a proof. */
export interface StandingsOptions {
  members: Members
  clock: Clock
  /** @returns the owner key of an object that is on the chain, or null. */
  anchoredOwner(objectId: Uint8Array): Promise<Uint8Array | null>
}

/**
 * What a storage node knows of its peers: who is on the chain's lists, and who has lately shown to act for
 * the owner of an anchored object.
 */
export class Standings {
  readonly #options: StandingsOptions
  /** Until when each peer counts as an owner, who was proven first stands first. */
  readonly #owners = new Map<NodeId, number>()
  readonly #rate: RateBudget

  constructor(options: StandingsOptions) {
    this.#options = options
    this.#rate = new RateBudget(OWNER_PROOF_RATE, options.clock.nowMs())
  }

  /** @returns what is proven of `peer` now. */
  of(peer: NodeId): Standing {
    const { members, clock } = this.#options
    const listed = members.standingOf(peer)
    if (listed !== 'stranger') return listed
    return (this.#owners.get(peer) ?? 0) > clock.nowMs() ? 'owner' : 'stranger'
  }

  /**
   * A stranger has sent an order that is rightly signed by `ownerKey`: looks whether that key owns the object
   * on the chain, unless it was asked too often.
   * @returns whether the peer counts as an owner from now on.
   */
  async prove(peer: NodeId, objectId: Uint8Array, ownerKey: Uint8Array): Promise<boolean> {
    const { clock, anchoredOwner } = this.#options
    if (this.of(peer) !== 'stranger') return false
    if (!this.#rate.take({ standing: 'stranger', holder: peer, address: null }, clock.nowMs())) return false
    const owner = await anchoredOwner(objectId).catch(() => null)
    if (owner === null || !equalBytes(owner, ownerKey)) return false
    this.#owners.delete(peer)
    this.#owners.set(peer, clock.nowMs() + OWNER_PROVEN_MS)
    const [oldest] = this.#owners.keys()
    if (this.#owners.size > OWNERS_PROVEN_MAX && oldest !== undefined) this.#owners.delete(oldest)
    return true
  }
}
