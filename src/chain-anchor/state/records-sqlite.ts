import type { Database, Statement } from 'better-sqlite3'
import { XcareError } from '../../errors.ts'
import type { PageStore } from './smt.ts'
import { plain } from './sqlite.ts'

/**
 * The tree's records in one SQLite table with ids in order of writing, so that appends touch few pages of the database.
 * What is appended and retired stays in memory until `flush`, which is part of the caller's transaction.
 */
export class SqliteRecords implements PageStore {
  readonly #select: Statement<[number], { bytes: Uint8Array }>
  readonly #insert: Statement<[number, Uint8Array]>
  readonly #retire: Statement<[number, number]>
  readonly #deleteStale: Statement<[number]>
  readonly #forgetStale: Statement<[number]>
  readonly #pending = new Map<number, Uint8Array>()
  #retired: number[] = []
  #nextId: number

  constructor(database: Database) {
    database.exec(`
      CREATE TABLE IF NOT EXISTS records (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
      CREATE TABLE IF NOT EXISTS stale (version INTEGER NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (version, id)) WITHOUT ROWID;
    `)
    this.#select = database.prepare('SELECT bytes FROM records WHERE id = ?')
    this.#insert = database.prepare('INSERT INTO records (id, bytes) VALUES (?, ?)')
    this.#retire = database.prepare('INSERT OR IGNORE INTO stale (version, id) VALUES (?, ?)')
    this.#deleteStale = database.prepare(
      'DELETE FROM records WHERE id IN (SELECT id FROM stale WHERE version <= ?)',
    )
    this.#forgetStale = database.prepare('DELETE FROM stale WHERE version <= ?')
    const last = database.prepare<[], { id: number | null }>('SELECT max(id) AS id FROM records').get()
    this.#nextId = (last?.id ?? 0) + 1
  }

  /** Bytes of record `id`, waiting or durable. @throws XcareError INTEGRITY when there is none. */
  read(id: number): Uint8Array {
    const waiting = this.#pending.get(id)
    if (waiting) return waiting
    const row = this.#select.get(id)
    if (!row) throw new XcareError('INTEGRITY', 'a record of the chain state is missing')
    return plain(row.bytes)
  }

  /** Keeps `record` until flush or drop. */
  append(record: Uint8Array): number {
    const id = this.#nextId++
    this.#pending.set(id, record)
    return id
  }

  /** Record `id` is not part of the version that comes with the next flush. */
  retire(id: number): void {
    if (!this.#pending.delete(id)) this.#retired.push(id)
  }

  /** Forgets what waits; its ids are not given again. */
  drop(): void {
    this.#pending.clear()
    this.#retired = []
  }

  /** Writes what waits as part of `version`. Inside the caller's transaction. */
  flush(version: number): void {
    for (const [id, bytes] of this.#pending) this.#insert.run(id, bytes)
    for (const id of this.#retired) this.#retire.run(version, id)
    this.drop()
  }

  /** Deletes the records that no version from `oldest` on uses. Inside the caller's transaction. */
  prune(oldest: number): void {
    this.#deleteStale.run(oldest)
    this.#forgetStale.run(oldest)
  }
}
