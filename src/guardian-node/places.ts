import { Budget, type BudgetRules, type Lease } from '../budget.ts'
import {
  GUARDIAN_REQUEST_MS,
  GUARDIAN_REQUESTS_MAX,
  GUARDIAN_STREAMS_MAX,
  GUARDIAN_WAITS_MAX,
} from '../limits.ts'
import type { Clock, FrameStream } from '../ports.ts'
import { Refusal } from './parts.ts'

/** Half of `total` places for owners; strangers of one address have three quarters of the other half. */
const halfForOwners = (total: number): BudgetRules => ({
  total,
  reserved: { node: 0, guardian: 0, owner: total / 2 },
  perStranger: GUARDIAN_STREAMS_MAX,
  perProven: GUARDIAN_STREAMS_MAX,
  perAddress: (3 * total) / 8,
  graceMs: 0,
})

/** One request under way. */
export interface Place {
  /** Goes on unless the place was taken away or its time is over. @throws Refusal busy */
  check(): void
  /**
   * The owner of a share that is held here for long, or who has its grant, asks: its place is not taken for a
   * stranger's.
   */
  proven(): void
  /**
   * Waits outside, where waiting holds up nobody.
   * @returns false, at once, when too many wait there.
   * @throws Refusal busy
   */
  pause(durationMs: number): Promise<boolean>
}

/**
 * The places of a guardian: who has proven something has half of them for itself, a stranger who asks for
 * little takes the place of one who asks for much, and nobody keeps one for longer than GUARDIAN_REQUEST_MS.
 * Why: docs/adr/0125-strangers-at-a-guardian.md.
 */
export class Places {
  readonly #clock: Clock
  readonly #working = new Budget(halfForOwners(GUARDIAN_REQUESTS_MAX))
  readonly #outside = new Budget(halfForOwners(GUARDIAN_WAITS_MAX))

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** How many work, and how many wait outside. */
  get taken(): { working: number; outside: number } {
    return { working: this.#working.taken(), outside: this.#outside.taken() }
  }

  /**
   * Does `work` in a place.
   * @param remote whose share it is.
   * @throws Refusal busy when there is none, it was taken away, or time is over.
   */
  async use<T>(
    remote: Pick<FrameStream, 'remote' | 'address'>,
    work: (place: Place) => Promise<T>,
  ): Promise<T> {
    const held = new HeldPlace(this.#clock, this.#working, this.#outside, remote)
    const over = new AbortController()
    try {
      return await Promise.race([held.run(work), held.ended, this.#deadline(held, over.signal)])
    } finally {
      over.abort()
    }
  }

  async #deadline(held: HeldPlace, over: AbortSignal): Promise<never> {
    await this.#clock.sleep(GUARDIAN_REQUEST_MS, over)
    held.end()
    throw new Refusal('busy')
  }
}

class HeldPlace implements Place {
  /** Rejects when the place was taken away. */
  readonly ended: Promise<never>
  readonly #clock: Clock
  readonly #working: Budget
  readonly #outside: Budget
  readonly #remote: Pick<FrameStream, 'remote' | 'address'>
  #standing: 'owner' | 'stranger' = 'stranger'
  #lease: Lease | null
  #isOver = false
  #rejectEnded: (error: Error) => void = () => {}

  constructor(
    clock: Clock,
    working: Budget,
    outside: Budget,
    remote: Pick<FrameStream, 'remote' | 'address'>,
  ) {
    this.#clock = clock
    this.#working = working
    this.#outside = outside
    this.#remote = remote
    this.ended = new Promise((_, reject) => {
      this.#rejectEnded = reject
    })
    this.ended.catch(() => {})
    this.#lease = this.#take(working)
  }

  /** The place is kept until the work has really ended: what is only not waited for any more goes on. */
  async run<T>(work: (place: Place) => Promise<T>): Promise<T> {
    try {
      this.check()
      return await work(this)
    } finally {
      this.#lease?.release()
    }
  }

  check(): void {
    if (this.#isOver || !this.#lease) throw new Refusal('busy')
  }

  proven(): void {
    this.#standing = 'owner'
    this.#lease?.promote('owner')
  }

  async pause(durationMs: number): Promise<boolean> {
    this.check()
    const outside = this.#take(this.#outside)
    if (!outside) return false
    this.#lease?.release()
    this.#lease = outside
    await this.#clock.sleep(durationMs)
    outside.release()
    if (!this.#isOver) this.#lease = this.#take(this.#working)
    this.check()
    return true
  }

  end(): void {
    this.#isOver = true
  }

  #take(budget: Budget): Lease | null {
    const { remote, address = null } = this.#remote
    const party = { standing: this.#standing, holder: remote, address }
    return budget.take(party, 1, this.#clock.nowMs(), () => {
      this.end()
      this.#rejectEnded(new Refusal('busy'))
    })
  }
}
