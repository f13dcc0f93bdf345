import { describe, expect, test } from 'vitest'
import { parseSize, parseSizes, STAGE_NAMES, settingsOf, sizeLabel } from '../../../src/cli/bench/options.ts'
import type { XcareError } from '../../../src/errors.ts'

const MIB = 1024 * 1024

function codeOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    return (error as XcareError).code
  }
  return 'nothing thrown'
}

describe('sizes', () => {
  test.each([
    ['2KiB', 2048],
    ['64 MiB', 64 * MIB],
    ['1gib', 1024 * MIB],
    ['4096', 4096],
    ['16k', 16384],
  ])('%s is %d bytes', (text, bytes) => expect(parseSize(text)).toBe(bytes))

  test.each(['', 'MiB', '1.5MiB', '-4KiB', '4TiB', '0x10', '4KiB..'])('"%s" is no size', (text) =>
    expect(codeOf(() => parseSize(text))).toBe('USAGE'),
  )

  test('come as a list, sorted and each once', () => {
    expect(parseSizes('1MiB,4KiB,1MiB')).toEqual([4096, MIB])
  })

  test('come as a range in steps of four, the end always included', () => {
    expect(parseSizes('4KiB..1MiB')).toEqual([4096, 16384, 65536, 262144, MIB])
    expect(parseSizes('4KiB..20KiB')).toEqual([4096, 16384, 20480])
    expect(parseSizes('2KiB..16KiB*2')).toEqual([2048, 4096, 8192, 16384])
  })

  test.each(['1KiB', '2GiB', '1MiB..4KiB', '4KiB..1MiB*1', '2KiB..1GiB*2,3KiB..1GiB*2', '4KiB..8KiB..9KiB'])(
    '%s is refused',
    (text) => expect(codeOf(() => parseSizes(text))).toBe('USAGE'),
  )

  test.each([2048, 4096, 65536, MIB, 300 * MIB, 1024 * MIB])(
    '%d bytes are written so that they can be read again',
    (bytes) => expect(parseSize(sizeLabel(bytes))).toBe(bytes),
  )
})

describe('settings', () => {
  test('quick measures less than full', () => {
    const [quick, full] = [settingsOf({ quick: true }), settingsOf({})]
    expect(quick.repeats).toBe(3)
    expect(full.repeats).toBe(5)
    expect(full.stages).toEqual([...STAGE_NAMES])
    expect(STAGE_NAMES.filter((name) => !quick.stages.includes(name))).toEqual(['sweep', 'profiles', 'cuts'])
    expect(full.cells.length).toBeGreaterThan(quick.cells.length)
  })

  test('the first shape sweeps all sizes, the others stand beside it at one', () => {
    const { cells } = settingsOf({})
    expect(cells.filter(({ k }) => k === 20).length).toBeGreaterThan(4)
    expect(cells.filter(({ k }) => k === 6)).toEqual([{ k: 6, n: 12, bytes: 64 * MIB }])
  })

  test('sizes and a shape that are named are what is measured', () => {
    const { cells, shapes } = settingsOf({ size: '4KiB,1MiB', k: '8', n: '12' })
    expect(shapes).toEqual([{ k: 8, n: 12 }])
    expect(cells).toEqual([
      { k: 8, n: 12, bytes: 4096 },
      { k: 8, n: 12, bytes: MIB },
    ])
  })

  test('stages run in their own order, whatever order they are named in', () => {
    expect(settingsOf({ stages: 'losses, codec' }).stages).toEqual(['codec', 'losses'])
  })

  test.each([
    { k: '6' },
    { n: '12' },
    { k: '12', n: '6' },
    { k: '1', n: '3' },
    { k: '20', n: '40000' },
    { fragmentSize: '1000' },
    { fragmentSize: '128KiB' },
    { nodes: '1' },
    { nodes: 'twelve' },
    { profile: 'moon' },
    { repeat: '0' },
    { repeat: '1e3' },
    { rate: '0' },
    { concurrency: '1000000' },
    { stages: 'codec,magic' },
    { size: '4KiB,,8KiB' },
  ])('%o is refused before anything starts', (options) =>
    expect(codeOf(() => settingsOf(options))).toBe('USAGE'),
  )
})
