import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readReport, setAside, writeReport } from '../../../src/cli/bench/report.ts'
import { parseReport, reportJsonSchema } from '../../../src/cli/bench/report-shape.ts'
import { summaryLines } from '../../../src/cli/bench/sentences.ts'
import { judgeTargets, WANTED } from '../../../src/cli/bench/targets.ts'
import { flawsOf } from './json-schema.ts'
import { figureOf, sampleReport } from './sample-report.ts'

const published = JSON.parse(readFileSync('docs/spec/bench-report.schema.json', 'utf8'))

describe('the published schema', () => {
  test('is the one the program checks with', () => {
    // To make it anew: node bin/node24.mjs bin/bench-schema.mjs
    expect(published).toEqual(JSON.parse(JSON.stringify(reportJsonSchema())))
  })

  test('takes a whole report', () => {
    expect(flawsOf(sampleReport(), published)).toEqual([])
    expect(parseReport(JSON.stringify(sampleReport()), 'x')).toEqual(sampleReport())
  })

  test.each([
    ['another format', { format: 'something' }],
    ['another version', { version: 2 }],
    ['a field nobody knows', { extra: 1 }],
    ['no machine', { machine: undefined }],
    ['a time that is none', { createdAt: 'yesterday' }],
    ['a figure without samples', { figures: [{ ...figureOf('x', [1]), samples: [] }] }],
    ['a spread below zero', { figures: [{ ...figureOf('x', [1]), mad: -1 }] }],
    ['a verdict of its own', { targets: [{ ...judgeTargets([])[0]!, verdict: 'splendid' }] }],
    ['a load of a third kind', { latencies: [{ ...sampleReport().latencies[0], load: { kind: 'random' } }] }],
  ])('and the program refuse %s', (_, change) => {
    const broken = JSON.parse(JSON.stringify({ ...sampleReport(), ...change }))
    expect(() => parseReport(JSON.stringify(broken), 'x')).toThrow(/x is not a bench report/)
    // A date is checked by its pattern there as well.
    expect(flawsOf(broken, published).length).toBeGreaterThan(0)
  })
})

describe('targets', () => {
  const verdicts = (figures: ReturnType<typeof figureOf>[]) =>
    Object.fromEntries(judgeTargets(figures).map(({ quantity, verdict }) => [quantity, verdict]))

  test('are hit, surpassed or missed in the direction that is better', () => {
    const rate = (value: number) => [figureOf('put/rate/20-40/16777216', [value], { bytes: 16777216 })]
    expect(verdicts(rate(199))['put 20/40']).toBe('missed')
    expect(verdicts(rate(200))['put 20/40']).toBe('hit')
    expect(verdicts(rate(300))['put 20/40']).toBe('stretch')
    const memory = (value: number) => [figureOf('memory/client', [value])]
    expect(verdicts(memory(301))['peak memory of the client']).toBe('missed')
    expect(verdicts(memory(300))['peak memory of the client']).toBe('hit')
    expect(verdicts(memory(220))['peak memory of the client']).toBe('stretch')
  })

  test('without a stretch are hit or missed', () => {
    const turn = (value: number) => [
      figureOf('put/turn/longest/20-40/67108864', [value], { bytes: 67108864 }),
    ]
    const quantity = 'network thread of the client, longest turn of a put'
    expect([5, 20, 20.1].map((value) => verdicts(turn(value))[quantity])).toEqual(['hit', 'hit', 'missed'])
  })

  test('of the index at a million fragments are held against a million only', () => {
    const rate = (rows: number) => [figureOf(`index/last/${rows}`, [90_000])]
    expect(verdicts(rate(1_000_000))['index inserts, last quarter of 1 M fragments']).toBe('hit')
    expect(verdicts(rate(100_000))['index inserts, last quarter of 1 M fragments']).toBe('not measured')
  })

  test('are held against the largest record, by its median', () => {
    const figures = [
      figureOf('put/rate/20-40/4096', [900], { bytes: 4096 }),
      figureOf('put/rate/20-40/67108864', [100, 210, 400], { bytes: 67108864 }),
    ]
    const [target] = judgeTargets(figures).filter(({ quantity }) => quantity === 'put 20/40')
    expect(target).toMatchObject({ measured: 210, figure: 'put/rate/20-40/67108864', verdict: 'hit' })
  })

  test('that were not measured, or over another network, say so', () => {
    expect(new Set(judgeTargets([]).map(({ verdict }) => verdict))).toEqual(new Set(['not measured']))
    expect(verdicts([figureOf('memory/client', [1], { profile: 'wan' })])['peak memory of the client']).toBe(
      'not measured',
    )
  })

  test('that are missed say what it is owed to, all others say nothing', () => {
    const missed = WANTED.map(({ figure, better }) =>
      figureOf(figure.endsWith('/') ? `${figure}1` : figure, [better === 'higher' ? 0 : 1e9]),
    )
    for (const { verdict, reason } of judgeTargets(missed)) {
      expect(verdict).toBe('missed')
      expect(reason!.length).toBeGreaterThan(40)
    }
    for (const { reason } of judgeTargets([])) expect(reason).toBe(null)
  })
})

describe('the summary', () => {
  test('has a line for everything that was measured, and none for the rest', () => {
    const lines = summaryLines(sampleReport())
    expect(lines[0]).toMatch(/^put {5}20\/40 .*: 223 MB\/s, [\d.]+ CPU-s\/GB$/)
    expect(lines.find((line) => line.startsWith('loss'))).toBe(
      'loss    get 192 MB/s with n - k columns killed',
    )
    expect(lines.find((line) => line.startsWith('memory'))).toBe('memory  client 307 MiB')
    expect(lines.some((line) => line.startsWith('bytes'))).toBe(false)
    expect(lines.join('\n')).not.toMatch(/undefined|null|: *$|; *$/m)
    expect(lines.at(-1)).toBe('INCOMPLETE: without wire')
  })

  test('says what this machine allows, where the targets assume more, and how far from it a put and a get are', () => {
    const text = summaryLines(sampleReport()).join('\n')
    expect(text).toMatch(
      /^limits {2}plain TCP 1200 MB\/s \(the targets assume 2200 to 3000\); Node’s TLS 755 MB\/s \(the targets assume 1300 to 2100\)/m,
    )
    expect(text).toMatch(
      /^floor .* put alone \d.* CPU-s\/GB, as a whole [\d.]+ ×; .* get alone \d.* CPU-s\/GB, as a whole [\d.]+ ×$/m,
    )
  })

  test('tells of the run and the targets when nothing was measured', () => {
    const lines = summaryLines(
      sampleReport({ figures: [], latencies: [], timelines: [], targets: judgeTargets([]) }),
    )
    expect(lines).toHaveLength(3)
    expect(lines[0]).toBe(`targets 0 hit, 0 missed, ${judgeTargets([]).length} not measured here`)
  })
})

describe('a report where another one lies', () => {
  test('takes its name and leaves it as it was, under its date', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'xcare-report-'))
    try {
      expect(await setAside(folder)).toBeNull()
      for (const made of [
        '2026-11-22T08:15:00.000Z',
        '2026-11-22T08:15:00.000Z',
        '2026-11-23T09:00:00.000Z',
      ]) {
        await setAside(folder)
        await writeReport({ ...sampleReport(), createdAt: made }, folder)
      }
      writeFileSync(join(folder, 'report.html'), 'the page')
      expect(await setAside(folder)).toBe(join(folder, 'report-2026-11-23T09.00.00.json'))
      const days = ['22T08.15.00', '22T08.15.00-2', '23T09.00.00']
      expect(readdirSync(folder).sort()).toEqual(
        days.flatMap((day) => [`report-2026-11-${day}.html`, `report-2026-11-${day}.json`]).sort(),
      )
      expect(readFileSync(join(folder, 'report-2026-11-23T09.00.00.html'), 'utf8')).toBe('the page')
      expect((await readReport(join(folder, 'report-2026-11-22T08.15.00.json'))).createdAt).toContain('11-22')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
