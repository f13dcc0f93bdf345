/** Repeated measurements of one quantity. `mad` is the median distance from the median. */
export interface Spread {
  /** In the order they were taken. */
  samples: number[]
  median: number
  min: number
  max: number
  mad: number
}

/** @returns `value` with three significant digits. */
export function round(value: number): number {
  return Number(value.toPrecision(3))
}

/** @param sorted ascending, not empty. @param share from 0 to 1. @returns the smallest value that at least this share does not exceed. */
export function percentile(sorted: readonly number[], share: number): number {
  const rank = Math.ceil(share * sorted.length)
  return sorted[Math.min(sorted.length, Math.max(1, rank)) - 1]!
}

/** @returns the middle value, or the mean of the two middle ones. @param values not empty, in any order. */
export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** @returns what `samples` say together, with three significant digits. @param samples not empty. */
export function spreadOf(samples: readonly number[]): Spread {
  const median = medianOf(samples)
  return {
    samples: samples.map(round),
    median: round(median),
    min: round(Math.min(...samples)),
    max: round(Math.max(...samples)),
    mad: round(medianOf(samples.map((value) => Math.abs(value - median)))),
  }
}

/** @returns numbers from 0 to 1 that look random and are the same for the same seed (mulberry32). For statistics and faults, never for keys. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const BOOTSTRAP_ROUNDS = 2000
const BOOTSTRAP_SEED = 20_011

/**
 * Percentile bootstrap of `median(b) / median(a)`: both sets are drawn anew with replacement, many times.
 * The same input gives the same answer. Source: Efron, Tibshirani, An Introduction to the Bootstrap, ch. 13.
 * @param confidence share of the draws between the two ends, for example 0.99.
 */
export function ratioInterval(
  a: readonly number[],
  b: readonly number[],
  confidence: number,
): { low: number; high: number } {
  const random = seededRandom(BOOTSTRAP_SEED)
  const redrawn = (values: readonly number[]) =>
    medianOf(values.map(() => values[Math.floor(random() * values.length)]!))
  const ratios = Array.from({ length: BOOTSTRAP_ROUNDS }, () => redrawn(b) / redrawn(a)).sort((x, y) => x - y)
  const tail = (1 - confidence) / 2
  return { low: percentile(ratios, tail), high: percentile(ratios, 1 - tail) }
}
