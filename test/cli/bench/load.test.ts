import { describe, expect, test } from 'vitest'
import { closedLoop, openLoop } from '../../../src/cli/bench/load/generate.ts'
import { intendedStarts } from '../../../src/cli/bench/load/schedule.ts'
import { XcareError } from '../../../src/errors.ts'

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('a closed loop', () => {
  test('keeps as many under way as it has callers, never more, and does each once', async () => {
    let running = 0
    let most = 0
    const seen: number[] = []
    const result = await closedLoop({ inFlight: 4, count: 50, seconds: 60 }, async (index) => {
      most = Math.max(most, ++running)
      seen.push(index)
      await turn()
      running--
    })
    expect(most).toBe(4)
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, at) => at))
    expect(result.latencies).toHaveLength(50)
    expect(result.errors).toEqual([])
  })

  test('counts failures by code and leaves them out of the latencies', async () => {
    const result = await closedLoop({ inFlight: 2, count: 30, seconds: 60 }, async (index) => {
      await turn()
      if (index % 3 === 0) throw new XcareError('BUSY', 'not now')
    })
    expect(result.latencies).toHaveLength(20)
    expect(result.errors).toEqual([{ code: 'BUSY', count: 10 }])
  })

  test('ends when nothing works, with the reason', async () => {
    let calls = 0
    const load = closedLoop({ inFlight: 1, count: 100_000, seconds: 60 }, async () => {
      calls++
      throw new XcareError('OFFLINE', 'nobody there')
    })
    await expect(load).rejects.toMatchObject({ code: 'OFFLINE' })
    expect(calls).toBeLessThan(100)
  })

  test('ends when its time is over', async () => {
    const result = await closedLoop({ inFlight: 1, count: Number.MAX_SAFE_INTEGER, seconds: 0.02 }, turn)
    expect(result.latencies.length).toBeGreaterThan(0)
  })
})

describe('an open loop', () => {
  test('means to begin evenly, whatever happens', () => {
    expect(intendedStarts(4, 1)).toEqual([0, 250, 500, 750])
    expect(intendedStarts(1000, 2)).toHaveLength(2000)
    expect(intendedStarts(0.1, 1)).toEqual([0])
  })

  test('charges a stall to every operation that should have begun during it', async () => {
    // One at a time: the first takes longer than the whole schedule, so each later one waited for it.
    const stallMs = 60
    const result = await openLoop({ perSecond: 1000, seconds: 0.02, inFlightMax: 1 }, async (index) => {
      if (index > 0) return
      const until = performance.now() + stallMs
      while (performance.now() < until) await turn()
    })
    expect(result.latencies).toHaveLength(20)
    // The last was meant to begin at 19 ms and could not before 60: measured from its own start it would have taken next to nothing.
    expect(Math.min(...result.latencies)).toBeGreaterThan(stallMs - 20)
  })

  test('has no more under way than allowed', async () => {
    let running = 0
    let most = 0
    await openLoop({ perSecond: 5000, seconds: 0.02, inFlightMax: 3 }, async () => {
      most = Math.max(most, ++running)
      await turn()
      await turn()
      running--
    })
    expect(most).toBeLessThanOrEqual(3)
  })
})
