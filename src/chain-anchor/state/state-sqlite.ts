import type { Database } from 'better-sqlite3'
import { sha256 } from '../../crypto/hash.ts'
import { XcareError } from '../../errors.ts'
import { STATE_VERSIONS_KEPT } from '../../limits.ts'
import { LISTED_PREFIXES, type StateChanges, type StateEntry, type StateStore } from '../app/state.ts'
import { SqliteRecords } from './records-sqlite.ts'
import { EMPTY_ROOT, StateTree, type TreeRoot } from './smt.ts'
import { openSqlite, plain } from './sqlite.ts'

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS versions (height INTEGER PRIMARY KEY, page INTEGER NOT NULL, hash BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS listed (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS public_bytes (hash BLOB PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID;
`

interface Stage {
  height: number
  changes: StateChanges
  tree: StateTree
}

/**
 * The application's state in one SQLite file. Height, app hash, tree and public bytes of a block become durable in one
 * transaction, synced to the disk. Old versions stay readable for STATE_VERSIONS_KEPT heights.
 */
export class SqliteState implements StateStore {
  readonly #database: Database
  readonly #records: SqliteRecords
  readonly #prepared: ReturnType<typeof prepare>
  #tree: StateTree
  #height: number
  #stage: Stage | null = null

  /** Opens or creates the file at `path`. @throws XcareError LOCKED when another process has it open. */
  constructor(path: string) {
    this.#database = openSqlite(path)
    this.#database.exec(SCHEMA)
    this.#records = new SqliteRecords(this.#database)
    this.#prepared = prepare(this.#database)
    const newest = this.#prepared.newest.get()
    this.#height = newest?.height ?? 0
    this.#tree = new StateTree(this.#records, newest ? rootOf(newest) : EMPTY_ROOT)
  }

  /** Newest durable version. */
  head(): { height: number; appHash: Uint8Array } {
    return { height: this.#height, appHash: this.#tree.root.hash }
  }

  /** Value of `key` in the newest durable version. */
  get(key: Uint8Array): Uint8Array | null {
    return this.#tree.get(key)
  }

  /** Entries below one of LISTED_PREFIXES, sorted by key. */
  list(prefix: string): StateEntry[] {
    return this.#prepared.list
      .all(Buffer.from(prefix), Buffer.from(`${prefix}\u{10ffff}`))
      .map(({ key, value }) => ({
        key: plain(key),
        value: plain(value),
      }))
  }

  /** Public bytes by their SHA-256. */
  blob(hash: Uint8Array): Uint8Array | null {
    const row = this.#prepared.content.get(hash)
    return row ? plain(row.content) : null
  }

  /** Computes the app hash after `changes`. */
  stage(height: number, changes: StateChanges): Uint8Array {
    this.#records.drop()
    const tree = this.#tree.update(changes.writes.map(({ key, value }) => [key, value] as const))
    this.#stage = { height, changes, tree }
    return tree.root.hash
  }

  /** Makes the stage durable. */
  commit(): void {
    const stage = this.#stage
    if (!stage) throw new XcareError('INTERNAL', 'there is no staged state to commit')
    this.#database.transaction(() => this.#write(stage))()
    this.#tree = stage.tree
    this.#height = stage.height
    this.#stage = null
  }

  /** Value and proof as of `height`, or null when that version is not kept. */
  prove(key: Uint8Array, height: number): { value: Uint8Array | null; proof: Uint8Array } | null {
    if (height === this.#height && height > 0) return this.#tree.prove(key)
    const version = this.#prepared.version.get(height)
    return version ? new StateTree(this.#records, rootOf(version)).prove(key) : null
  }

  /**
   * Runs `work` without syncing any commit of it: only for a file that takes its place once it is whole and
   * synced.
   */
  letUnsynced(work: () => void): void {
    this.#database.pragma('synchronous = OFF')
    work()
    this.#database.pragma('wal_checkpoint(TRUNCATE)')
  }

  /** Lets the file grow to `pages` database pages at most, so that it may not fill the whole disk. */
  limitPages(pages: number): void {
    this.#database.pragma(`max_page_count = ${pages}`)
  }

  /** Closes the file. */
  close(): void {
    this.#database.close()
  }

  #write({ height, changes, tree }: Stage): void {
    this.#records.flush(height)
    for (const { key, value } of changes.writes) {
      if (!isListed(key)) continue
      if (value === null) this.#prepared.unlist.run(key)
      else this.#prepared.putListed.run(key, value)
    }
    for (const content of changes.blobs) this.#prepared.putContent.run(sha256(content), content)
    this.#prepared.putVersion.run(height, tree.root.page, tree.root.hash)
    const oldest = height - STATE_VERSIONS_KEPT
    if (oldest <= 0) return
    this.#prepared.dropVersions.run(oldest)
    this.#records.prune(oldest)
  }
}

interface VersionRow {
  height: number
  page: number
  hash: Uint8Array
}

function prepare(database: Database) {
  return {
    newest: database.prepare<[], VersionRow>('SELECT * FROM versions ORDER BY height DESC LIMIT 1'),
    version: database.prepare<[number], VersionRow>('SELECT * FROM versions WHERE height = ?'),
    putVersion: database.prepare<[number, number, Uint8Array]>(
      'INSERT INTO versions (height, page, hash) VALUES (?, ?, ?)',
    ),
    dropVersions: database.prepare<[number]>('DELETE FROM versions WHERE height < ?'),
    list: database.prepare<[Uint8Array, Uint8Array], { key: Uint8Array; value: Uint8Array }>(
      'SELECT key, value FROM listed WHERE key >= ? AND key < ? ORDER BY key',
    ),
    putListed: database.prepare<[Uint8Array, Uint8Array]>(
      'INSERT OR REPLACE INTO listed (key, value) VALUES (?, ?)',
    ),
    unlist: database.prepare<[Uint8Array]>('DELETE FROM listed WHERE key = ?'),
    content: database.prepare<[Uint8Array], { content: Uint8Array }>(
      'SELECT content FROM public_bytes WHERE hash = ?',
    ),
    putContent: database.prepare<[Uint8Array, Uint8Array]>(
      'INSERT OR IGNORE INTO public_bytes (hash, content) VALUES (?, ?)',
    ),
  }
}

function rootOf({ page, hash }: VersionRow): TreeRoot {
  return { page, hash: plain(hash) }
}

function isListed(key: Uint8Array): boolean {
  return LISTED_PREFIXES.some((prefix) =>
    Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1').startsWith(prefix),
  )
}
