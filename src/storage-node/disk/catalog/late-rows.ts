import type { Place } from './place.ts'

/** Places of fragments that the index knows and its file does not yet. */
export class LateRows {
  readonly #columns = new Map<number, Map<number, Place>>()
  #size = 0

  /** How many there are. */
  get size(): number {
    return this.#size
  }

  /** @returns the place of one fragment, or undefined when the file knows best. */
  get(column: number, stripe: number): Place | undefined {
    return this.#columns.get(column)?.get(stripe)
  }

  /** Those of one column, by stripe; undefined when there is none. */
  of(column: number): ReadonlyMap<number, Place> | undefined {
    return this.#columns.get(column)
  }

  /** Sets the place of a fragment. @returns what takes it back. */
  set(column: number, stripe: number, place: Place): () => void {
    const rows = this.#columns.get(column) ?? new Map<number, Place>()
    this.#columns.set(column, rows)
    const before = rows.get(stripe)
    if (before === undefined) this.#size++
    rows.set(stripe, place)
    return () => {
      if (before !== undefined) {
        rows.set(stripe, before)
        return
      }
      rows.delete(stripe)
      this.#size--
      if (rows.size === 0) this.#columns.delete(column)
    }
  }

  /** All of them, ordered by column and stripe: a tree takes sorted keys several times as fast. */
  *sorted(): Generator<[column: number, stripe: number, place: Place]> {
    for (const column of [...this.#columns.keys()].sort((a, b) => a - b)) {
      const rows = this.#columns.get(column)!
      for (const stripe of [...rows.keys()].sort((a, b) => a - b)) yield [column, stripe, rows.get(stripe)!]
    }
  }

  /** Forgets all: the file knows them. */
  clear(): void {
    this.#columns.clear()
    this.#size = 0
  }
}
