import { asXcareError } from '../../errors.ts'
import type { Manifest } from '../../fragment/manifest.ts'
import type { KeptObject } from '../columns/anchored-manifest.ts'
import { type ColumnPorts, Holders } from '../columns/holders.ts'
import { ObjectColumns } from '../columns/object-columns.ts'
import type { StripeRun, Survey } from './survey.ts'

/** k proven fragments of one stripe. */
export interface SurvivingStripe {
  stripe: number
  /** n entries by column. */
  fragments: (Uint8Array | null)[]
}

/** Reads what is left of the stripes that lost something: k fragments each, every one once; the next stripe while the last one is used. */
export class SurvivingStripes {
  readonly #ports: ColumnPorts
  readonly #kept: KeptObject
  readonly #manifest: Manifest
  readonly #survey: Survey

  constructor(ports: ColumnPorts, kept: KeptObject, manifest: Manifest, survey: Survey) {
    this.#ports = ports
    this.#kept = kept
    this.#manifest = manifest
    this.#survey = survey
  }

  /** Yields the open stripes, rising. @throws XcareError TOO_FEW_FRAGMENTS */
  async *read(): AsyncGenerator<SurvivingStripe> {
    for (const run of this.#survey.runs()) yield* this.#readRun(run)
  }

  async *#readRun({ stripes, columns }: StripeRun): AsyncGenerator<SurvivingStripe> {
    const reader = this.#reader(columns)
    const begin = (at: number) => {
      const reading = this.#stripe(reader, stripes[at]!, endOfRow(stripes, at), columns)
      // It is awaited a turn later; until then its failure must not count as unhandled.
      reading.catch(() => {})
      return reading
    }
    try {
      let coming = begin(0)
      for (const [at, stripe] of stripes.entries()) {
        const fragments = await coming
        if (at + 1 < stripes.length) coming = begin(at + 1)
        yield { stripe, fragments }
      }
    } finally {
      reader.close()
    }
  }

  /** Where the columns of the run turn out to have lost more than they knew, this one stripe is read from any that have it. */
  async #stripe(
    reader: ObjectColumns,
    stripe: number,
    to: number,
    columns: ReadonlySet<number>,
  ): Promise<(Uint8Array | null)[]> {
    try {
      return await reader.stripe(stripe, to)
    } catch (error) {
      const there = this.#survey.there(stripe)
      if (asXcareError(error).code !== 'TOO_FEW_FRAGMENTS' || there.size === columns.size) throw error
      const wider = this.#reader(there)
      try {
        return await wider.stripe(stripe, stripe + 1)
      } finally {
        wider.close()
      }
    }
  }

  #reader(columns: ReadonlySet<number>): ObjectColumns {
    const holders = this.#kept.holders.map((holder, column) => (columns.has(column) ? holder : null))
    return new ObjectColumns(new Holders(this.#ports, { ...this.#kept, holders }), this.#manifest)
  }
}

/** @returns the end of the stripes that follow `stripes[at]` without a gap. */
function endOfRow(stripes: readonly number[], at: number): number {
  let end = at + 1
  while (end < stripes.length && stripes[end] === stripes[end - 1]! + 1) end++
  return stripes[end - 1]! + 1
}
