import { concat, equalBytes, toHex } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import { COMMIT_BYTES_MAX, COMMIT_RECORDS_MAX, DISK_RETRY_MS, PUT_ABANDONED_MS } from '../../limits.ts'
import type { Clock } from '../../ports.ts'
import type { MessageOf } from '../../wire/fragment-protocol.ts'
import { type Audience, admitPut, checkPutSignature } from '../admit.ts'
import { emptyBitmap, setBit } from './bitmap.ts'
import { type FragmentIndex, isIndexDamage } from './catalog/fragment-index.ts'
import { ColumnReader, type DamagedFragment, newReading } from './column-reader.ts'
import { type CommitResult, Committer, type Settled } from './commit.ts'
import { fragmentBytes, missingOf, type OpenColumn } from './open-column.ts'
import { type IndexPlace, type Recovery, recover } from './recover.ts'
import { columnCost, manifestCost, reserveBytes } from './space.ts'
import { Compactor } from './upkeep/compact.ts'
import { Batch } from './volume/batch.ts'
import type { VolumeFolder } from './volume/files.ts'
import { wholeBlocks } from './volume/record.ts'
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

/** Counters of a store. `usedBytes` is the one number for used space: volumes and index as they lie on disk. */
export interface StoreStatus {
  fragments: number
  liveBytes: number
  usedBytes: number
  quotaBytes: number
  readOnly: boolean
  /** Fragments found damaged since the start. */
  damaged: number
}

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
  readonly #open = new Map<string, OpenColumn>()
  readonly #handles = new Map<number, OpenColumn[]>()
  readonly #damaged: DamagedFragment[] = []
  readonly #reading = newReading()
  #index: FragmentIndex
  #committer: Committer
  #compactor: Compactor
  #recovery: Recovery
  #damagedCount = 0
  #nextHandle = -1
  #faults = 0
  #fullUntilMs = 0

  /** Opens a store; brings it in order after a crash. @throws XcareError INTEGRITY when a volume belongs to another store. */
  constructor(options: StoreOptions) {
    this.#options = options
    this.#volumes = new Volumes(options.folder, options.storeId, options.volumeBytes)
    this.#batch = new Batch(options.storeId)
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
      const keyOf = (column: number) =>
        `${toHex(order.objectId)} ${order.version} ${column} ${toHex(order.ownerKey)}`
      const columns = order.columns.map((column) => {
        const known = this.#open.get(keyOf(column))
        return known && !known.isGone ? known : this.#loadColumn(order, column)
      })
      this.#admit(order, columns)
      for (const column of columns) {
        this.#open.set(keyOf(column.column), column)
        column.holders++
      }
      this.#handles.set(handle, columns)
      return { handle, ...this.have(handle) }
    })
  }

  /** @returns what is here of the columns being put: their bitmaps, one after the other. */
  have(handle: number): { bitmaps: Uint8Array; objectKnown: boolean } {
    const columns = this.#columns(handle)
    const { objectId, version } = columns[0]!
    return {
      bitmaps: concat(...columns.map(({ bitmap }) => bitmap)),
      objectKnown: this.#index.manifest(objectId, version) !== null,
    }
  }

  /** Ends a put, finished or not. What is durable of it stays for an hour. */
  closePut(handle: number): void {
    const columns = this.#handles.get(handle)
    if (columns === undefined) return
    this.#handles.delete(handle)
    const left = new Set(columns.filter((column) => --column.holders === 0))
    if (left.size === 0) return
    for (const [key, open] of this.#open) if (left.has(open)) this.#open.delete(key)
    for (const { id, isComplete, isGone } of left)
      if (id !== null && !isComplete && !isGone) this.#index.touchColumn(id, this.#now())
  }

  /** Makes fragments, finished columns and deletions durable, all in one sync. @returns a result or an error for each. */
  commit(ops: readonly CommitOp[]): (CommitResult | XcareError)[] {
    return this.#guarded(() => this.#committer.commit(ops.map((op) => this.#settled(op))))
  }

  /** @returns how many of the first of `ops` make one commit; at least one, when there is any. */
  together(ops: readonly CommitOp[]): number {
    let bytes = 0
    for (const [count, op] of ops.entries()) {
      bytes += writtenBytes(op, this.#settled(op).columns)
      if (count === COMMIT_RECORDS_MAX || (count > 0 && bytes > COMMIT_BYTES_MAX)) return count
    }
    return ops.length
  }

  #settled(op: CommitOp): Settled {
    return { op, columns: 'handle' in op ? this.#handles.get(op.handle) : undefined }
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

  /** Forgets puts that nobody finished, and frees volumes that hold nothing any more. @returns columns forgotten. */
  expire(): number {
    return this.#guarded(() => {
      const open = new Set([...this.#open.values()].map(({ id }) => id))
      const rows = this.#index
        .abandoned(this.#now() - PUT_ABANDONED_MS, 256)
        .filter(({ id }) => !open.has(id))
      this.#committer.change(() => {
        for (const { id } of rows) this.#index.dropColumn(id)
      })
      this.#freeVolumes()
      return rows.length
    })
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
    for (const use of this.#index.volumes.values()) {
      fragments += use.fragments
      liveBytes += use.live
    }
    return {
      fragments,
      liveBytes,
      usedBytes: this.#usedBytes(),
      quotaBytes: this.#options.quotaBytes,
      readOnly: this.#readOnly() !== null,
      damaged: this.#damagedCount,
    }
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

  #columns(handle: number): OpenColumn[] {
    const columns = this.#handles.get(handle)
    if (columns === undefined || columns.some(({ isGone }) => isGone))
      throw new XcareError('REFUSED', 'the put has ended')
    return columns
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
    const cost = fresh.reduce((sum, column) => sum + costOf(column), manifestCost(order.n))
    const others = new Set<number>()
    for (const row of this.#index.columnsOf(order.objectId))
      if (row.version === order.version) others.add(row.column)
    for (const open of this.#open.values())
      if (open.version === order.version && equalBytes(open.objectId, order.objectId)) others.add(open.column)
    for (const column of order.columns) others.delete(column)
    admitPut(order, {
      readOnly: this.#readOnly(cost),
      openPuts: this.#handles.size,
      knownOwner: this.#index.manifest(order.objectId, null)?.ownerKey ?? null,
      deletedVersion: this.#index.tombstone(order.objectId, order.ownerKey),
      isComplete: columns.every(({ isComplete }) => isComplete),
      begunAs: columns.filter(({ id }) => id !== null),
      otherColumns: others.size,
      cost,
      roomBytes: this.#roomBytes(),
    })
  }

  /** Bytes of the quota that neither the disk nor the puts under way have taken. */
  #roomBytes(): number {
    let promised = 0
    for (const column of this.#open.values()) if (!column.isGone) promised += costOf(column)
    for (const [first] of this.#handles.values()) promised += manifestCost(first!.n)
    return this.#limitBytes() - this.#usedBytes() - promised
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
      roomBytes: () => this.#limitBytes() - this.#usedBytes(),
      openColumns: () => this.#open.values(),
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
    this.#damagedCount++
    this.#damaged.push(fragment)
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
    for (const column of this.#open.values()) column.isGone = true
    this.#open.clear()
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

function costOf(column: OpenColumn): number {
  return columnCost(missingOf(column), fragmentBytes(column))
}
