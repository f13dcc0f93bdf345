import type { LoadResult } from './load/generate.ts'
import type { LatencySummary } from './load/histogram.ts'
import { summarize } from './load/histogram.ts'
import type { Figure, Latency, StageOutcome, Timeline } from './report-shape.ts'
import { medianOf, round, spreadOf } from './statistics.ts'

/** What a figure is of; the numbers are added as they are measured. */
export type FigureHead = Pick<Figure, 'id' | 'group' | 'label' | 'unit' | 'better'> &
  Partial<Pick<Figure, 'shape' | 'bytes' | 'profile'>>

/** Everything measured so far. Stages add to it; a report can be made of it at any time. */
export class ReportDraft {
  readonly stages: StageOutcome[] = []
  readonly latencies: Latency[] = []
  readonly method: string[] = []
  readonly #figures = new Map<string, { head: FigureHead; samples: number[] }>()
  readonly #timelines = new Map<
    string,
    { label: string; what: Map<string, string>; runs: Record<string, number>[] }
  >()

  /** Adds one or more repeats of a figure. Values that could not be measured (null) are left out: the figure is then absent. */
  add(head: FigureHead, ...samples: (number | null)[]): void {
    const known = samples.filter((value) => value !== null && Number.isFinite(value)) as number[]
    if (known.length === 0) return
    const figure = this.#figures.get(head.id) ?? { head, samples: [] }
    figure.samples.push(...known)
    this.#figures.set(head.id, figure)
  }

  /** @returns samples of a figure so far. */
  count(id: string): number {
    return this.#figures.get(id)?.samples.length ?? 0
  }

  /** @returns the median of a figure, or null when there is none. */
  median(id: string): number | null {
    const samples = this.#figures.get(id)?.samples
    return samples ? medianOf(samples) : null
  }

  /** Adds the latencies of a load, all its rounds together. Nothing is added when no operation went well. */
  addLatency(id: string, label: string, load: Latency['load'], rounds: LoadResult[]): LatencySummary | null {
    const all = rounds.flatMap(({ latencies }) => latencies)
    if (all.length === 0) return null
    const seconds = rounds.reduce((sum, result) => sum + result.seconds, 0)
    const errors = rounds.flatMap((result) => result.errors)
    const summary = summarize(all)
    const rate = { seconds: round(seconds), perSecond: round(all.length / seconds) }
    this.latencies.push({ id, label, load, ...summary, ...rate, errors })
    return summary
  }

  /** Adds one run of an operation whose phases follow each other. @param phases name, meaning and ms, in order. */
  addTimeline(id: string, label: string, phases: [name: string, what: string, ms: number][]): void {
    const kept = this.#timelines.get(id) ?? {
      label,
      what: new Map(phases.map(([name, what]) => [name, what])),
      runs: [],
    }
    kept.runs.push(Object.fromEntries(phases.map(([name, , ms]) => [name, ms])))
    this.#timelines.set(id, kept)
  }

  figures(): Figure[] {
    return [...this.#figures.values()].map(({ head, samples }) => ({
      shape: null,
      bytes: null,
      profile: 'loopback',
      ...head,
      ...spreadOf(samples),
    }))
  }

  timelines(): Timeline[] {
    return [...this.#timelines].map(([id, { label, what, runs }]) => ({
      id,
      label,
      phases: [...what].map(([name, meaning]) => ({
        name,
        what: meaning,
        ms: round(medianOf(runs.map((run) => run[name] ?? 0))),
      })),
    }))
  }
}
