import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseReport, type Report } from '../../src/cli/bench/report-shape.ts'
import { flawsOf } from '../cli/bench/json-schema.ts'
import { type Said, xcare } from './network.ts'

const MIB = 1024 * 1024
const dir = mkdtempSync(join(tmpdir(), 'xcare-bench-test-'))
const out = join(dir, 'out')
let said: Said
let report: Report

/** Four storage nodes, everything between them and the client through the proxy, once. */
beforeAll(async () => {
  const shape = ['--k', '2', '--n', '4', '--nodes', '4', '--size', '64KiB,1MiB', '--fragment-size', '16KiB']
  const load = ['--profile', 'lan', '--repeat', '1', '--concurrency', '2', '--rate', '5']
  const stages = ['--stages', 'disk,passages,amplification,small,repair,losses']
  said = await xcare(['bench', '--quick', ...shape, ...load, ...stages, '--out', out, '--disk', dir])
  report = parseReport(readFileSync(join(out, 'report.json'), 'utf8'), 'report.json')
}, 120_000)

afterAll(() => rmSync(dir, { recursive: true, force: true }))

const figure = (id: string) => report.figures.find((one) => one.id === id)
const samples = (id: string) => figure(id)?.samples.length ?? 0

describe('a small bench run', () => {
  test('ends well, with every stage done', () => {
    expect(said.stderr).toBe('')
    expect(report.stages.map(({ name, state, message }) => [name, state, message])).toEqual(
      ['disk', 'passages', 'amplification', 'small', 'repair', 'losses'].map((name) => [name, 'done', null]),
    )
    expect(said.exit).toBe(0)
    expect(said.result).toMatchObject({
      ok: true,
      complete: true,
      figures: report.figures.length,
      failed: [],
    })
  })

  test('writes a report that has the published shape', () => {
    const schema = JSON.parse(readFileSync('docs/spec/bench-report.schema.json', 'utf8'))
    expect(flawsOf(JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')), schema)).toEqual([])
    expect(report.network).toEqual({ nodes: 4, guardians: 4, anchors: 1, proxies: 1, processes: 11 })
    expect(report.settings).toMatchObject({ profile: 'lan', repeats: 1, fragmentSize: 16384, nodes: 4 })
  })

  test('measures each size in both directions, with the time line of a put', () => {
    for (const bytes of [65536, MIB])
      for (const id of ['put/rate', 'put/time', 'put/ack', 'get/rate', 'get/first-byte'])
        expect(samples(`${id}/2-4/${bytes}`), id).toBe(1)
    expect(report.timelines.map(({ phases }) => phases.map(({ name }) => name))).toEqual(
      [0, 1].map(() => ['plan', 'open', 'send', 'receipt', 'anchor', 'custody']),
    )
    const fragments = figure(`put/fragments/2-4/${MIB}`)!.median
    const seconds = figure(`put/time/2-4/${MIB}`)!.median / 1000
    // 1 MiB in stripes of 2 shards of 16 KiB: 33 stripes with padding and tags, 4 fragments each.
    expect(Math.round(fragments * seconds)).toBeGreaterThan(125)
    expect(Math.round(fragments * seconds)).toBeLessThan(140)
  })

  test('counts what a record costs: at least n/k on disks and on the wire, some requests', () => {
    for (const bytes of [4096, MIB]) {
      expect(figure(`amplification/stored/2-4/${bytes}`)!.median).toBeGreaterThanOrEqual(2)
      expect(figure(`amplification/wire-put/2-4/${bytes}`)!.median).toBeGreaterThanOrEqual(2)
      expect(figure(`amplification/wire-get/2-4/${bytes}`)!.median).toBeGreaterThanOrEqual(1)
      expect(figure(`amplification/streams-put/2-4/${bytes}`)!.median).toBeGreaterThanOrEqual(4)
    }
    expect(figure(`amplification/wire-put/2-4/${MIB}`)!.median).toBeLessThan(2.5)
  })

  test.runIf(existsSync('/proc/self/stat'))(
    'has CPU and memory of every party where the system tells',
    () => {
      for (const party of ['client', 'nodes', 'guardians', 'chain', 'proxy', 'all'])
        expect(samples(`put/cpu/${party}/2-4/${MIB}`), party).toBe(1)
      for (const way of ['put', 'get'])
        for (const need of ['memory', 'turn/longest', 'turn/p99', 'turn/node/longest', 'turn/node/p99'])
          expect(samples(`${way}/${need}/2-4/${MIB}`), `${way}/${need}`).toBe(1)
      expect(figure('memory/client')!.median).toBeGreaterThanOrEqual(figure(`get/memory/2-4/${MIB}`)!.max)
      for (const part of ['client', 'node', 'guardian', 'chain']) expect(samples(`memory/${part}`)).toBe(1)
      for (const party of ['client', 'nodes', 'all']) expect(samples(`small/put/closed/cpu/${party}`)).toBe(1)
      expect(report.othersBusyCores).toBeGreaterThanOrEqual(0)
    },
  )

  test('puts small records in a closed and in an open loop, without errors', () => {
    const loads = report.latencies.map(({ id, load, errors }) => [id, load.kind, errors])
    expect(loads).toEqual([
      ['small/put/closed', 'closed', []],
      ['small/put/gathered', 'closed', []],
      ['small/get/closed', 'closed', []],
      ['small/put/alone', 'closed', []],
      ['small/put/open', 'open', []],
    ])
    expect(report.method).toContainEqual(
      expect.stringMatching(/^small records: [1-9]\d* were put before, in \d+ s/),
    )
    // Three seconds at five a second, each one done whatever it took.
    expect(report.latencies.at(-1)!.count).toBe(15)
    for (const { count, histogram } of report.latencies)
      expect(histogram.reduce((sum, bucket) => sum + bucket.count, 0)).toBe(count)
  })

  test('repairs a node that lost its disk, reading little more than k fragments a stripe', () => {
    for (const what of ['read', 'rebuilt', 'reads'])
      expect(samples(`repair/${what}/2-4/${MIB}`), what).toBe(1)
    const over = figure(`repair/reads/2-4/${MIB}`)!.median
    expect(over).toBeGreaterThanOrEqual(1)
    expect(over).toBeLessThan(1.05)
  })

  test('reads with n - k columns killed', () => {
    expect(samples(`losses/whole/rate/2-4/${MIB}`)).toBe(1)
    expect(figure(`losses/lost/rate/2-4/${MIB}`)?.label).toContain('2 of 4 columns killed')
  })

  test('tells its progress in typed events: the machine first, then stage after stage, plots, the result last', () => {
    const types = said.events.map(({ type }) => type)
    expect(types[0]).toBe('bench-machine')
    expect(types.filter((type) => type === 'bench-stage')).toHaveLength(6)
    expect(types.filter((type) => type === 'bench-stage-done')).toHaveLength(6)
    expect(types.filter((type) => type === 'bench-plot').length).toBeGreaterThanOrEqual(2)
    expect(types.at(-1)).toBe('result')
    for (const event of said.events.filter(({ type }) => type === 'bench-progress'))
      expect(event).toMatchObject({ share: expect.any(Number), etaSeconds: expect.any(Number) })
  })

  test('leaves nothing behind but the report', () => {
    expect(readdirSync(dir)).toEqual(['out'])
    expect(readdirSync(out).sort()).toEqual(['report.html', 'report.json'])
    expect(readFileSync(join(out, 'report.html'), 'utf8')).toContain('put 2/4 1 MiB')
  })
})

test('a disk that is too small is told of before anything starts', async () => {
  const refused = await xcare(['bench', '--size', '1GiB', '--repeat', '100', '--out', out, '--disk', dir])
  expect(refused.exit).toBe(13)
  expect(refused.result).toMatchObject({ code: 'NO_SPACE', next: expect.stringContaining('--disk') })
  expect(readdirSync(dir)).toEqual(['out'])
})

/** Processes whose command line names a path. */
function processesWith(path: string): string[] {
  return readdirSync('/proc').filter((entry) => {
    try {
      return /^\d+$/.test(entry) && readFileSync(`/proc/${entry}/cmdline`, 'utf8').includes(path)
    } catch {
      return false
    }
  })
}

test('a full run works before it counts, and tells the first put apart', async () => {
  const folder = join(dir, 'full')
  const shape = ['--k', '2', '--n', '3', '--nodes', '3', '--size', '64KiB', '--repeat', '2']
  const run = await xcare(['bench', ...shape, '--stages', 'passages', '--out', folder, '--disk', dir])
  expect(run.exit).toBe(0)
  const { figures, method } = parseReport(readFileSync(join(folder, 'report.json'), 'utf8'), 'report.json')
  const counted = (id: string) => figures.find((one) => one.id === id)?.samples.length
  expect(counted('put/fresh/2-3/65536')).toBe(1)
  expect(counted('put/rate/2-3/65536')).toBe(2)
  expect(counted('get/rate/2-3/65536')).toBe(2)
  // Twice what is measured: four records.
  expect(method.at(-1)).toMatch(/^put and get: 256 KiB were put and got before/)
  expect(figure('put/fresh/2-4/1048576'), 'a quick run').toBeUndefined()
}, 120_000)

test.runIf(existsSync('/proc/self/stat'))(
  'Ctrl-C ends every process, removes the folder, and leaves a partial report that says so',
  async () => {
    const disk = mkdtempSync(join(tmpdir(), 'xcare-bench-stop-'))
    const partial = join(disk, 'partial')
    const program = new URL('../../src/cli/main.ts', import.meta.url).pathname
    const shape = ['--k', '2', '--n', '3', '--nodes', '3', '--size', '4KiB', '--repeat', '100']
    const args = [
      'bench',
      '--quick',
      ...shape,
      '--stages',
      'disk,passages,small',
      '--out',
      partial,
      '--disk',
      disk,
      '--json',
    ]
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
    for await (const part of child.stdout.setEncoding('utf8')) {
      said += part
      if (!child.killed && /"bench-progress","name":"passages".*, 2 of 100/.test(said)) {
        expect(processesWith(disk).length).toBeGreaterThanOrEqual(8)
        child.kill('SIGINT')
      }
    }
    expect(await ended).toBe(130)
    expect(JSON.parse(said.trim().split('\n').at(-1)!)).toMatchObject({
      ok: false,
      code: 'INTERRUPTED',
      exitCode: 130,
    })
    expect(processesWith(disk)).toEqual([])
    expect(readdirSync(disk)).toEqual(['partial'])
    const { complete, stages, figures } = parseReport(
      readFileSync(join(partial, 'report.json'), 'utf8'),
      'partial',
    )
    expect(complete).toBe(false)
    expect(stages.map(({ name, state }) => [name, state])).toEqual([
      ['disk', 'done'],
      ['passages', 'left out'],
      ['small', 'left out'],
    ])
    expect(figures.some(({ id }) => id === 'put/rate/2-3/4096')).toBe(true)
    rmSync(disk, { recursive: true, force: true })
  },
  120_000,
)
