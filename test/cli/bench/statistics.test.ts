import { describe, expect, test } from 'vitest'
import { histogramOf, summarize } from '../../../src/cli/bench/load/histogram.ts'
import {
  medianOf,
  percentile,
  ratioInterval,
  seededRandom,
  spreadOf,
} from '../../../src/cli/bench/statistics.ts'

const upTo = (count: number) => Array.from({ length: count }, (_, at) => at + 1)

describe('percentiles are values that were measured', () => {
  test.each([
    [0.5, 50],
    [0.95, 95],
    [0.99, 99],
    [0.999, 100],
    [1, 100],
    [0, 1],
  ])('%d of 1 to 100 is %d', (share, value) => {
    expect(percentile(upTo(100), share)).toBe(value)
  })

  test('of few values the tail is the largest', () => {
    expect(percentile([3], 0.5)).toBe(3)
    expect(percentile([3, 7], 0.99)).toBe(7)
  })
})

describe('a spread', () => {
  test('has median, ends and median distance from the median, and keeps the order of its samples', () => {
    expect(spreadOf([9, 1, 5, 4, 6])).toEqual({ samples: [9, 1, 5, 4, 6], median: 5, min: 1, max: 9, mad: 1 })
    expect(medianOf([1, 2, 3, 10])).toBe(2.5)
  })

  test('is rounded to three digits, in the end only', () => {
    expect(spreadOf([1.23456, 1.23456]).median).toBe(1.23)
    expect(spreadOf([1000.4, 1000.4, 2000]).mad).toBe(0)
  })
})

describe('latencies', () => {
  test('are summed up whatever their order, and every one is in a bucket', () => {
    const latencies = upTo(1000).reverse()
    const summary = summarize(latencies)
    expect(summary).toMatchObject({ count: 1000, p50: 500, p90: 900, p95: 950, p99: 990, max: 1000 })
    expect(summary.histogram.reduce((sum, { count }) => sum + count, 0)).toBe(1000)
  })

  test('buckets ascend, hold what is not above their end, and are a twentieth of a decade wide', () => {
    const buckets = histogramOf([0.0001, 0.5, 1, 1.01, 10, 10, 99])
    const ends = buckets.map(({ upToMs }) => upToMs)
    expect(ends).toEqual([...ends].sort((a, b) => a - b))
    expect(buckets.find(({ upToMs }) => upToMs === 10)?.count).toBe(2)
    expect(buckets.find(({ upToMs }) => upToMs === 1)?.count).toBe(1)
    expect(ends.at(-1)! / 99).toBeLessThan(10 ** (1 / 20))
  })
})

describe('the interval of a ratio', () => {
  test('is the same for the same samples', () => {
    const [a, b] = [upTo(7), upTo(7).map((value) => value * 2)]
    expect(ratioInterval(a, b, 0.99)).toEqual(ratioInterval(a, b, 0.99))
  })

  test('holds 1 when both are the same, and not when they lie apart', () => {
    const quiet = [100, 101, 99, 102, 98]
    const same = ratioInterval(quiet, quiet, 0.99)
    expect(same.low).toBeLessThanOrEqual(1)
    expect(same.high).toBeGreaterThanOrEqual(1)
    const apart = ratioInterval(
      quiet,
      quiet.map((value) => value * 1.5),
      0.99,
    )
    expect(apart.low).toBeGreaterThan(1.4)
    expect(apart.high).toBeLessThan(1.6)
  })

  test('covers the true ratio about as often as it says', () => {
    const random = seededRandom(7)
    const noisy = () => Array.from({ length: 9 }, () => 100 + 20 * (random() + random() + random() - 1.5))
    let held = 0
    for (let trial = 0; trial < 40; trial++) {
      const { low, high } = ratioInterval(noisy(), noisy(), 0.99)
      if (low <= 1 && high >= 1) held++
    }
    expect(held).toBeGreaterThanOrEqual(37)
  })
})

test('seeded chance repeats itself, fills its range and differs by seed', () => {
  const draw = (seed: number) => {
    const random = seededRandom(seed)
    return Array.from({ length: 2000 }, random)
  }
  expect(draw(1)).toEqual(draw(1))
  expect(draw(1)).not.toEqual(draw(2))
  expect(Math.min(...draw(3))).toBeGreaterThanOrEqual(0)
  expect(Math.max(...draw(3))).toBeLessThan(1)
  expect(medianOf(draw(3))).toBeGreaterThan(0.45)
  expect(medianOf(draw(3))).toBeLessThan(0.55)
})
