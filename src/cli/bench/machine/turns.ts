import { percentile, round } from '../statistics.ts'

/** Between two looks; what several short turns in it use is taken for one, so that a turn is told this much too long at most. */
const TICK_MS = 2

/** Processor time of the turns of one thread's event loop, in ms. */
export interface Turns {
  p99: number
  longest: number
}

/**
 * Watches the thread it is made on: how long it is kept from whatever came meanwhile. Counted is processor time, the collector's
 * on this thread included: a thread that waits for a core does not work.
 */
export class TurnWatch {
  readonly #used: number[] = []
  readonly #timer = setInterval(() => this.#tick(), TICK_MS)
  #last = threadMs()

  /** @returns the turns since the begin. */
  end(): Turns {
    clearInterval(this.#timer)
    this.#tick()
    const sorted = this.#used.sort((a, b) => a - b)
    return { p99: round(percentile(sorted, 0.99)), longest: round(sorted.at(-1)!) }
  }

  #tick(): void {
    const now = threadMs()
    this.#used.push(now - this.#last)
    this.#last = now
  }
}

function threadMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
