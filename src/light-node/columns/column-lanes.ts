import { asXcareError, XcareError } from '../../errors.ts'
import type { Manifest } from '../../fragment/manifest.ts'
import type { LeafRun } from '../../fragment/range.ts'
import { type ColumnDownload, sameShares } from './column-download.ts'
import type { ColumnSet } from './column-set.ts'

/** Leaves of one fragment, proven. */
export interface ReadRun {
  run: LeafRun
  bytes: Uint8Array
}

interface Lane {
  /** Null until the lane is needed, and after its column failed. */
  download: ColumnDownload | null
  /** Key shares as the node told them. */
  told: Uint8Array[] | null
}

/** k columns read side by side; one that fails is named and replaced, as long as there are others. */
export class ColumnLanes {
  readonly #columns: ColumnSet
  readonly #manifest: Manifest
  readonly #lanes: Lane[]

  constructor(columns: ColumnSet, manifest: Manifest) {
    this.#columns = columns
    this.#manifest = manifest
    this.#lanes = Array.from({ length: manifest.k }, () => ({ download: null, told: null }))
  }

  /** @returns for every stripe the key shares of k columns, unproven. @throws XcareError TOO_FEW_FRAGMENTS */
  async shares(): Promise<Uint8Array[][]> {
    const byLane = await this.#onEveryLane(null, async (lane, download) => {
      lane.told = await download.shares()
      return lane.told
    })
    return this.#byStripe(byLane)
  }

  /** @returns the same, each share proven; names the nodes that told another one before. @throws XcareError TOO_FEW_FRAGMENTS */
  async provenShares(): Promise<Uint8Array[][]> {
    const byLane = await this.#onEveryLane(null, async (lane, download) => {
      const proven = await download.provenShares()
      if (lane.told && !sameShares(lane.told, proven)) this.#columns.accuse(download, liedAbout(download))
      lane.told = proven
      return proven
    })
    return this.#byStripe(byLane)
  }

  /** @param to as ColumnDownload.fragment. @returns n entries, k of them proven fragments of `stripe`. @throws XcareError TOO_FEW_FRAGMENTS */
  async stripe(stripe: number, to: number): Promise<(Uint8Array | null)[]> {
    const fragments: (Uint8Array | null)[] = new Array(this.#manifest.n).fill(null)
    await this.#onEveryLane(stripe, async (_, download) => {
      fragments[download.column] = await download.fragment(stripe, to)
    })
    return fragments
  }

  /** @returns those of `runs` whose column is open and sound; the others can be had by rebuilding their stripes. */
  async leaves(runs: readonly LeafRun[]): Promise<ReadRun[]> {
    const read = await Promise.all(
      this.#lanes.map(async (lane) => {
        const own = runs.filter(({ column }) => column === lane.download?.column)
        if (own.length === 0 || !lane.download) return []
        try {
          const leaves = await lane.download.leaves(own)
          return own.map((run, at) => ({ run, bytes: leaves[at]! }))
        } catch (error) {
          this.#giveUp(
            lane,
            error,
            own.map(({ stripe }) => stripe),
          )
          return []
        }
      }),
    )
    return read.flat()
  }

  /**
   * Takes a step with k columns. Every lane ends its step before this ends, so that nothing goes on behind a failure.
   * @param stripe the one that the step is about, or null for whole columns.
   */
  async #onEveryLane<T>(
    stripe: number | null,
    step: (lane: Lane, download: ColumnDownload) => Promise<T>,
  ): Promise<T[]> {
    const settled = await Promise.all(this.#lanes.map((lane) => this.#onLane(lane, stripe, step)))
    const good = settled.flatMap((answer) => answer ?? [])
    if (good.length < settled.length) throw this.#columns.tooFew(good.length)
    return good.map(({ value }) => value)
  }

  /** @returns null when no column is left. */
  async #onLane<T>(
    lane: Lane,
    stripe: number | null,
    step: (lane: Lane, download: ColumnDownload) => Promise<T>,
  ): Promise<{ value: T } | null> {
    for (;;) {
      lane.download ??= await this.#columns.next(this.#manifest, stripe)
      if (!lane.download) return null
      try {
        return { value: await step(lane, lane.download) }
      } catch (error) {
        this.#giveUp(lane, error, stripe === null ? [] : [stripe])
      }
    }
  }

  #giveUp(lane: Lane, error: unknown, stripes: number[]): void {
    this.#columns.blame(lane.download!, asXcareError(error), stripes)
    lane.download = null
    lane.told = null
  }

  #byStripe(byLane: Uint8Array[][]): Uint8Array[][] {
    return Array.from({ length: this.#manifest.stripes }, (_, stripe) =>
      byLane.map((shares) => shares[stripe]!),
    )
  }
}

function liedAbout({ node }: ColumnDownload): XcareError {
  return new XcareError(
    'INTEGRITY',
    `storage node ${node} told key shares that are not those of its fragments`,
  )
}
