import { describe, expect, test } from 'vitest'
import { SYSTEMS } from '../../bench/harness/catalogue.ts'
import type { KernelSeries } from '../../bench/harness/kernels.ts'
import { table, toMarkdown, withResults } from '../../bench/harness/markdown.ts'
import type { Load, Sample, Series } from '../../bench/harness/measure.ts'
import { limitRowOf, type Report, rowOf } from '../../bench/harness/report.ts'

const LOAD: Load = { name: '1MiB', bytes: 1_000_000, recordBytes: null }
const [XCARE, HELIA] = SYSTEMS as [(typeof SYSTEMS)[0], (typeof SYSTEMS)[0]]

const sample = (put: number, get: number, verified = true, bytes = LOAD.bytes): Sample => ({
  bytes,
  put: { seconds: put, cpuSeconds: put * 2, otherCores: 0.5 },
  get: { seconds: get, cpuSeconds: get * 2, otherCores: 0.25 },
  verified,
})

const series = (system: string, samples: Sample[], failure: string | null = null): Series => ({
  system,
  variant: '',
  load: LOAD.name,
  samples,
  failure,
})

const kernel = (verified: boolean): KernelSeries => ({
  kernel: 'k',
  shape: { k: 2, n: 4, shardBytes: 1024 },
  encode: [987_000_000],
  decode: [654_000_000],
  verified,
  why: null,
})

const report = (parts: Partial<Report>): Report => ({
  startedAt: '2026-01-01T00:00:00.000Z',
  machine: {
    cpu: 'a processor',
    cores: 2,
    memoryGiB: 8,
    kernel: 'linux',
    node: 'v24',
    fileSystem: 'ext4',
    freeGiB: 10,
    loadAverage: 0,
    fsyncMs: { p50: 1, p99: 2 },
    ratesGBs: { memcpy: 10, aes256gcm: 2, blake3: 4, sha256: 1 },
  },
  loadAtStart: [0, 0, 0],
  repeats: 3,
  seed: 's',
  loads: [LOAD],
  limitEntries: [{ id: 'disk', name: 'the disk' }],
  limits: [],
  systemEntries: [XCARE, HELIA],
  series: [],
  versions: {},
  absent: {},
  kernelEntries: [{ id: 'k', name: 'a codec', needs: [], shardsMax: 256 }],
  kernels: [],
  ...parts,
})

describe('rows', () => {
  test('a rate is the median of the rates', () => {
    const row = rowOf(series('xcare', [sample(1, 0.5), sample(0.1, 0.25), sample(0.5, 1)]), LOAD, XCARE)
    expect(row).toMatchObject({
      localPut: null,
      remotePut: { median: 2, min: 1, max: 10 },
      get: { median: 2, min: 1, max: 4 },
      runs: 3,
    })
  })

  test('a put that ends where it began counts as stored elsewhere only with the transfer', () => {
    const row = rowOf(series('helia', [sample(0.1, 0.4)]), LOAD, HELIA)
    expect(row).toMatchObject({ localPut: { median: 10 }, remotePut: { median: 2 }, get: { median: 2.5 } })
    expect(row).toMatchObject({ remotePutCpu: 1000, getCpu: 800 })
  })

  test('records are counted one by one', () => {
    const records = { name: 'r', bytes: 100 * 2048, recordBytes: 2048 }
    expect(rowOf(series('xcare', [sample(0.5, 0.1, true, records.bytes)]), records, XCARE)).toMatchObject({
      remotePut: { median: 200 },
      get: { median: 1000 },
      remotePutCpu: 10,
    })
  })

  test('fewer records than the others had are told', () => {
    const records = { name: 'r', bytes: 100 * 2048, recordBytes: 2048 }
    expect(rowOf(series('xcare', [sample(0.5, 0.1, true, 10 * 2048)]), records, XCARE)).toMatchObject({
      name: 'XCARE (10 records)',
      remotePut: { median: 20 },
    })
  })

  test('one run with other bytes makes the whole row void', () => {
    const row = rowOf(series('xcare', [sample(1, 1), sample(1, 1, false), sample(1, 1)]), LOAD, XCARE)
    expect(row).toEqual({ name: 'XCARE', why: 'gave back other bytes than were put' })
  })

  test('a limit whose bytes did not arrive is void', () => {
    const runs = [{ bytes: 1e6, seconds: 0.5, cpuSeconds: 0.25 }]
    const entry = { id: 'tcp', name: 'TCP' }
    expect(limitRowOf({ limit: 'tcp', runs, verified: true, failure: null }, entry)).toMatchObject({
      rate: { median: 2 },
      cpu: 250,
    })
    expect(limitRowOf({ limit: 'tcp', runs, verified: false, failure: null }, entry)).toHaveProperty('why')
  })
})

/** The page with single spaces, so that no test depends on the width of a column. */
const unpadded = (of: Report) => toMarkdown(of).replaceAll(/ +/g, ' ')

describe('the page', () => {
  test('has no figure whose bytes were not the same', () => {
    const wrong = toMarkdown(
      report({
        series: [series('xcare', [sample(0.123, 0.456, false)])],
        kernels: [kernel(false)],
        limits: [
          {
            limit: 'disk',
            runs: [{ bytes: 777e6, seconds: 1, cpuSeconds: 1 }],
            verified: false,
            failure: null,
          },
        ],
      }),
    )
    for (const figure of ['8.13', '2.19', '0.987', '0.654', '777']) expect(wrong).not.toContain(figure)
    expect(wrong).toContain('gave back other bytes than were put')
    expect(wrong).toContain('rebuilt other bytes')
    expect(wrong).toContain('the bytes that arrived were not those that were sent')
  })

  test('sets every system against XCARE and against the limits', () => {
    const page = unpadded(
      report({
        series: [series('xcare', [sample(0.1, 0.1)]), series('helia', [sample(0.1, 0.4)])],
        limits: [
          {
            limit: 'disk',
            runs: [{ bytes: 20e6, seconds: 1, cpuSeconds: 1 }],
            verified: true,
            failure: null,
          },
        ],
        kernels: [kernel(true)],
      }),
    )
    const helia = page.split('\n').find((line) => line.startsWith('| Helia | 10.0'))!
    expect(helia).toContain('| 2.00 (2.00 to 2.00) | x 0.200 | x 0.100 | 2.50 (2.50 to 2.50) | x 0.250 | - |')
    expect(page).toContain('| a codec | 0.987; 0.654 |')
  })

  test('names what was not measured and why', () => {
    expect(toMarkdown(report({ absent: { Kubo: 'not installed' } }))).toContain('- Kubo: not installed')
  })

  test('says when the machine was shared', () => {
    expect(toMarkdown(report({ series: [series('xcare', [sample(1, 1)])] }))).toContain(
      'others used 0.375 cores',
    )
    expect(toMarkdown(report({}))).not.toContain('shared')
  })

  test('takes the place of the last results, and of nothing else', () => {
    const readme = 'How to run.\n\n## Results\n\nold figures\n'
    const first = withResults(readme, report({ absent: { Kubo: 'first' } }))
    expect(first).toMatch(
      /^How to run\.\n\n## Results\n\n2026-01-01[\s\S]*### Not measured\n\n- Kubo: first\n$/,
    )
    expect(withResults(first, report({ absent: { Kubo: 'second' } }))).toBe(first.replace('first', 'second'))
    expect(() => withResults('no such section', report({}))).toThrow(RangeError)
  })

  test('every row of a table has a cell under every head', () => {
    expect(table(['a', 'b'], [['1', 'x|y']])).toBe('| a   | b    |\n| --- | ---- |\n| 1   | x\\|y |')
    expect(() => table(['a', 'b'], [['1']])).toThrow(RangeError)
  })
})
