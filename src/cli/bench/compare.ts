import { XcareError } from '../../errors.ts'
import { LIMITS_GROUP } from './limits/floors.ts'
import type { Figure, Machine, Report } from './report-shape.ts'
import { ratioInterval, round } from './statistics.ts'

/** A change must be larger than this to be told, whatever its interval. */
const CHANGE_MIN = 0.1
/** With fewer samples than this on either side there is no spread to speak of. */
const SAMPLES_MIN = 3
/** What is then taken for noise: run-to-run drift of a shared machine, doubled. */
const ASSUMED_NOISE = 0.3
const CONFIDENCE = 0.99
/** Probes of the machine that differ by more make absolute figures doubtful. */
const PROBE_DRIFT_MAX = 0.2
/** Cores kept busy by others from which on a run was not on a quiet machine. */
const BUSY_CORES_MAX = 0.2
/** Processor time is counted in ticks: a change by one, and what rounding adds, is none. */
const TICKS_OF_NOISE = 1.5

/** What became of one figure. Limits of the machine, and what follows from figures that are judged themselves, are told only. */
export type Verdict = 'better' | 'worse' | 'within noise' | 'not judged'

/** One figure in both reports. */
export interface ComparedFigure {
  id: string
  label: string
  unit: string
  a: Spread2
  b: Spread2
  /**
   * Median of B over median of A, and the interval it lies in with 99 % confidence; infinite where something
   * grew from nothing.
   */
  ratio: number
  low: number
  high: number
  /** Whether the interval comes from the samples, or is assumed because there are too few. */
  assumed: boolean
  verdict: Verdict
}

type Spread2 = Pick<Figure, 'median' | 'min' | 'max' | 'mad'> & { samples: number }

/** Two reports side by side. */
export interface Comparison {
  figures: ComparedFigure[]
  /** Ids that only one of the reports has. */
  onlyA: string[]
  onlyB: string[]
  /** What makes the reports hard to compare. */
  warnings: string[]
  /** Change below which nothing is told: 10 %, or more when the machine itself changed. */
  threshold: number
}

/**
 * Compares report B with A, figure by figure. A figure is better or worse when its median changed by more than the threshold and the whole interval
 * of the ratio lies on that side of 1. Spec: docs/spec/bench-report.md.
 * @param anyway compares reports of different machines or settings all the same.
 * @throws XcareError REFUSED when the reports differ in machine or settings and `anyway` is false.
 */
export function compareReports(a: Report, b: Report, anyway = false): Comparison {
  const differences = differencesOf(a, b)
  if (differences.length > 0 && !anyway)
    throw new XcareError('REFUSED', `these reports are not of the same thing: ${differences.join('; ')}`, {
      next: 'compare runs of one machine with the same options, or add --anyway',
    })
  const drift = machineDrift(a.machine, b.machine)
  const threshold = Math.max(CHANGE_MIN, drift)
  const others = new Map(b.figures.map((figure) => [figure.id, figure]))
  const known = new Set(a.figures.map(({ id }) => id))
  return {
    figures: a.figures.flatMap((figure) => {
      const other = others.get(figure.id)
      return other ? [compareFigure(figure, other, threshold)] : []
    }),
    onlyA: a.figures.filter(({ id }) => !others.has(id)).map(({ id }) => id),
    onlyB: b.figures.filter(({ id }) => !known.has(id)).map(({ id }) => id),
    warnings: [...differences, ...warningsOf(a, b, drift)],
    threshold: round(threshold),
  }
}

/** @returns what became of one figure. @param threshold smallest change that is told, as a share. */
export function compareFigure(a: Figure, b: Figure, threshold: number = CHANGE_MIN): ComparedFigure {
  const assumed = Math.min(a.samples.length, b.samples.length) < SAMPLES_MIN
  const ratio = ratioOf(a.median, b.median)
  const { low, high } =
    assumed || a.median <= 0
      ? { low: ratio / (1 + ASSUMED_NOISE), high: ratio * (1 + ASSUMED_NOISE) }
      : ratioInterval(a.samples, b.samples, CONFIDENCE)
  const sides = ({ median, min, max, mad, samples }: Figure) => ({
    median,
    min,
    max,
    mad,
    samples: samples.length,
  })
  return {
    ...{ id: a.id, label: a.label, unit: a.unit, a: sides(a), b: sides(b) },
    ...{ ratio: round(ratio), low: round(low), high: round(high), assumed },
    verdict:
      a.group === LIMITS_GROUP
        ? 'not judged'
        : isOfTicks(a, b)
          ? 'within noise'
          : verdictOf(a.better, { ratio, low, high }, threshold),
  }
}

/** Whether two amounts of processor time are no further apart than the clock that counted them can tell. */
function isOfTicks(a: Figure, b: Figure): boolean {
  if (!a.unit.startsWith('CPU-')) return false
  const counted = [...new Set([0, ...a.samples, ...b.samples])].sort((x, y) => x - y)
  // All of them are whole ticks: no two differ by less than one.
  const tick = Math.min(...counted.slice(1).map((value, at) => value - counted[at]!))
  return Number.isFinite(tick) && Math.abs(b.median - a.median) <= TICKS_OF_NOISE * tick
}

function verdictOf(
  better: Figure['better'],
  { ratio, low, high }: { ratio: number; low: number; high: number },
  threshold: number,
): Verdict {
  const grew = ratio > 1 + threshold && low > 1
  // As large a change the other way: half as fast is as far from equal as twice as fast.
  const shrank = ratio < 1 / (1 + threshold) && high < 1
  if (!grew && !shrank) return 'within noise'
  return grew === (better === 'higher') ? 'better' : 'worse'
}

function ratioOf(a: number, b: number): number {
  if (a === b) return 1
  return a > 0 ? b / a : Number.POSITIVE_INFINITY
}

function differencesOf(a: Report, b: Report): string[] {
  const fields = ['cpu', 'cores', 'memoryGiB', 'kernel', 'node', 'fileSystem'] as const
  const machine = fields
    .filter((field) => a.machine[field] !== b.machine[field])
    .map((field) => `${field} ${a.machine[field]} and ${b.machine[field]}`)
  const settings = (Object.keys(a.settings) as (keyof Report['settings'])[])
    .filter((name) => JSON.stringify(a.settings[name]) !== JSON.stringify(b.settings[name]))
    .map((name) => `${name} ${settingText(a.settings[name])} and ${settingText(b.settings[name])}`)
  return [...machine, ...settings]
}

function settingText(value: unknown): string {
  return JSON.stringify(value).slice(0, 80)
}

/** How far apart the processors were at the moment of the two runs: the larger of the cipher's and the hash's, as a share. */
function machineDrift(a: Machine, b: Machine): number {
  const apart = (x: number, y: number) => Math.max(x, y) / Math.max(Math.min(x, y), 1e-9) - 1
  return Math.max(
    apart(a.ratesGBs.aes256gcm, b.ratesGBs.aes256gcm),
    apart(a.ratesGBs.blake3, b.ratesGBs.blake3),
  )
}

function warningsOf(a: Report, b: Report, drift: number): string[] {
  const warnings: string[] = []
  const fsync = a.machine.fsyncMs.p50 / Math.max(b.machine.fsyncMs.p50, 1e-9)
  if (Math.max(fsync, 1 / fsync) > 1 + PROBE_DRIFT_MAX)
    warnings.push(
      `the disks answered differently: fdatasync ${a.machine.fsyncMs.p50} ms and ${b.machine.fsyncMs.p50} ms`,
    )
  if (drift > CHANGE_MIN)
    warnings.push(
      `the processor itself was up to ${Math.round(drift * 100)} % faster in one run: changes below that are not told`,
    )
  const busy = [a, b].map(({ othersBusyCores }) => othersBusyCores ?? 0)
  if (Math.max(...busy) > BUSY_CORES_MAX)
    warnings.push(`other programs kept ${busy[0]} and ${busy[1]} cores busy: changes of time may be theirs`)
  for (const [name, report] of Object.entries({ A: a, B: b }))
    if (!report.complete) warnings.push(`${name} is not complete`)
  return warnings
}

/** @returns the comparison as a table for a terminal, the changed figures first. */
export function comparisonLines({ figures, onlyA, onlyB, warnings, threshold }: Comparison): string[] {
  const order: Verdict[] = ['worse', 'better', 'within noise', 'not judged']
  const sorted = [...figures].sort((x, y) => order.indexOf(x.verdict) - order.indexOf(y.verdict))
  const width = Math.min(64, Math.max(6, ...figures.map(({ label }) => label.length)))
  const side = ({ median, min, max, samples }: Spread2) =>
    samples > 1 ? `${median} (${min}..${max})` : `${median}`
  const rows = sorted.map((figure) => {
    const change = Number.isFinite(figure.ratio)
      ? `${figure.ratio >= 1 ? '+' : ''}${((figure.ratio - 1) * 100).toFixed(1)} %`
      : 'from 0'
    const label = figure.label.slice(0, width).padEnd(width)
    const interval = `[${figure.low}, ${figure.high}]${figure.assumed ? '?' : ''}`
    return `${label}  ${side(figure.a).padStart(24)}  ${side(figure.b).padStart(24)}  ${figure.unit.padEnd(12)} ${change.padStart(9)}  ${interval.padEnd(16)} ${figure.verdict}`
  })
  const count = (verdict: Verdict) => figures.filter((figure) => figure.verdict === verdict).length
  return [
    ...warnings.map((text) => `warning: ${text}`),
    `${'figure'.padEnd(width)}  ${'A: median (min..max)'.padStart(24)}  ${'B: median (min..max)'.padStart(24)}  ${'unit'.padEnd(12)} ${'change'.padStart(9)}  ${'B/A, 99 %'.padEnd(16)} verdict`,
    ...rows,
    `${count('worse')} worse, ${count('better')} better, ${count('within noise')} within noise${count('not judged') > 0 ? `, ${count('not judged')} limits and floors not judged` : ''} (told above ${Math.round(threshold * 100)} % and outside the interval; ? = too few samples, noise assumed)`,
    ...(onlyA.length + onlyB.length > 0
      ? [`in one report only: ${namesText('A', onlyA)}; ${namesText('B', onlyB)}`]
      : []),
  ]
}

const NAMES_SHOWN_MAX = 5

function namesText(side: string, ids: string[]): string {
  const shown = ids.slice(0, NAMES_SHOWN_MAX).join(', ')
  const more = ids.length > NAMES_SHOWN_MAX ? ', …' : ''
  return `${ids.length} of ${side}${shown ? ` (${shown}${more})` : ''}`
}
