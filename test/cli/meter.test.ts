import { describe, expect, test } from 'vitest'
import { Meter, metered } from '../../src/cli/progress/meter.ts'
import { sentenceOf } from '../../src/cli/sentences.ts'
import type { XcareEvent } from '../../src/ports.ts'

const MIB = 1024 * 1024

describe('rate and time left', () => {
  test('nothing is told before there is something to tell it from', () => {
    const meter = new Meter()
    expect(meter.add(0, 0, 100)).toEqual({ bytesPerSecond: null, leftSeconds: null })
    expect(meter.add(500, 10, 100)).toEqual({ bytesPerSecond: null, leftSeconds: null })
    expect(meter.add(1_000, 20, 100)).toEqual({ bytesPerSecond: 20, leftSeconds: 4 })
  })

  test('follow the line: what was long ago does not count', () => {
    const meter = new Meter()
    for (let second = 0; second <= 60; second++) meter.add(second * 1_000, second * 1_000, 1e6)
    let pace = meter.add(61_000, 60_010, 1e6)
    for (let second = 62; second <= 90; second++)
      pace = meter.add(second * 1_000, 60_010 + (second - 61) * 10, 1e6)
    expect(pace.bytesPerSecond).toBe(10)
  })

  test('what was stored by an earlier try is not counted as done now', () => {
    const meter = new Meter()
    meter.add(0, 900, 1_000)
    expect(meter.add(2_000, 920, 1_000)).toEqual({ bytesPerSecond: 10, leftSeconds: 8 })
  })
})

describe('progress with them', () => {
  function told() {
    const events: XcareEvent[] = []
    let ms = 0
    const progress = metered(
      (event) => void events.push(event),
      () => ms,
    )
    return {
      at(nowMs: number, event: XcareEvent) {
        ms = nowMs
        progress(event)
        return events.at(-1)!
      },
    }
  }

  test('of one record, in words', () => {
    const { at } = told()
    const event = { type: 'put-progress', name: 'mri.dcm', objectId: 'x', of: 4096 * MIB }
    at(0, { ...event, bytes: 0 })
    const { text, passing } = sentenceOf(at(2_000, { ...event, bytes: 1024 * MIB }))
    expect(passing).toBe(true)
    expect(text).toBe('storing  25 %  1.00 GiB of 4.00 GiB  512.0 MiB/s  6 s left  mri.dcm')
  })

  test('of several, rate and time left are those of all', () => {
    const { at } = told()
    const event = { type: 'put-progress', records: 3, allOf: 300 }
    at(0, { ...event, name: 'a', record: 1, bytes: 0, of: 100, allBytes: 0 })
    const second = at(2_000, { ...event, name: 'b', record: 2, bytes: 10, of: 100, allBytes: 110 })
    expect(second).toMatchObject({ bytesPerSecond: 55, leftSeconds: 4 })
    expect(sentenceOf(second).text).toMatch(/^storing {2}2 of 3 {2}10 %/)
  })

  test('other events pass as they are', () => {
    const event = { type: 'node-late', node: 'n' }
    expect(told().at(0, event)).toBe(event)
  })
})
