import type { AskedKeeper } from './asked-keeper.ts'

/** Open stripes that can be read from the same columns. */
export interface StripeRun {
  /** Rising. */
  stripes: number[]
  /** Columns whose fragments of all these stripes are there, at least k of them. */
  columns: ReadonlySet<number>
}

/** What the keepers that answered say they have of an object. Spec: docs/spec/repair.md. */
export class Survey {
  readonly #k: number
  readonly #keepers: readonly AskedKeeper[]
  /** Stripes of which a fragment is lost, rising. */
  readonly open: readonly number[]

  constructor(k: number, keepers: readonly AskedKeeper[]) {
    this.#k = k
    this.#keepers = keepers
    this.open = [...new Set(keepers.flatMap(({ lost }) => lost))].sort((a, b) => a - b)
  }

  /** Columns whose fragment of `stripe` is there. */
  there(stripe: number): Set<number> {
    const columns = new Set(this.#columns())
    for (const keeper of this.#keepers) for (const column of keeper.lacking(stripe)) columns.delete(column)
    return columns
  }

  /** Columns that can be had of the stripe that lost most. */
  get fewest(): number {
    return Math.min(this.#columns().length, ...this.open.map((stripe) => this.there(stripe).size))
  }

  /**
   * Cuts the open stripes so that each run is read from columns that lack none of it. One run where k columns are whole, as
   * nearly always; each run costs new streams.
   */
  runs(): StripeRun[] {
    const runs: StripeRun[] = []
    for (const stripe of this.open) {
      const there = this.there(stripe)
      const last = runs.at(-1)
      const shared = last && new Set([...last.columns].filter((column) => there.has(column)))
      if (last && shared && shared.size >= this.#k) {
        last.stripes.push(stripe)
        last.columns = shared
      } else runs.push({ stripes: [stripe], columns: there })
    }
    return runs
  }

  #columns(): number[] {
    return this.#keepers.flatMap(({ columns }) => columns)
  }
}
