import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { FRAME_PROGRESS_BYTES } from '../../src/limits.ts'
import { Patience } from '../../src/net/frames/_patience.ts'

describe('patience with a remote', () => {
  let arrived = 0
  let ended: number[] = []
  const start = performance.now()
  const patience = () =>
    new Patience(
      () => arrived,
      () => ended.push(Math.round(performance.now() - start)),
    )
  beforeEach(() => {
    vi.useFakeTimers({ now: 0 })
    arrived = 0
    ended = []
  })
  afterEach(() => void vi.useRealTimers())
  const passed = async (work: () => void, ms: number) => {
    const from = performance.now()
    work()
    await vi.advanceTimersByTimeAsync(ms)
    return ended.splice(0).map((at) => at - Math.round(from - start))
  }

  test('ends a wait after the time it was given, once', async () => {
    const waits = patience()
    expect(await passed(() => waits.begin(100), 1000)).toEqual([100])
  })

  test('counts each wait from its own begin, whatever timer an earlier one has left', async () => {
    const waits = patience()
    for (let at = 0; at < 50; at++) {
      expect(await passed(() => waits.begin(100), 30)).toEqual([])
      waits.pause()
    }
    expect(await passed(() => waits.begin(100), 99)).toEqual([])
    await vi.advanceTimersByTimeAsync(2)
    expect(ended).toHaveLength(1)
  })

  test('a shorter wait after a longer one is not kept waiting by its timer', async () => {
    const waits = patience()
    expect(await passed(() => waits.begin(10_000), 10)).toEqual([])
    waits.pause()
    expect(await passed(() => waits.begin(50), 1000)).toEqual([50])
  })

  test('goes on as long as enough comes in that time, and no longer', async () => {
    const waits = patience()
    expect(
      await passed(() => {
        waits.begin(100)
        arrived += FRAME_PROGRESS_BYTES
      }, 150),
    ).toEqual([])
    arrived += FRAME_PROGRESS_BYTES
    expect(await passed(() => {}, 100)).toEqual([])
    arrived += FRAME_PROGRESS_BYTES - 1
    expect(await passed(() => {}, 100)).toHaveLength(1)
  })

  test('between waits and after the end nothing happens, and at the end no timer is left', async () => {
    const waits = patience()
    waits.begin(100)
    waits.pause()
    expect(await passed(() => {}, 1000)).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
    waits.begin(100)
    waits.end()
    expect(vi.getTimerCount()).toBe(0)
    expect(await passed(() => {}, 1000)).toEqual([])
  })

  test('a thousand short waits need one timer', () => {
    const set = vi.spyOn(globalThis, 'setTimeout')
    const waits = patience()
    for (let at = 0; at < 1000; at++) {
      waits.begin(20_000)
      waits.pause()
    }
    expect(set).toHaveBeenCalledTimes(1)
    set.mockRestore()
  })
})
