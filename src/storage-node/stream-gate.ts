import { Budget, type Lease, type Party, type Standing } from '../budget.ts'
import { XcareError } from '../errors.ts'
import type { NodeId } from '../ids.ts'
import { NODE_STREAMS, READ_BYTES, READ_WAIT_MS } from '../limits.ts'
import type { Clock, FrameStream } from '../ports.ts'

/** Whoever waits for room to read into looks again after this long: somebody may be idle by now. */
const LOOK_AGAIN_MS = 100

/** What the gate takes from its node. */
export interface GateOptions {
  /** What is proven of a peer now; without it all are strangers. */
  standingOf?: (peer: NodeId) => Standing
  /** Without it nobody is ever idle, and whoever waits does so for as long as it takes. */
  clock?: Clock
}

interface Waiting {
  party: Party
  sinceMs: number
  take(): Lease | null
  got(lease: Lease | null): void
}

/**
 * Divides a storage node's streams, and the memory that their answers are read into, among those who open
 * them.
 */
export class StreamGate {
  readonly #streams = new Budget(NODE_STREAMS)
  readonly #bytes = new Budget(READ_BYTES)
  readonly #standingOf: (peer: NodeId) => Standing
  readonly #clock: Clock | null
  readonly #waiting: Waiting[] = []
  #isWatching = false

  constructor({ standingOf, clock }: GateOptions = {}) {
    this.#standingOf = standingOf ?? (() => 'stranger')
    this.#clock = clock ?? null
  }

  /**
   * @returns the place of one more stream, or null when it may not be served. Who idles may lose it, and its
   * stream.
   */
  enter(stream: FrameStream): Lease | null {
    return this.#streams.take(this.#partyOf(stream), 1, this.#nowMs(), endOf(stream))
  }

  /** Whether more than half of the places of strangers are taken. */
  get isScarce(): boolean {
    const { total, reserved } = NODE_STREAMS
    const ofStrangers = total - reserved.node - reserved.guardian - reserved.owner
    return this.#streams.taken('stranger') > ofStrangers / 2
  }

  /** What was proven of `peer` meanwhile holds for what it has already. */
  promote(peer: NodeId): void {
    const standing = this.#standingOf(peer)
    if (standing === 'stranger') return
    this.#streams.promote(peer, standing)
    this.#bytes.promote(peer, standing)
  }

  /** Something came or went by what this lease is for. */
  touch(lease: Lease): void {
    lease.touch(this.#nowMs())
  }

  /**
   * Waits until `bytes` may be read for `stream`: those who hold least go first, and who takes nothing of
   * what was read for it loses it.
   * @returns a lease to be given back by `leave`. @throws XcareError BUSY when there is no room for too long.
   */
  async room(stream: FrameStream, bytes: number): Promise<Lease> {
    const party = this.#partyOf(stream)
    const take = () => this.#bytes.take(party, bytes, this.#nowMs(), endOf(stream))
    const lease = this.#waiting.length === 0 ? take() : null
    return lease ?? this.#inLine(party, take)
  }

  /** Keeps only so much of what `room` gave. */
  keep(lease: Lease, bytes: number): void {
    lease.shrink(Math.max(0, lease.amount - bytes))
    this.#serveLine()
  }

  /** Gives back what `room` gave. */
  leave(lease: Lease): void {
    lease.release()
    this.#serveLine()
  }

  async #inLine(party: Party, take: () => Lease | null): Promise<Lease> {
    const { promise, resolve } = Promise.withResolvers<Lease | null>()
    const waiting = { party, take, got: resolve, sinceMs: this.#nowMs() }
    this.#waiting.push(waiting)
    this.#serveLine()
    if (this.#clock !== null) void this.#watch(this.#clock)
    const lease = await promise
    if (lease !== null) return lease
    throw new XcareError('BUSY', 'too many are reading from this node')
  }

  /** As long as somebody waits: looks again whether there is room, and refuses who waited too long. */
  async #watch(clock: Clock): Promise<void> {
    if (this.#isWatching) return
    this.#isWatching = true
    while (this.#waiting.length > 0) {
      await clock.sleep(LOOK_AGAIN_MS)
      this.#serveLine()
      const overMs = clock.nowMs() - READ_WAIT_MS
      for (const waiting of [...this.#waiting]) if (waiting.sinceMs <= overMs) this.#answer(waiting, null)
    }
    this.#isWatching = false
  }

  /** Of those who wait, who holds least comes first; among them who came first. */
  #serveLine(): void {
    if (this.#waiting.length === 0) return
    const held = ({ party }: Waiting) => this.#bytes.takenBy(party.holder)
    const line = this.#waiting.toSorted((one, other) => held(one) - held(other))
    for (const next of line) {
      const lease = next.take()
      if (lease !== null) this.#answer(next, lease)
    }
  }

  #answer(waiting: Waiting, lease: Lease | null): void {
    this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
    waiting.got(lease)
  }

  #partyOf({ remote, address }: FrameStream): Party {
    return { standing: this.#standingOf(remote), holder: remote, address: address ?? null }
  }

  #nowMs(): number {
    return this.#clock?.nowMs() ?? 0
  }
}

function endOf(stream: FrameStream): () => void {
  return () => stream.abort(new XcareError('BUSY', 'others need what this stream holds'))
}
