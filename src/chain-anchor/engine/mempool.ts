import { toHex } from '../../bytes.ts'
import {
  BLOCK_BYTES_OF_LANE_MAX,
  BLOCK_TXS_OF_LANE_MAX,
  LANE_WEIGHT_MAX,
  STRANGER_CHAIN_BURST_BYTES,
  STRANGER_CHAIN_BYTES_PER_SECOND,
  TX_WEIGHT,
} from '../../limits.ts'
import { LANES, type Lane } from '../app/lanes.ts'

interface Waiting {
  name: string
  tx: Uint8Array
  lane: Lane
  sender: string
}

/**
 * Transactions that wait for a block, each once, in lanes. Within a lane its senders take turns, each with
 * its oldest; a full lane makes room at the expense of whoever has most in it. What strangers may add to the
 * chain is paced: what is in a block is kept for good. Why: docs/adr/0123-lanes-for-transactions.md.
 */
export class Mempool {
  readonly #waiting = new Map<string, Waiting>()
  readonly #lanes: Record<Lane, LaneQueue> = {
    back: new LaneQueue(),
    member: new LaneQueue(),
    rest: new LaneQueue(),
  }
  readonly #pace: Pace

  constructor(nowMs: number) {
    this.#pace = new Pace(nowMs)
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.size
  }

  /** Whether the transaction with this hash waits. */
  has(hash: Uint8Array): boolean {
    return this.#waiting.has(toHex(hash))
  }

  /** Whether one more of `length` bytes from `sender` fits, perhaps in the place of another's. */
  hasRoomFor(lane: Lane, sender: string, length: number): boolean {
    const queue = this.#lanes[lane]
    const over = queue.weight + weightOf(length) - LANE_WEIGHT_MAX
    return over <= 0 || queue.aboveShareOf(sender, length) >= over
  }

  /**
   * Lets a transaction wait, after `hasRoomFor`.
   * @returns hashes in hex of those that lost their place to it.
   */
  add(hash: Uint8Array, tx: Uint8Array, lane: Lane, sender: string): string[] {
    const lost: string[] = []
    const queue = this.#lanes[lane]
    while (queue.weight + weightOf(tx.length) > LANE_WEIGHT_MAX) {
      const victim = queue.newestOf(queue.heaviest(sender, tx.length) ?? '')
      if (!victim) break
      this.#drop(victim)
      lost.push(victim.name)
    }
    const waiting = { name: toHex(hash), tx, lane, sender }
    this.#waiting.set(waiting.name, waiting)
    queue.add(waiting)
    return lost
  }

  /** Takes a transaction out. */
  remove(hash: Uint8Array): void {
    const waiting = this.#waiting.get(toHex(hash))
    if (waiting) this.#drop(waiting)
  }

  /** All that wait, those that come first first. */
  all(): Uint8Array[] {
    return LANES.flatMap((lane) => this.#lanes[lane].inTurns().map(({ tx }) => tx))
  }

  /**
   * Transactions for the next block: every lane has its part of it, however full the others are. Strangers'
   * bytes are paid for here.
   */
  choose(nowMs: number): Uint8Array[] {
    this.#pace.pass(nowMs)
    const chosen: Uint8Array[] = []
    for (const lane of LANES) {
      let bytes = 0
      let count = 0
      for (const { tx } of this.#lanes[lane].inTurns()) {
        bytes += tx.length
        if (bytes > BLOCK_BYTES_OF_LANE_MAX || count === BLOCK_TXS_OF_LANE_MAX) break
        if (lane === 'rest' && !this.#pace.pay(tx.length)) break
        chosen.push(tx)
        count++
      }
      this.#lanes[lane].turn(count)
    }
    return chosen
  }

  /** Milliseconds until the next block has something to carry: 0 for now, Infinity while nothing waits. */
  dueInMs(nowMs: number): number {
    if (this.#lanes.back.size > 0 || this.#lanes.member.size > 0) return 0
    const next = this.#lanes.rest.inTurns(1)[0]
    return next ? this.#pace.waitMs(next.tx.length, nowMs) : Number.POSITIVE_INFINITY
  }

  #drop(waiting: Waiting): void {
    this.#waiting.delete(waiting.name)
    this.#lanes[waiting.lane].remove(waiting)
  }
}

/** A transaction costs its bytes, and work that does not depend on them. */
function weightOf(length: number): number {
  return length + TX_WEIGHT
}

/** One lane: what waits of each sender, in order of arrival, and whose turn it is. */
class LaneQueue {
  readonly #senders = new Map<string, { weight: number; waiting: Set<Waiting> }>()
  weight = 0
  size = 0

  add(waiting: Waiting): void {
    const of = this.#senders.get(waiting.sender) ?? { weight: 0, waiting: new Set() }
    this.#senders.set(waiting.sender, of)
    of.waiting.add(waiting)
    this.#count(of, weightOf(waiting.tx.length), 1)
  }

  remove(waiting: Waiting): void {
    const of = this.#senders.get(waiting.sender)
    if (!of?.waiting.delete(waiting)) return
    this.#count(of, -weightOf(waiting.tx.length), -1)
    if (of.waiting.size === 0) this.#senders.delete(waiting.sender)
  }

  /**
   * @returns how much all others have beyond what `sender` would have with `length` bytes more: so much can
   * be taken from them.
   */
  aboveShareOf(sender: string, length: number): number {
    const share = this.#shareOf(sender, length)
    let above = 0
    for (const [name, { weight }] of this.#senders) if (name !== sender) above += Math.max(0, weight - share)
    return above
  }

  /**
   * @returns the sender with most in this lane, if it has more than `sender` would have with `length` bytes
   * more, else null.
   */
  heaviest(sender: string, length: number): string | null {
    let most = this.#shareOf(sender, length)
    let found: string | null = null
    for (const [name, { weight }] of this.#senders) {
      if (name === sender || weight <= most) continue
      most = weight
      found = name
    }
    return found
  }

  newestOf(sender: string): Waiting | null {
    return [...(this.#senders.get(sender)?.waiting ?? [])].at(-1) ?? null
  }

  /** @returns at most `limit` that wait: one of each sender, then the next of each. */
  inTurns(limit = this.size): Waiting[] {
    let round = [...this.#senders.values()].map(({ waiting }) => waiting.values())
    const all: Waiting[] = []
    while (round.length > 0 && all.length < limit)
      round = round.filter((each) => {
        const { value } = each.next()
        if (value) all.push(value)
        return value !== undefined
      })
    return all
  }

  /** Lets those that were not served come first the next time. @param served how many in turns were. */
  turn(served: number): void {
    for (const name of [...this.#senders.keys()].slice(0, served)) {
      const of = this.#senders.get(name)!
      this.#senders.delete(name)
      this.#senders.set(name, of)
    }
  }

  #shareOf(sender: string, length: number): number {
    return (this.#senders.get(sender)?.weight ?? 0) + weightOf(length)
  }

  #count(of: { weight: number }, weight: number, size: number): void {
    of.weight += weight
    this.weight += weight
    this.size += size
  }
}

/**
 * How many bytes strangers may add to the chain: so many a second for ever, and what they left of it before,
 * up to a burst.
 */
class Pace {
  #bytes = STRANGER_CHAIN_BURST_BYTES
  #atMs: number

  constructor(nowMs: number) {
    this.#atMs = nowMs
  }

  pass(nowMs: number): void {
    // A clock that was set back gives nothing and takes nothing.
    const passedMs = Math.max(0, nowMs - this.#atMs)
    const gained = (passedMs * STRANGER_CHAIN_BYTES_PER_SECOND) / 1000
    this.#bytes = Math.min(STRANGER_CHAIN_BURST_BYTES, this.#bytes + gained)
    this.#atMs = nowMs
  }

  pay(bytes: number): boolean {
    if (this.#bytes < bytes) return false
    this.#bytes -= bytes
    return true
  }

  waitMs(bytes: number, nowMs: number): number {
    this.pass(nowMs)
    return Math.max(0, Math.ceil(((bytes - this.#bytes) * 1000) / STRANGER_CHAIN_BYTES_PER_SECOND))
  }
}
