import Database from 'better-sqlite3'
import { equalBytes } from '../../../bytes.ts'
import { recordBytes } from '../volume/record.ts'
import { LateRows } from './late-rows.ts'
import { type Place, packPlace, unpackPlace } from './place.ts'
import {
  type ColumnLayout,
  type ColumnName,
  type ColumnRow,
  columnFrom,
  type ManifestRow,
  plain,
  type RawColumn,
  type RawManifest,
} from './rows.ts'
import {
  connect,
  INDEX_FORMAT,
  LOG_BYTES,
  MIGRATIONS,
  PAGE_BYTES,
  prepare,
  SCHEMA,
  type Statements,
} from './statements.ts'
import { UpkeepRows } from './upkeep-rows.ts'

/**
 * What one volume holds: bytes known to be good, bytes of records still needed, fragments still needed, and
 * how many of them are damaged.
 */
export interface VolumeUse {
  size: number
  live: number
  fragments: number
  bad: number
}

/** The index was found damaged; it is rebuilt from the volumes. Never leaves the store. */
class IndexDamaged extends Error {}

/** Rows kept back from the file, at most. */
const LATE_ROWS_MAX = 4096
/** Bytes a row kept back will take in the file, at most. */
const LATE_ROW_BYTES = 160

/** What a step has changed, so that it can be taken back. */
interface Step {
  /** Whether it writes to the file. A step that only places fragments does not. */
  isWriting: boolean
  undo: (() => void)[]
}

/**
 * SQLite index over the volumes: a cache that can be lost and is then made again. Nothing in it is believed without a
 * check against the volume: a row has a checksum, a fragment its hash. Places of new fragments reach the file a little later, many
 * at a time, together with the sizes of the volumes up to them: what a crash takes of them is read from the volumes again.
 */
export class FragmentIndex {
  readonly #db: Database.Database
  readonly #volumes = new Map<number, VolumeUse>()
  readonly #dirty = new Set<number>()
  readonly #sql: Statements
  /** What upkeep knows of finished columns. */
  readonly upkeep: UpkeepRows
  readonly #late = new LateRows()
  #step: Step | null = null
  #sequence: number | null = null
  #pages: number | null = null

  private constructor(db: Database.Database) {
    this.#db = db
    this.#sql = prepare(db)
    this.upkeep = new UpkeepRows(this.#sql, () => this.#toWrite())
    this.#loadVolumes()
  }

  /**
   * Opens the index at `path` (a file, or serialized bytes in tests).
   * @returns it, or null when it is absent, unfinished, damaged or of another store.
   */
  static open(path: string | Uint8Array, storeId: Uint8Array): FragmentIndex | null {
    let db: Database.Database | null = null
    try {
      db = connect(typeof path === 'string' ? path : Buffer.from(path))
      const meta = (name: string) => db?.prepare('SELECT value FROM meta WHERE name = ?').pluck().get(name)
      const known = meta('store')
      const isOurs = known instanceof Uint8Array && equalBytes(known, storeId) && meta('ready') === 1
      const isWell = isOurs && db.pragma('quick_check(1)', { simple: true }) === 'ok'
      if (isWell && isMigrated(db, meta('format'))) return new FragmentIndex(db)
    } catch (error) {
      if (!isDatabaseError(error)) throw error
    }
    db?.close()
    return null
  }

  /** Makes an empty index at `path`, where none may be; not ready before `ready` is called. */
  static create(path: string, storeId: Uint8Array): FragmentIndex {
    const db = connect(path)
    db.exec(SCHEMA)
    const set = db.prepare('INSERT INTO meta VALUES (?, ?)')
    set.run('format', INDEX_FORMAT)
    set.run('store', Buffer.from(storeId))
    return new FragmentIndex(db)
  }

  /** Marks a fresh index as complete. */
  ready(): void {
    this.#db.prepare("INSERT OR REPLACE INTO meta VALUES ('ready', 1)").run()
  }

  /** Starts a step; everything until `commit` or `rollback` belongs to it. */
  begin(): void {
    this.#step = { isWriting: false, undo: [] }
  }

  /** Ends the step for good. @param sequence next unused record sequence. */
  commit(sequence: number): void {
    this.#sequence = sequence
    if (this.#step?.isWriting) this.#write()
    this.#step = null
  }

  /** Forgets everything since `begin`. */
  rollback(): void {
    const step = this.#step
    this.#step = null
    if (this.#db.inTransaction) this.#sql.rollback.run()
    for (const undo of step?.undo.reverse() ?? []) undo()
  }

  /** Whether the file lacks what the index knows. */
  get isLate(): boolean {
    return this.#sequence !== null
  }

  /** Brings the file up to date. */
  settle(): void {
    if (!this.isLate) return
    try {
      this.#write()
    } catch (error) {
      if (this.#db.inTransaction) this.#sql.rollback.run()
      throw error
    }
  }

  /** Ends the transaction of the file, or makes one, with everything the file lacks. */
  #write(): void {
    this.#beginWrite()
    for (const number of this.#dirty) {
      const use = this.#volumes.get(number)
      if (use) this.#sql.setVolume.run(number, use.size, use.live, use.fragments, use.bad)
      else this.#sql.dropVolume.run(number)
    }
    if (this.#sequence !== null) this.#sql.setSequence.run(this.#sequence)
    this.#sql.commit.run()
    this.#dirty.clear()
    this.#late.clear()
    this.#sequence = null
    this.#pages = null
  }

  /** Whatever else is written to the file must find there what came before. */
  #beginWrite(): void {
    if (this.#db.inTransaction) return
    this.#sql.begin.run()
    for (const [column, stripe, place] of this.#late.sorted())
      this.#sql.setPlace.run(column, stripe, packPlace(place))
  }

  /** Makes the step one that writes to the file. Outside of steps the file is brought up to date first. */
  #toWrite(): void {
    if (this.#step === null) {
      this.settle()
      return
    }
    this.#beginWrite()
    this.#step.isWriting = true
  }

  /** Next unused record sequence, as of the last commit. */
  get sequence(): number {
    return this.#sequence ?? (this.#sql.getSequence.get() as number | undefined) ?? 1
  }

  /** What each volume holds, by number. */
  get volumes(): ReadonlyMap<number, VolumeUse> {
    return this.#volumes
  }

  /** Notes the good size of a volume. */
  setVolumeSize(number: number, size: number): void {
    this.#use(number).size = size
  }

  /** Forgets a volume. */
  dropVolume(number: number): void {
    this.#toWrite()
    this.#use(number)
    this.#volumes.delete(number)
  }

  /** @returns the column, or null. Without an owner: the complete one, of which there is at most one. */
  column(
    { objectId, version, column }: Omit<ColumnName, 'ownerKey'>,
    ownerKey: Uint8Array | null,
  ): ColumnRow | null {
    const row = ownerKey
      ? this.#sql.column.get(Buffer.from(objectId), version, column, Buffer.from(ownerKey))
      : this.#sql.completeColumn.get(Buffer.from(objectId), version, column)
    return row === undefined ? null : columnFrom(row as RawColumn)
  }

  /** Columns of an object, of all versions and owners. */
  columnsOf(objectId: Uint8Array): ColumnRow[] {
    return (this.#sql.columnsOf.all(Buffer.from(objectId)) as RawColumn[]).map(columnFrom)
  }

  /** Adds an empty column. @returns its id. */
  addColumn(
    { objectId, ownerKey, version, column }: ColumnName,
    layout: ColumnLayout,
    nowMs: number,
  ): number {
    this.#toWrite()
    const { k, n, shardBytes, stripes } = layout
    const name = [Buffer.from(objectId), Buffer.from(ownerKey), version, column]
    return Number(this.#sql.addColumn.run(...name, k, n, shardBytes, stripes, nowMs).lastInsertRowid)
  }

  /** Notes that a put of this column is under way. */
  touchColumn(id: number, nowMs: number): void {
    this.#sql.touchColumn.run(nowMs, id)
  }

  /** Marks a column as complete. @param volume where its column record lies. */
  completeColumn(id: number, volume: number, nowMs: number): void {
    this.#toWrite()
    this.#sql.complete.run(volume, nowMs, nowMs, id)
    this.#use(volume).live += recordBytes(0)
  }

  /** Volume of a column's record; null when the column is not complete. */
  anchorOf(id: number): number | null {
    return (this.#sql.anchorOf.get(id) as number | null | undefined) ?? null
  }

  /** Notes that the column record of `id` lies in another volume now. */
  moveAnchor(id: number, volume: number): void {
    this.#toWrite()
    this.#dropAnchor(id)
    this.#sql.moveAnchor.run(volume, id)
    this.#use(volume).live += recordBytes(0)
  }

  #dropAnchor(id: number): void {
    const volume = this.anchorOf(id)
    if (volume !== null) this.#use(volume).live -= recordBytes(0)
  }

  /** Removes a column and its fragments. */
  dropColumn(id: number): void {
    this.#toWrite()
    for (const { place } of this.places(id, 0, Number.MAX_SAFE_INTEGER)) if (place) this.#release(place)
    this.#dropAnchor(id)
    this.#sql.dropFragments.run(id)
    this.#sql.dropColumn.run(id)
  }

  /** Unfinished columns that nobody touched since `beforeMs`, at most `limit`. */
  abandoned(beforeMs: number, limit: number): ColumnRow[] {
    return (this.#sql.abandoned.all(beforeMs, limit) as RawColumn[]).map(columnFrom)
  }

  /** Objects of which the lowest positions were completed since `sinceMs`: candidates to announce. */
  recent(sinceMs: number, limit: number): { objectId: Uint8Array; column: number; k: number; n: number }[] {
    const rows = this.#sql.recent.all(sinceMs, limit) as RawColumn[]
    return rows.map(({ object, position, k, n }) => ({ objectId: plain(object), column: position, k, n }))
  }

  /** @returns where a fragment lies, or null when there is none. @throws IndexDamaged */
  place(column: number, stripe: number): Place | null {
    const late = this.#late.get(column, stripe)
    if (late) return late
    const row = this.#sql.place.get(column, stripe) as Uint8Array | undefined
    return row === undefined ? null : checkedPlace(row)
  }

  /** Places of the fragments of stripes `from` to `to` (exclusive) that are here, in order. @throws IndexDamaged */
  *places(column: number, from: number, to: number): Generator<{ stripe: number; place: Place }> {
    const late = this.#late.of(column)
    if (late === undefined) yield* this.#placesOnFile(column, from, to)
    else {
      const known = new Map<number, Place>()
      for (const { stripe, place } of this.#placesOnFile(column, from, to)) known.set(stripe, place)
      for (const [stripe, place] of late) if (stripe >= from && stripe < to) known.set(stripe, place)
      for (const stripe of [...known.keys()].sort((a, b) => a - b))
        yield { stripe, place: known.get(stripe)! }
    }
  }

  *#placesOnFile(column: number, from: number, to: number): Generator<{ stripe: number; place: Place }> {
    for (const row of this.#sql.places.iterate(column, from, to)) {
      const [stripe, place] = row as unknown as [number, Uint8Array]
      yield { stripe, place: checkedPlace(place) }
    }
  }

  /** Sets the place of a fragment; what was there before is not needed any more. */
  setPlace(column: number, stripe: number, place: Place, before: Place | null): void {
    if (before) this.#release(before)
    const use = this.#use(place.volume)
    use.live += recordBytes(place.length)
    use.fragments++
    if (place.isBad) use.bad++
    if (this.#late.size >= LATE_ROWS_MAX) this.#toWrite()
    const isOnFile = this.#db.inTransaction
    if (isOnFile) this.#sql.setPlace.run(column, stripe, packPlace(place))
    if (!isOnFile || this.#late.get(column, stripe)) {
      const undo = this.#late.set(column, stripe, place)
      this.#step?.undo.push(undo)
    }
    if (this.#step === null) this.#sequence ??= this.sequence
  }

  /** @returns the newest manifest of an object, or that of `version`; null when there is none. */
  manifest(objectId: Uint8Array, version: number | null): ManifestRow | null {
    const object = Buffer.from(objectId)
    const row =
      version === null ? this.#sql.newestManifest.get(object) : this.#sql.manifest.get(object, version)
    if (row === undefined) return null
    const { object: id, owner, hash, ...rest } = row as RawManifest
    return { objectId: plain(id), ownerKey: plain(owner), hash: plain(hash), ...rest }
  }

  /** Notes where a manifest lies. */
  setManifest({ objectId, ownerKey, version, volume, at, length, hash }: ManifestRow): void {
    this.#toWrite()
    this.dropManifest(objectId, version)
    const names = [Buffer.from(objectId), version, Buffer.from(ownerKey)]
    this.#sql.setManifest.run(...names, volume, at, length, Buffer.from(hash))
    this.#use(volume).live += recordBytes(length)
  }

  /** Forgets a manifest. */
  dropManifest(objectId: Uint8Array, version: number): void {
    const known = this.manifest(objectId, version)
    if (!known) return
    this.#toWrite()
    this.#use(known.volume).live -= recordBytes(known.length)
    this.#sql.dropManifest.run(Buffer.from(objectId), version)
  }

  /** Versions of an object whose manifests are here. */
  manifestVersions(objectId: Uint8Array): number[] {
    return this.#sql.manifestVersions.all(Buffer.from(objectId)) as number[]
  }

  /** @returns the newest version that its owner deleted; 0 for none. */
  tombstone(objectId: Uint8Array, ownerKey: Uint8Array): number {
    return (this.#sql.tombstone.get(Buffer.from(objectId), Buffer.from(ownerKey)) as number | undefined) ?? 0
  }

  /** @returns whether the record of a deletion that counts lies there. */
  isTombstoneAt(objectId: Uint8Array, ownerKey: Uint8Array, volume: number, at: number): boolean {
    const found = this.#sql.tombstoneAt.get(Buffer.from(objectId), Buffer.from(ownerKey), volume, at)
    return found !== undefined
  }

  /** Notes a deletion. Its record is needed for ever: without it, older records would come back. */
  setTombstone(
    objectId: Uint8Array,
    ownerKey: Uint8Array,
    version: number,
    volume: number,
    at: number,
  ): void {
    this.#toWrite()
    const names = [Buffer.from(objectId), Buffer.from(ownerKey)]
    const before = this.#sql.tombstoneVolume.get(...names) as number | undefined
    if (before !== undefined) this.#use(before).live -= recordBytes(0)
    this.#sql.setTombstone.run(...names, version, volume, at)
    this.#use(volume).live += recordBytes(0)
  }

  /** Bytes the index takes on disk, its log included. */
  get bytes(): number {
    this.#pages ??= this.#sql.pageCount.get() as number
    return this.#pages * PAGE_BYTES + this.#late.size * LATE_ROW_BYTES + LOG_BYTES
  }

  /** Makes everything committed so far durable. */
  flush(): void {
    this.settle()
    this.#db.pragma('wal_checkpoint(TRUNCATE)')
  }

  /** @returns the whole index as bytes, for tests of crashes. */
  serialize(): Uint8Array {
    this.settle()
    return this.#db.serialize()
  }

  /** Closes the file as it is. */
  close(): void {
    this.#db.close()
  }

  #release(place: Place): void {
    const use = this.#use(place.volume)
    use.live -= recordBytes(place.length)
    use.fragments--
    if (place.isBad) use.bad--
  }

  #use(number: number): VolumeUse {
    this.#dirty.add(number)
    const known = this.#volumes.get(number)
    this.#step?.undo.push(undoUse(this.#volumes, number))
    if (known) return known
    const fresh = { size: 0, live: 0, fragments: 0, bad: 0 }
    this.#volumes.set(number, fresh)
    return fresh
  }

  #loadVolumes(): void {
    this.#volumes.clear()
    for (const { number, ...use } of this.#sql.volumes.all() as ({ number: number } & VolumeUse)[])
      this.#volumes.set(number, use)
  }
}

/** @returns whether `error` says that the database file itself is damaged. */
export function isIndexDamage(error: unknown): boolean {
  if (error instanceof IndexDamaged) return true
  return isDatabaseError(error) && /^SQLITE_(CORRUPT|NOTADB)/.test(error.code)
}

/** Brings an index of an older format up to date. @returns whether it has the format of today then. */
function isMigrated(db: Database.Database, format: unknown): boolean {
  const next = typeof format === 'number' ? MIGRATIONS[format] : undefined
  if (next === undefined) return format === INDEX_FORMAT
  db.transaction(() => {
    db.exec(next)
    db.prepare("UPDATE meta SET value = ? WHERE name = 'format'").run(Number(format) + 1)
  })()
  return isMigrated(db, Number(format) + 1)
}

function undoUse(volumes: Map<number, VolumeUse>, number: number): () => void {
  const known = volumes.get(number)
  const before = known && { ...known }
  return () => {
    if (before) volumes.set(number, before)
    else volumes.delete(number)
  }
}

function isDatabaseError(error: unknown): error is Error & { code: string } {
  return error instanceof Database.SqliteError
}

function checkedPlace(row: Uint8Array): Place {
  const place = unpackPlace(row)
  if (place === null) throw new IndexDamaged('a row of the index is damaged')
  return place
}
