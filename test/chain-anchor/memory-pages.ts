import type { PageStore } from '../../src/chain-anchor/state/smt.ts'
import { XcareError } from '../../src/errors.ts'

/** A page store in memory that drops retired records on request. */
export class MemoryPages implements PageStore {
  readonly records = new Map<number, Uint8Array>()
  readonly retired = new Set<number>()
  #last = 0

  read(id: number): Uint8Array {
    const record = this.records.get(id)
    if (!record) throw new XcareError('INTEGRITY', `there is no record ${id}`)
    return record
  }

  append(record: Uint8Array): number {
    this.records.set(++this.#last, record)
    return this.#last
  }

  retire(id: number): void {
    if (!this.records.has(id) || this.retired.has(id)) throw new Error(`record ${id} is retired twice`)
    this.retired.add(id)
  }

  /** Removes what the newest tree does not use. */
  prune(): void {
    for (const id of this.retired) this.records.delete(id)
    this.retired.clear()
  }
}
