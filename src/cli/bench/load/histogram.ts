import { percentile, round } from '../statistics.ts'

const BUCKETS_PER_DECADE = 20

/** One bucket: how many latencies are at most `upToMs` and above the bucket before. */
export interface Bucket {
  upToMs: number
  count: number
}

/** What a set of latencies comes to, in ms. */
export interface LatencySummary {
  count: number
  mean: number
  p50: number
  p90: number
  p95: number
  p99: number
  p999: number
  max: number
  histogram: Bucket[]
}

/** @param latencies in ms, in any order, not empty. */
export function summarize(latencies: readonly number[]): LatencySummary {
  const sorted = [...latencies].sort((a, b) => a - b)
  const at = (share: number) => round(percentile(sorted, share))
  return {
    count: sorted.length,
    mean: round(sorted.reduce((sum, value) => sum + value, 0) / sorted.length),
    ...{ p50: at(0.5), p90: at(0.9), p95: at(0.95), p99: at(0.99), p999: at(0.999), max: at(1) },
    histogram: histogramOf(sorted),
  }
}

/** @param sorted ascending. @returns the buckets that hold anything, twenty to a factor of ten. */
export function histogramOf(sorted: readonly number[]): Bucket[] {
  const buckets: Bucket[] = []
  for (const latency of sorted) {
    const step = Math.ceil(Math.log10(Math.max(latency, 1e-3)) * BUCKETS_PER_DECADE - 1e-9)
    const upToMs = Number((10 ** (step / BUCKETS_PER_DECADE)).toPrecision(4))
    const last = buckets.at(-1)
    if (last?.upToMs === upToMs) last.count++
    else buckets.push({ upToMs, count: 1 })
  }
  return buckets
}
