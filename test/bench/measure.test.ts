import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SYSTEMS, type SystemEntry } from '../../bench/harness/catalogue.ts'
import { type Load, type Measured, measureSystems } from '../../bench/harness/measure.ts'
import { rowOf } from '../../bench/harness/report.ts'

const OBJECT: Load = { name: '64KiB', bytes: 65_536, recordBytes: null }
const RECORDS: Load = { name: 'records', bytes: 20 * 2048, recordBytes: 2048 }
const VARIANTS = ['honest', 'flips a bit', 'forgets the end', 'gives nothing', 'refuses']

const entry = (id: string, variants: string[], recordsMax?: number): SystemEntry => ({
  ...SYSTEMS[0]!,
  recordsMax,
  id,
  name: id,
  program: '../test/bench/store-child.ts',
  variants,
  needs: [],
})

let scratch: string
let measured: Measured

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'xcare-bench-test-'))
  const gone = { ...entry('gone', ['honest']), program: '../test/bench/no-such-program.ts' }
  measured = await measureSystems(
    [entry('store', VARIANTS), entry('slow', ['honest'], 5), entry('ends', ['ends']), gone],
    {
      scratch,
      tools: scratch,
      loads: [OBJECT, RECORDS],
      repeats: 2,
      budgetSeconds: 60,
      warmUpSeconds: 0,
      seed: 'test',
      tell: () => {},
    },
  )
})

afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const row = (system: string, variant: string, load: Load) => {
  const series = measured.series.find(
    (one) => one.system === system && one.variant === variant && one.load === load.name,
  )!
  return rowOf(series, load, entry(system, [variant]))
}

describe('a system has figures only when every byte came back', () => {
  test.each([OBJECT, RECORDS])('an honest one has them: $name', (load) => {
    expect(row('store', 'honest', load)).toMatchObject({ name: 'store honest', runs: 2 })
  })

  test('one that takes long for a record gets fewer of them, and the row says so', () => {
    expect(row('slow', 'honest', RECORDS)).toMatchObject({ name: 'slow honest (5 records)' })
    expect(row('slow', 'honest', OBJECT)).toMatchObject({ name: 'slow honest' })
  })

  test.each(['flips a bit', 'forgets the end', 'gives nothing'])('one that %s has none', (variant) => {
    expect(row('store', variant, OBJECT)).toEqual({
      name: `store ${variant}`,
      why: 'gave back other bytes than were put',
    })
  })

  test('one that fails says why', () => {
    expect(row('store', 'refuses', OBJECT)).toEqual({ name: 'store refuses', why: 'no room' })
    expect(row('ends', 'ends', OBJECT)).toMatchObject({ why: expect.stringContaining('the program ended') })
  })

  test('one that does not start is named, and does not keep the others from it', () => {
    expect(Object.keys(measured.failed)).toEqual(['gone'])
    expect(measured.versions).toEqual({ store: '1.2.3', slow: '1.2.3', ends: '1.2.3' })
  })
})
