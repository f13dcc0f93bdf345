import { round } from '../statistics.ts'
import { forgetPeak, peakMiBOf } from './processes.ts'

const SAMPLE_MS = 10
const MIB = 1024 * 1024

/** Most resident memory of this process while something runs; what it held before and let go of does not count. */
export class ClientMemory {
  readonly #canForget = forgetPeak(process.pid)
  readonly #timer: NodeJS.Timeout | null
  #sampled = process.memoryUsage.rss()

  /** Begins to look. */
  constructor() {
    // Where the system keeps no high-water mark that can begin anew, peaks between two looks are missed.
    this.#timer = this.#canForget ? null : setInterval(() => this.#sample(), SAMPLE_MS)
  }

  /** @returns the most since the begin, in MiB. */
  end(): number {
    if (this.#timer) clearInterval(this.#timer)
    this.#sample()
    const peak = this.#canForget ? peakMiBOf(process.pid) : null
    return peak ?? round(this.#sampled / MIB)
  }

  #sample(): void {
    this.#sampled = Math.max(this.#sampled, process.memoryUsage.rss())
  }
}
