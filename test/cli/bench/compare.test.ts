import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { compareFigure, compareReports, comparisonLines } from '../../../src/cli/bench/compare.ts'
import type { Figure, Report } from '../../../src/cli/bench/report-shape.ts'
import { seededRandom } from '../../../src/cli/bench/statistics.ts'
import { xcare } from '../xcare.ts'
import { figureOf, sampleReport } from './sample-report.ts'

const FIGURES = sampleReport().figures.length
const LIMITS = sampleReport().figures.filter(({ group }) => group === 'limits').length

const verdict = (a: number[], b: number[], better: Figure['better'] = 'higher') =>
  compareFigure(figureOf('x', a, { better }), figureOf('x', b, { better })).verdict

describe('a figure is', () => {
  const before = [100, 103, 98, 101, 99]

  test('better or worse when it changed beyond ten per cent and beyond its noise', () => {
    expect(verdict(before, [80, 82, 79, 81, 78])).toBe('worse')
    expect(verdict(before, [120, 124, 119, 121, 118])).toBe('better')
  })

  test('judged by what is better', () => {
    expect(verdict(before, [80, 82, 79, 81, 78], 'lower')).toBe('better')
    expect(verdict(before, [120, 124, 119, 121, 118], 'lower')).toBe('worse')
  })

  test('within noise when the change is small, however sure', () => {
    expect(verdict(before, [92, 93, 91, 92, 93])).toBe('within noise')
    expect(verdict(before, [109, 108, 109, 108, 109])).toBe('within noise')
  })

  test('within noise when the samples of both overlap, however large the change of the median', () => {
    expect(verdict([100, 60, 140, 90, 120], [80, 130, 70, 75, 78])).toBe('within noise')
  })

  test('given the benefit of the doubt with fewer than three samples', () => {
    expect(verdict([100, 101], [80, 81])).toBe('within noise')
    expect(verdict([100, 101], [60, 61])).toBe('worse')
    expect(compareFigure(figureOf('x', [100, 101]), figureOf('x', [80, 81])).assumed).toBe(true)
  })

  test('held to the same measure in both directions', () => {
    const [slow, fast] = [
      [100, 101, 99, 100, 102],
      [112, 113, 111, 112, 114],
    ]
    expect(verdict(slow, fast)).toBe('better')
    expect(verdict(fast, slow)).toBe('worse')
  })

  test('the same when both are zero, and worse when something appears that should not', () => {
    expect(verdict([0, 0, 0], [0, 0, 0], 'lower')).toBe('within noise')
    expect(verdict([0, 0, 0], [5, 5, 5], 'lower')).toBe('worse')
  })

  test('within noise when processor time differs by one tick of its clock', () => {
    const cpu = (a: number[], b: number[], unit = 'CPU-s/GB') =>
      compareFigure(figureOf('x', a, { unit, better: 'lower' }), figureOf('x', b, { unit, better: 'lower' }))
    expect(cpu([0, 0, 0], [0.01, 0.01, 0.01]).verdict).toBe('within noise')
    expect(cpu([0, 0, 0.596], [0.596, 0.596, 1.19]).verdict).toBe('within noise')
    expect(cpu([0.596, 0.596, 0.596], [1.19, 1.19, 1.19]).verdict).toBe('within noise')
    expect(cpu([0, 0, 0.596], [2.38, 2.38, 2.98]).verdict).toBe('worse')
    expect(cpu([10.1, 10.2, 10.15], [14.1, 14.2, 14.3]).verdict).toBe('worse')
    expect(cpu([0, 0, 0], [0.01, 0.01, 0.01], 'MiB').verdict).toBe('worse')
  })

  test('said to have grown from nothing, without a number of its own', () => {
    const grown = compareFigure(figureOf('x', [0, 0, 0]), figureOf('x', [9, 9, 9]))
    const comparison = { figures: [grown], onlyA: [], onlyB: [], warnings: [], threshold: 0.1 }
    expect(comparisonLines(comparison).join('\n')).toMatch(/from 0/)
    expect(comparisonLines(comparison).join('\n')).not.toMatch(/\d{6}/)
  })

  test('rarely told apart from itself: two runs of one noisy thing', () => {
    const random = seededRandom(3)
    const run = () => Array.from({ length: 5 }, () => 100 * (1 + 0.15 * (random() + random() - 1)))
    const told = Array.from({ length: 300 }, () => verdict(run(), run())).filter(
      (word) => word !== 'within noise',
    )
    expect(told.length).toBeLessThan(6)
  })
})

describe('two reports', () => {
  test('of one machine and the same settings are compared figure by figure', () => {
    const { figures, warnings, onlyA, onlyB, threshold } = compareReports(sampleReport(), sampleReport())
    expect(figures).toHaveLength(sampleReport().figures.length)
    for (const { verdict: told, ratio, id } of figures) {
      expect(told, id).toMatch(/within noise|not judged/)
      expect(ratio, id).toBe(1)
    }
    expect([onlyA, onlyB, threshold]).toEqual([[], [], 0.1])
    expect(warnings).toEqual([])
  })

  const otherCpu = sampleReport({ machine: { ...sampleReport().machine, cpu: 'Other 1' } })
  const otherSettings = sampleReport({ settings: { ...sampleReport().settings, concurrency: 4 } })

  test.each([
    { name: 'processors', other: otherCpu, says: 'cpu' },
    { name: 'settings', other: otherSettings, says: 'concurrency' },
  ])('of different $name are refused, unless they are wanted anyway', ({ other, says }) => {
    expect(() => compareReports(sampleReport(), other)).toThrow(says)
    const { warnings, figures } = compareReports(sampleReport(), other, true)
    expect(warnings.join()).toContain(says)
    expect(figures.length).toBeGreaterThan(0)
  })

  test('of a machine that was slower itself are held to a wider threshold, and it is said', () => {
    const { machine, figures } = sampleReport()
    const slower = sampleReport({
      machine: { ...machine, ratesGBs: { ...machine.ratesGBs, blake3: machine.ratesGBs.blake3 / 1.3 } },
      figures: figures.map((figure) =>
        figureOf(
          figure.id,
          figure.samples.map((value) => value / 1.2),
          figure,
        ),
      ),
    })
    const { threshold, warnings } = compareReports(sampleReport(), slower)
    expect(threshold).toBeCloseTo(0.3)
    expect(warnings.join()).toContain('processor itself')
  })

  test('that do not hold the same figures say which are missing', () => {
    const { figures } = sampleReport()
    const { onlyA, onlyB } = compareReports(
      sampleReport(),
      sampleReport({ figures: [...figures.slice(1), figureOf('new', [1])] }),
    )
    expect(onlyA).toEqual([figures[0]!.id])
    expect(onlyB).toEqual(['new'])
  })

  test('tell limits of the machine and floors, and judge neither', () => {
    const slower = sampleReport().figures.map((figure) =>
      figure.group === 'limits'
        ? figureOf(
            figure.id,
            figure.samples.map((value) => value * (figure.better === 'higher' ? 0.5 : 2)),
            figure,
          )
        : figure,
    )
    // As an older version wrote it.
    const bare = sampleReport().figures.filter(({ group }) => group !== 'limits')
    expect(LIMITS).toBeGreaterThan(6)
    const halved = compareReports(sampleReport(), sampleReport({ figures: slower }))
    expect(halved.figures.filter(({ verdict: told }) => told === 'not judged')).toHaveLength(LIMITS)
    expect(halved.figures.filter(({ verdict: told }) => told === 'worse')).toEqual([])
    expect(comparisonLines(halved).at(-1)).toContain(`${LIMITS} limits and floors not judged`)
    const withOld = compareReports(sampleReport({ figures: bare }), sampleReport())
    const { onlyA, onlyB, figures } = withOld
    expect(comparisonLines(withOld).at(-1)).toMatch(/only: 0 of A; \d+ of B \(stage\/tcp, .*, …\)$/)
    expect(onlyA).toEqual([])
    expect(onlyB).toContain('floor/put/20-40')
    expect(figures).toHaveLength(bare.length)
  })

  test('make a table with what changed first', () => {
    const slow = sampleReport({
      figures: sampleReport().figures.map((figure, at) =>
        at === 3 ? figureOf(figure.id, [200, 201, 202], { label: figure.label }) : figure,
      ),
    })
    const lines = comparisonLines(compareReports(sampleReport(), slow))
    expect(lines[1]).toContain('worse')
    expect(lines.at(-1)).toMatch(new RegExp(`^1 worse, 0 better, ${FIGURES - LIMITS - 1} within noise`))
  })
})

describe('xcare bench compare', () => {
  const dir = mkdtempSync(join(tmpdir(), 'xcare-compare-'))
  afterAll(() => rmSync(dir, { recursive: true, force: true }))
  const keep = (name: string, report: Report | string) => {
    const path = join(dir, name)
    writeFileSync(path, typeof report === 'string' ? report : JSON.stringify(report))
    return path
  }
  const a = keep('a.json', sampleReport())
  const worse = keep(
    'worse.json',
    sampleReport({
      figures: sampleReport().figures.map((figure, at) =>
        at === 1
          ? figureOf(figure.id, [101, 102, 103], { ...figure, samples: [101, 102, 103], median: 102 })
          : figure,
      ),
    }),
  )

  test('of a report with itself ends well', async () => {
    const { exit, result } = await xcare(['bench', 'compare', a, a, '--json'])
    expect(exit).toBe(0)
    expect(result).toMatchObject({ ok: true, worse: [], better: [], compared: FIGURES })
  })

  test('ends with 3 when a figure got worse, after the whole table', async () => {
    const { exit, stdout, result } = await xcare(['bench', 'compare', a, worse, '--json'])
    expect(exit).toBe(3)
    expect(result).toMatchObject({ ok: false, code: 'REGRESSION', exitCode: 3 })
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(events.filter(({ type }) => type === 'bench-compared')).toHaveLength(FIGURES)
    expect(events.at(-2)).toMatchObject({ type: 'bench-comparison', worse: ['put/rate/20-40/16777216'] })
    const plain = await xcare(['bench', 'compare', a, worse])
    expect(plain.stdout).toMatch(/put rate .* worse/)
    expect(plain.stderr).toMatch(new RegExp(`^error: 1 of ${FIGURES} figures got worse`))
  })

  test.each([
    [
      'another machine',
      () => keep('other.json', sampleReport({ machine: { ...sampleReport().machine, cores: 8 } })),
      19,
      'REFUSED',
    ],
    ['no JSON', () => keep('text.json', 'no report'), 19, 'MALFORMED'],
    [
      'another version',
      () => keep('v9.json', JSON.stringify({ ...sampleReport(), version: 9 })),
      19,
      'MALFORMED',
    ],
    ['no file', () => join(dir, 'nothing.json'), 2, 'FILE_UNREADABLE'],
  ])('refuses %s with a sentence', async (_, path, exit, code) => {
    const said = await xcare(['bench', 'compare', a, path(), '--json'])
    expect(said.exit).toBe(exit)
    expect(said.result).toMatchObject({ ok: false, code })
  })
})
