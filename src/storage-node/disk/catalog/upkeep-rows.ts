import { type ColumnRow, columnFrom, type RawColumn } from './rows.ts'
import type { Statements } from './statements.ts'

/**
 * What upkeep knows of finished columns: whether a header has shown that they are anchored, and when they
 * were last read and found good.
 */
export class UpkeepRows {
  readonly #sql: Statements
  readonly #toWrite: () => void

  /** @param toWrite is called before anything is written. */
  constructor(sql: Statements, toWrite: () => void) {
    this.#sql = sql
    this.#toWrite = toWrite
  }

  /**
   * Finished columns, not proven to be anchored, that were finished before `beforeMs`: the oldest first,
   * behind the one that was finished at `after.touchedMs` and has the id `after.id`.
   */
  unproven(after: Pick<ColumnRow, 'id' | 'touchedMs'>, beforeMs: number, limit: number): ColumnRow[] {
    return (this.#sql.unproven.all(after.touchedMs, after.id, beforeMs, limit) as RawColumn[]).map(columnFrom)
  }

  /** How many finished columns no header has shown to be anchored yet. */
  unprovenCount(): number {
    return this.#sql.unprovenCount.get() as number
  }

  /** Columns once proven to be anchored, with ids above `after`, by id. */
  proven(after: number, limit: number): ColumnRow[] {
    return (this.#sql.proven.all(after, limit) as RawColumn[]).map(columnFrom)
  }

  /** Notes that a header has shown the column to be anchored. */
  setProven(id: number): void {
    this.#toWrite()
    this.#sql.setProven.run(id)
  }

  /** @returns the column, or null when it is gone. */
  byId(id: number): ColumnRow | null {
    const row = this.#sql.columnById.get(id) as RawColumn | undefined
    return row === undefined ? null : columnFrom(row)
  }

  /**
   * @returns the first finished column with an id above `after` that was last read before `beforeMs`, or
   * null.
   */
  unread(after: number, beforeMs: number): ColumnRow | null {
    const row = this.#sql.unread.get(after, beforeMs) as RawColumn | undefined
    return row === undefined ? null : columnFrom(row)
  }

  /** Notes that all of the column was read. */
  setRead(id: number, nowMs: number): void {
    this.#toWrite()
    this.#sql.setRead.run(nowMs, id)
  }

  /** When the finished column that waits for longest was last read, or finished; null when there is none. */
  oldestReadMs(): number | null {
    return (this.#sql.oldestRead.get() as number | null | undefined) ?? null
  }
}
