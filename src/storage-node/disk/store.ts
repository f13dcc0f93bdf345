import { concat } from '../../bytes.ts'
import type { XcareError } from '../../errors.ts'
import {
  COMMIT_BYTES_MAX,
  COMMIT_RECORDS_MAX,
  DISK_RETRY_MS,
  PUT_ABANDONED_FULL_MS,
  PUT_ABANDONED_MS,
  PUT_AHEAD_BYTES,
} from '../../limits.ts'
import type { Clock } from '../../ports.ts'
import type { MessageOf } from '../../wire/fragment-protocol.ts'
import { type Audience, admitPut, checkPutSignature } from '../admit.ts'
import { emptyBitmap, setBit } from './bitmap.ts'
import { type FragmentIndex, isIndexDamage } from './catalog/fragment-index.ts'
import type { ColumnName, ColumnRow } from './catalog/rows.ts'
import {
  ColumnReader,
  type DamagedFragment,
  newReading,
  type Reading,
  verifyStepOf,
} from './column-reader.ts'
import { type CommitResult, Committer } from './commit.ts'
import type { OpenColumn } from './puts/open-column.ts'
import { costOfColumn, OpenPuts } from './puts/open-puts.ts'
import { manifestCost, reserveBytes } from './puts/space.ts'
import { type IndexPlace, type Recovery, recover } from './recover.ts'
import type { StoreHealth, StoreStatus } from './store-status.ts'
import { Compactor } from './upkeep/compact.ts'
import {
  dropHeld,
  type HeldColumn,
  type HeldCursor,
  type HeldWish,
  heldColumns,
} from './upkeep/held-columns.ts'
import { Scrubber } from './upkeep/scrub.ts'
import { Batch } from './volume/batch.ts'
import type { VolumeFolder } from './volume/files.ts'
import { volumeName, wholeBlocks } from './volume/record.ts'
import { Volumes } from './volume/volumes.ts'
import { type CommitOp, writtenBytes } from './written.ts'

/** What a store is made of. */
export interface StoreOptions {
  folder: VolumeFolder
  index: IndexPlace
  /** 16 bytes; the same in every volume and in the index. */
  storeId: Uint8Array
  /** Disk the store may use, index and reserve included. */
  quotaBytes: number
  audience: Audience
  clock: Pick<Clock, 'nowMs'>
  /** Default VOLUME_BYTES. */
  volumeBytes?: number
}

/** Columns one step drops, at most. */
const EXPIRE_COLUMNS_MAX = 256
/** Fragments whose rows one step drops, about: other calls wait meanwhile. */
const EXPIRE_FRAGMENTS_MAX = 8192
/** Part of the quota promised to all puts ahead of their bytes; below the second part left, time is short. */
const PROMISED_PART = 1 / 16
const PRESSED_PART = 1 / 8

/** What a put starts from. */
export interface PutStart {
  /** Names the put in later calls. */
  handle: number
  /** Of each column, one after the other. */
  bitmaps: Uint8Array
  objectKnown: boolean
}

/**
 * The fragment store of one node: append-only volumes and an index, used by one thread. Whatever was acknowledged
 * survives a crash; whatever is read has the hash it was put under. Spec: docs/spec/volume.md.
 */
export class VolumeStore {
  readonly #options: StoreOptions
  readonly #volumes: Volumes
  readonly #batch: Batch
  readonly #puts = new OpenPuts()
  readonly #damaged: DamagedFragment[] = []
  readonly #reading: Reading
  readonly #scrubber = new Scrubber()
  #index: FragmentIndex
  #committer: Committer
  #compactor: Compactor
  #recovery: Recovery
  #nextHandle = -1
  #faults = 0
  #fullUntilMs = 0

  /** Opens a store; brings it in order after a crash. @throws XcareError INTEGRITY when a volume belongs to another store. */
  constructor(options: StoreOptions) {
    this.#options = options
    this.#volumes = new Volumes(options.folder, options.storeId, options.volumeBytes)
    this.#batch = new Batch(options.storeId)
    this.#reading = newReading(options.storeId)
    const { index, sequence, recovery } = recover(this.#volumes, options.index, options.storeId, this.#now())
    this.#index = index
    this.#recovery = recovery
    this.#committer = this.#newCommitter(sequence)
    this.#compactor = this.#newCompactor()
  }

  /** What the last opening found. */
  get recovery(): Recovery {
    return this.#recovery
  }

  /** Index of the store, for tests of crashes. */
  get index(): FragmentIndex {
    return this.#index
  }

  /**
   * Begins or resumes the put of columns of one object.
   * @param handle names the put in later calls: a positive number of the caller's, or one of the store's. @throws XcareError as admitPut.
   */
  openPut(order: MessageOf<'OPEN_PUT'>, handle: number = this.#nextHandle--): PutStart {
    checkPutSignature(order, this.#options.audience)
    return this.#guarded(() => {
      const columns = order.columns.map(
        (column) => this.#puts.known({ ...order, column }) ?? this.#loadColumn(order, column),
      )
      this.#admit(order, columns)
      this.#puts.begin(handle, columns, this.#now())
      return { handle, ...this.have(handle) }
    })
  }

  /** @returns what is here of the columns being put: their bitmaps, one after the other. */
  have(handle: number): { bitmaps: Uint8Array; objectKnown: boolean } {
    const columns = this.#puts.columnsOf(handle)
    const { objectId, version } = columns[0]!
    return {
      bitmaps: concat(...columns.map(({ bitmap }) => bitmap)),
      objectKnown: this.#index.manifest(objectId, version) !== null,
    }
  }

  /** Ends a put, finished or not. What is durable of it stays for an hour. */
  closePut(handle: number): void {
    for (const { id, isComplete, isGone } of this.#puts.end(handle))
      if (id !== null && !isComplete && !isGone) this.#index.touchColumn(id, this.#now())
  }

  /** Makes fragments, finished columns and deletions durable, all in one sync. @returns a result or an error for each. */
  commit(ops: readonly CommitOp[]): (CommitResult | XcareError)[] {
    this.#puts.arrived(ops, this.#now())
    return this.#guarded(() => this.#committer.commit(ops.map((op) => this.#puts.settled(op))))
  }

  /** @returns how many of the first of `ops` make one commit; at least one, when there is any. */
  together(ops: readonly CommitOp[]): number {
    let bytes = 0
    for (const [count, op] of ops.entries()) {
      bytes += writtenBytes(op, this.#puts.settled(op).columns)
      if (count === COMMIT_RECORDS_MAX || (count > 0 && bytes > COMMIT_BYTES_MAX)) return count
    }
    return ops.length
  }

  /** Whether `settle` is due soon. */
  get isLate(): boolean {
    return this.#index.isLate
  }

  /** Brings the file of the index up to date. Nothing acknowledged depends on it: it shortens the next recovery. */
  settle(): void {
    this.#guarded(() => {
      try {
        this.#index.settle()
      } catch (error) {
        if (isIndexDamage(error)) throw error
        // A full or failing disk: the next commit meets it and tells.
      }
    })
  }

  /** Everything that is read. */
  get reader(): ColumnReader {
    return new ColumnReader(this.#index, this.#volumes, this.#reading, (fragment) =>
      this.#noteDamage(fragment),
    )
  }

  /** Runs `read` and repairs the index when it turns out damaged. */
  read<T>(read: (reader: ColumnReader) => T): T {
    return this.#guarded(() => read(this.reader))
  }

  /** Takes the shared memory of a fragment run back. */
  giveBack(bytes: Uint8Array): void {
    this.#reading.memory.giveBack(bytes)
  }

  /** @returns fragments found damaged since the last call; each is reported once. */
  takeDamaged(): DamagedFragment[] {
    return this.#damaged.splice(0)
  }

  /** Objects completed since `sinceMs` with their column. */
  recent(sinceMs: number, limit: number): ReturnType<FragmentIndex['recent']> {
    return this.#guarded(() => this.#index.recent(sinceMs, limit))
  }

  /**
   * Reads fragments of the columns being put, of stripes `from` to `to` (exclusive), from the disk itself;
   * what is not as it was put is missing from then on.
   * @returns bytes read, and where to go on: null when that was all.
   */
  verify(handle: number, column: number, from: number, to: number): { bytes: number; next: number } {
    return this.#guarded(() => {
      const columns = this.#puts.columnsOf(handle)
      const { id } = columns[column]!
      const row = id === null ? null : this.#index.upkeep.byId(id)
      if (row === null) return { bytes: 0, next: to }
      const next = Math.min(to, from + verifyStepOf(row))
      return { bytes: this.reader.verify(row, from, next), next }
    })
  }

  /** Reads a little of what has not been read for longest. @returns bytes read; 0 when nothing is due. */
  scrub(): number {
    return this.#guarded(() => this.#scrubber.step(this.#index, this.reader, this.#now()))
  }

  /**
   * @returns finished columns behind `after`, of at most `objects` objects, and whether that was the end.
   * Those never proven to be anchored only once that took too long.
   */
  held(
    kind: HeldWish['kind'],
    after: HeldCursor,
    limit: number,
    objects: number,
  ): { columns: HeldColumn[]; isEnd: boolean } {
    const wish = kind === 'proven' ? { kind } : { kind, beforeMs: this.#now() - this.patienceMs() }
    return this.#guarded(() =>
      heldColumns(this.#index, (name) => this.reader.manifestOf(name), wish, after, { limit, objects }),
    )
  }

  /** Keeps finished columns that a header shows to be anchored, drops others. @returns columns dropped. */
  judge(anchored: readonly ColumnName[], gone: readonly ColumnName[]): number {
    return this.#guarded(() => {
      const rowsOf = (names: readonly ColumnName[]) =>
        names.flatMap((name) => this.#index.column(name, name.ownerKey) ?? [])
      const dropped = rowsOf(gone).filter(({ isComplete }) => isComplete)
      this.#committer.change(() => {
        for (const { id } of rowsOf(anchored)) this.#index.upkeep.setProven(id)
        for (const row of dropped) dropHeld(this.#index, row)
      })
      this.#puts.dropped(new Set(dropped.map(({ id }) => id)))
      this.#freeVolumes()
      return dropped.length
    })
  }

  /** Forgets unfinished puts, frees empty volumes. @returns columns forgotten; call until it is none. */
  expire(): number {
    return this.#guarded(() => {
      const open = new Set(Array.from(this.#puts.all(), ({ id }) => id))
      const nowMs = this.#now()
      const found = this.#index.abandoned(nowMs - this.patienceMs(), EXPIRE_COLUMNS_MAX)
      const rows: ColumnRow[] = []
      let fragments = 0
      for (const row of found) {
        // It is under way: whoever comes behind it must not wait for it.
        if (open.has(row.id)) this.#index.touchColumn(row.id, nowMs)
        else if (fragments < EXPIRE_FRAGMENTS_MAX) {
          rows.push(row)
          fragments += row.stripes
        }
      }
      this.#committer.change(() => {
        for (const { id } of rows) this.#index.dropColumn(id)
      })
      this.#freeVolumes()
      return rows.length
    })
  }

  /** How long what is not finished, or not anchored, is kept: less when the quota is nearly used up. */
  patienceMs(): number {
    const isPressed = this.#limitBytes() - this.#usedBytes() < this.#limitBytes() * PRESSED_PART
    return isPressed ? PUT_ABANDONED_FULL_MS : PUT_ABANDONED_MS
  }

  /** Makes room from volumes that hold little; call again while it says that there is more. */
  compact(): boolean {
    return this.#guarded(() => {
      // This is what the reserve is for.
      const room = this.#options.quotaBytes - this.#usedBytes()
      const hasMore =
        this.#readOnly() === null && this.#compactor.step(Math.min(room, this.#options.folder.freeBytes()))
      if (!hasMore) this.#freeVolumes()
      return hasMore
    })
  }

  /** @returns the counters. */
  status(): StoreStatus {
    let fragments = 0
    let liveBytes = 0
    let damaged = 0
    for (const use of this.#index.volumes.values()) {
      fragments += use.fragments
      liveBytes += use.live
      damaged += use.bad
    }
    return {
      fragments,
      liveBytes,
      damaged,
      usedBytes: this.#usedBytes(),
      quotaBytes: this.#options.quotaBytes,
      readOnly: this.#readOnly() !== null,
    }
  }

  /** @returns the counters, and what takes longer to find out. */
  health(): StoreHealth {
    return this.#guarded(() => {
      const { upkeep, volumes } = this.#index
      const there = new Set(this.#options.folder.list())
      const lostVolumes = [...volumes.keys()].filter((number) => !there.has(volumeName(number))).length
      const unanchored = upkeep.unprovenCount()
      return { ...this.status(), unreadSinceMs: upkeep.oldestReadMs(), unanchored, lostVolumes }
    })
  }

  /** Closes files and index. */
  close(): void {
    this.settle()
    this.#index.close()
    this.#volumes.close()
    this.#batch.release()
  }

  #now(): number {
    return this.#options.clock.nowMs()
  }

  #loadColumn(order: MessageOf<'OPEN_PUT'>, column: number): OpenColumn {
    const { objectId, ownerKey, version, k, n, shardBytes, stripes } = order
    const row = this.#index.column({ objectId, version, column }, ownerKey)
    const layout = row ?? { k, n, shardBytes, stripes }
    const bitmap = emptyBitmap(layout.stripes)
    let held = 0
    for (const { stripe, place } of row ? this.#index.places(row.id, 0, row.stripes) : []) {
      if (place.isBad) continue
      setBit(bitmap, stripe)
      held++
    }
    const state = {
      id: row?.id ?? null,
      isNew: row === null,
      isComplete: row?.isComplete ?? false,
      isGone: false,
      bitmap,
      held,
      holders: 0,
    }
    const name = { objectId, ownerKey, version, column }
    return {
      ...name,
      k: layout.k,
      n: layout.n,
      shardBytes: layout.shardBytes,
      stripes: layout.stripes,
      ...state,
    }
  }

  #admit(order: MessageOf<'OPEN_PUT'>, columns: OpenColumn[]): void {
    const fresh = columns.filter(({ holders }) => holders === 0)
    const cost = fresh.reduce((sum, column) => sum + costOfColumn(column), manifestCost(order.n))
    const others = new Set<number>()
    for (const row of this.#index.columnsOf(order.objectId))
      if (row.version === order.version) others.add(row.column)
    for (const position of this.#puts.positionsOf(order.objectId, order.version)) others.add(position)
    for (const column of order.columns) others.delete(column)
    admitPut(order, {
      readOnly: this.#readOnly(cost),
      openPuts: this.#puts.size,
      knownOwner: this.#index.manifest(order.objectId, null)?.ownerKey ?? null,
      deletedVersion: this.#index.tombstone(order.objectId, order.ownerKey),
      isComplete: columns.every(({ isComplete }) => isComplete),
      begunAs: columns.filter(({ id }) => id !== null),
      otherColumns: others.size,
      cost,
      aheadBytes: Math.min(cost, PUT_AHEAD_BYTES),
      quotaBytes: this.#freeQuota(),
      roomBytes: this.#roomBytes(),
    })
  }

  /**
   * Bytes of the quota that are left for another put. A put under way is promised a little ahead of what it
   * has brought, as long as it goes on bringing; all of them together a small part, so that orders alone keep
   * nobody out.
   */
  #roomBytes(): number {
    const promised = this.#puts.promisedBytes(this.#now())
    return this.#freeQuota() - Math.min(promised, this.#limitBytes() * PROMISED_PART)
  }

  #freeQuota(): number {
    return this.#limitBytes() - this.#usedBytes()
  }

  #limitBytes(): number {
    const { quotaBytes } = this.#options
    return quotaBytes - reserveBytes(quotaBytes)
  }

  #usedBytes(): number {
    let used = this.#index.bytes
    for (const { size } of this.#index.volumes.values()) used += wholeBlocks(size)
    return used
  }

  /** Why nothing can be written now, or null. Ends by itself when space returns. */
  #readOnly(cost = 0): string | null {
    if (this.#faults > 1) return 'the disk of this node failed twice: it only reads until it is restarted'
    if (this.#now() < this.#fullUntilMs) return 'the disk of this node is full'
    const floor = reserveBytes(this.#options.quotaBytes) + cost
    return this.#options.folder.freeBytes() < floor ? 'the disk of this node is full' : null
  }

  #newCommitter(sequence: number): Committer {
    return new Committer({
      index: this.#index,
      volumes: this.#volumes,
      batch: this.#batch,
      sequence,
      network: this.#options.audience.network,
      nowMs: () => this.#now(),
      roomBytes: () => this.#freeQuota(),
      openColumns: () => this.#puts.all(),
      onFault: (fault) => {
        if (fault === 'full') this.#fullUntilMs = this.#now() + DISK_RETRY_MS
        else this.#faults++
      },
    })
  }

  #newCompactor(): Compactor {
    const { storeId } = this.#options
    return new Compactor({ index: this.#index, volumes: this.#volumes, committer: this.#committer, storeId })
  }

  #freeVolumes(): void {
    const empty = [...this.#index.volumes].filter(
      ([number, use]) => use.live === 0 && number !== this.#volumes.active,
    )
    if (empty.length === 0) return
    this.#committer.change(() => {
      for (const [number] of empty) this.#index.dropVolume(number)
    })
    // The index must not come back older than the files it names.
    this.#index.flush()
    for (const [number] of empty) this.#volumes.remove(number)
  }

  #noteDamage(fragment: DamagedFragment): void {
    this.#damaged.push(fragment)
    this.#puts.lost(fragment.id, fragment.stripe)
  }

  /** Runs `work`; a damaged index is made again from the volumes, once, and puts under way end. */
  #guarded<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      if (!isIndexDamage(error)) throw error
    }
    this.#rebuild()
    return work()
  }

  #rebuild(): void {
    this.#puts.clear()
    this.#index.close()
    this.#volumes.close()
    const place = { path: this.#options.index.path, bytes: new Uint8Array(0) }
    const { index, sequence, recovery } = recover(this.#volumes, place, this.#options.storeId, this.#now())
    this.#index = index
    this.#recovery = recovery
    this.#committer = this.#newCommitter(sequence)
    this.#compactor = this.#newCompactor()
  }
}
