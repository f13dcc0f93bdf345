import { HEDGE_MS } from '../../limits.ts'
import type { Clock } from '../../ports.ts'
import type { Holder } from './holders.ts'

/** Why a timer ends: without a reason each end would make an error with a stack. */
const OVER = 'over'

/** One node under way with what was asked of it. */
export interface Turn {
  holder: Holder
  columns: readonly number[]
}

/** The longest that most of an object's nodes took so far: who takes much longer is late. */
export interface Usual {
  ms: number
}

/** When something is gathered. */
export interface Enough {
  /** Whether all of it is there. */
  isComplete(): boolean
  /** Whether so much is there, or nothing more can be compared with, that the rest may count as late. */
  isMost(): boolean
}

/**
 * What several nodes are asked for side by side: a stripe, key shares, leaves. Waits for all of them, but
 * once most of it is there, for no more than as long again and HEDGE_MS. On a weak line all nodes are slow,
 * and none is late.
 */
export class Gathering {
  /** Columns that were asked for it. */
  readonly asked = new Set<number>()
  readonly underWay = new Set<Turn>()
  readonly #clock: Clock
  readonly #usual: Usual
  readonly #enough: Enough
  readonly #beganMs: number
  #changed = Promise.withResolvers<void>()

  constructor(clock: Clock, usual: Usual, enough: Enough) {
    this.#clock = clock
    this.#usual = usual
    this.#enough = enough
    this.#beganMs = clock.nowMs()
  }

  /** @param ask must not reject. */
  begin(turn: Turn, ask: () => Promise<void>): void {
    for (const column of turn.columns) this.asked.add(column)
    this.underWay.add(turn)
    void ask().then(() => {
      this.underWay.delete(turn)
      this.#changed.resolve()
      this.#changed = Promise.withResolvers<void>()
    })
  }

  /** Resolves when the next node has ended its turn. */
  change(): Promise<void> {
    return this.#changed.promise
  }

  /**
   * Resolves when everything is there or nobody is under way any more.
   * @returns who is late; what they bring may still be taken.
   */
  async ended(): Promise<Turn[]> {
    const timer = new AbortController()
    const late = Promise.withResolvers<boolean>()
    let isTimed = false
    try {
      while (this.underWay.size > 0 && !this.#enough.isComplete()) {
        if (!isTimed && this.#enough.isMost()) {
          isTimed = true
          this.#clock.sleep(this.#patienceMs(), timer.signal).then(
            () => late.resolve(true),
            () => {},
          )
        }
        if (await Promise.race([this.#changed.promise, late.promise])) return [...this.underWay]
      }
      return []
    } finally {
      timer.abort(OVER)
    }
  }

  #patienceMs(): number {
    this.#usual.ms = Math.max(this.#usual.ms, this.#clock.nowMs() - this.#beganMs)
    return Math.max(HEDGE_MS, this.#usual.ms)
  }
}
