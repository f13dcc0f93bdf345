import { institutionCap } from '../../fragment/placement.ts'
import type { ReportDraft } from './draft.ts'
import type { BenchNetwork } from './network.ts'
import type { StageName } from './options.ts'
import type { Settings } from './report-shape.ts'

/** What a stage works with. */
export interface Bench {
  settings: Settings
  draft: ReportDraft
  network: BenchNetwork
  /** Tells how far the stage is, from 0 to 1; `text` says at what. */
  progress(share: number, text: string): void
  /** Fires when the run is stopped. */
  signal: AbortSignal
  /** Writes the report with what there is already. */
  checkpoint(): Promise<void>
}

/** One part of a run. Stages run one after the other, each on its own: what one cannot measure, the others still do. */
export interface Stage {
  name: StageName
  title: string
  /** Seconds it takes on a quiet machine with two cores, quick and full, for the first estimate of the time left. */
  seconds: { quick: number; full: number }
  needsNetwork: boolean
  run(bench: Bench): Promise<void>
}

/** Words for a shape in ids. */
export const shapeId = ({ k, n }: { k: number; n: number }) => `${k}-${n}`

/** @returns the shape that small records are measured with: the one with the fewest columns. */
export function smallShape({ shapes }: Settings): { k: number; n: number } {
  return shapes.reduce((least, shape) => (shape.n < least.n ? shape : least))
}

/** @returns whether so many nodes can take a shape at all: none keeps a third of what rebuilds an object. */
export function fits({ k, n }: { k: number; n: number }, nodes: number): boolean {
  return nodes * institutionCap(k) >= n
}

/** A share of the time of a run that a stage may take; it measures at least once all the same. */
export class TimeBudget {
  readonly #until: number

  constructor(seconds: number) {
    this.#until = performance.now() + seconds * 1000
  }

  get isOver(): boolean {
    return performance.now() > this.#until
  }
}
