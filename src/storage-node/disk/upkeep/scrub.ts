import { SCRUB_REST_MS } from '../../../limits.ts'
import type { FragmentIndex } from '../catalog/fragment-index.ts'
import { type ColumnReader, verifyStepOf } from '../column-reader.ts'

/**
 * Reads the finished columns of a store one after the other, a little at a time, and finds what the disk has
 * lost since it was written.
 */
export class Scrubber {
  /** Column that is being read, and its next stripe. What a restart forgets of one column is read again. */
  #column = 0
  #stripe = 0

  /**
   * Reads on. @param reader notes what is damaged.
   * @returns bytes read; 0 when nothing has to be read now: no column is due before SCRUB_REST_MS are over.
   */
  step(index: FragmentIndex, reader: ColumnReader, nowMs: number): number {
    const { upkeep } = index
    const known = this.#column === 0 ? null : upkeep.byId(this.#column)
    const isGone = known === null || !known.isComplete
    const column = isGone ? this.#next(index, nowMs) : known
    if (column === null) return 0
    if (column.id !== this.#column) this.#stripe = 0
    this.#column = column.id
    const to = Math.min(column.stripes, this.#stripe + verifyStepOf(column))
    let bytes = reader.verify(column, this.#stripe, to)
    this.#stripe = to
    if (to < column.stripes) return Math.max(1, bytes)
    bytes += reader.manifestOf(column)?.length ?? 0
    upkeep.setRead(column.id, nowMs)
    this.#after = column.id
    this.#column = 0
    return Math.max(1, bytes)
  }

  /** Id of the column that was read last. */
  #after = 0

  #next({ upkeep }: FragmentIndex, nowMs: number) {
    const dueMs = nowMs - SCRUB_REST_MS
    const next = upkeep.unread(this.#after, dueMs)
    if (next !== null || this.#after === 0) return next
    this.#after = 0
    return upkeep.unread(0, dueMs)
  }
}
