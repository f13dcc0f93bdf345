import { equalBytes } from '../../bytes.ts'
import { blake3 } from '../../crypto/hash.ts'
import { merkleRoot } from '../../crypto/merkle.ts'
import { type ErrorCode, XcareError } from '../../errors.ts'
import { decodeHead, sameHeader } from '../../fragment/header.ts'
import { columnRoot, headerOf, type Manifest, verifyManifest } from '../../fragment/manifest.ts'
import { FRAGMENT_HEAD_BYTES } from '../../limits.ts'
import type { MessageOf } from '../../wire/fragment-protocol.ts'
import { checkDeleteSignature } from '../admit.ts'
import { clearBit, hasBit, setBit } from './bitmap.ts'
import { hashesOf } from './catalog/column-hashes.ts'
import { type FragmentIndex, isIndexDamage } from './catalog/fragment-index.ts'
import type { Place } from './catalog/place.ts'
import { type WriteFault, writeFaultOf } from './fault.ts'
import { fragmentBytes, missingOf, type OpenColumn } from './puts/open-column.ts'
import { forgetVersions } from './replay.ts'
import type { Batch } from './volume/batch.ts'
import { RECORD, type RecordHeader, type RecordType, recordBytes, wholeBlocks } from './volume/record.ts'
import type { Volumes } from './volume/volumes.ts'
import { type CommitOp, writtenBytes } from './written.ts'

/** What became of it. Only a finished put says more than that it is durable. */
export interface CommitResult {
  /** Merkle root over the column roots and bytes of all fragments, for the receipt. */
  finished?: { root: Uint8Array; bytes: number }
}

/** What a committer works on. */
export interface CommitParts {
  index: FragmentIndex
  volumes: Volumes
  batch: Batch
  /** Next unused record sequence. */
  sequence: number
  network: string
  nowMs(): number
  /** Bytes the quota still leaves. */
  roomBytes(): number
  openColumns(): Iterable<OpenColumn>
  /** A commit failed for a reason that lies in the disk. */
  onFault(fault: 'full' | 'disk'): void
}

const ANSWERS: Record<WriteFault, [ErrorCode, string]> = {
  full: ['NO_SPACE', 'the disk of this node is full'],
  disk: ['BUSY', 'the disk of this node failed'],
  short: ['BUSY', 'this node is short of memory or open files'],
  own: ['INTERNAL', 'the node made a mistake while it wrote'],
}

/** One op with the columns of its put, or undefined when that has ended. */
export interface Settled {
  op: CommitOp
  columns: OpenColumn[] | undefined
}

/** Group commit: append, sync, index, and only then the answers. */
export class Committer {
  readonly #parts: CommitParts
  readonly #undo: (() => void)[] = []
  #sequence: number
  #base = { number: 0, at: 0 }
  #room = 0

  constructor(parts: CommitParts) {
    this.#parts = parts
    this.#sequence = parts.sequence
  }

  /** Runs `change` on the index alone, in a transaction of its own. */
  change(change: () => void): void {
    const { index } = this.#parts
    index.begin()
    try {
      change()
      index.commit(this.#sequence)
    } catch (error) {
      index.rollback()
      throw error
    }
  }

  /**
   * Makes `ops` durable together.
   * @returns a result or an error for each; when the disk fails, the same error for all. A mistake of the
   * program itself costs only the op that it is met with.
   */
  commit(ops: readonly Settled[]): (CommitResult | XcareError)[] {
    try {
      return this.#commitAll(ops)
    } catch (error) {
      if (isIndexDamage(error)) throw error
      const { failure, fault } = this.#fail(error)
      if (fault !== 'own' || ops.length === 1) return ops.map(() => failure)
    }
    const half = ops.length >> 1
    return [...this.commit(ops.slice(0, half)), ...this.commit(ops.slice(half))]
  }

  #commitAll(ops: readonly Settled[]): (CommitResult | XcareError)[] {
    const { index, batch, volumes } = this.#parts
    batch.clear()
    this.#room = this.#parts.roomBytes()
    this.#base = volumes.place(
      wholeBlocks(ops.reduce((sum, { op, columns }) => sum + writtenBytes(op, columns), 0)),
    )
    index.begin()
    const results = this.#stagedAll(ops)
    const size = batch.length > 0 ? volumes.append(batch.blocks()) : null
    if (size !== null) index.setVolumeSize(this.#base.number, size)
    index.commit(this.#sequence)
    if (size !== null) volumes.accept(size)
    this.#undo.length = 0
    return results
  }

  /**
   * Writes records once more, at the end of the newest volume, and lets the index point there.
   * @param records their bodies together at most COMMIT_BYTES_MAX. @throws XcareError NO_SPACE, BUSY as a commit fails.
   */
  rewrite(
    records: readonly { header: RecordHeader; body: Uint8Array; moved(volume: number, at: number): void }[],
  ): void {
    const { index, batch, volumes } = this.#parts
    batch.clear()
    try {
      const { number, at } = volumes.place(
        wholeBlocks(records.reduce((sum, { body }) => sum + recordBytes(body.length), 0)),
      )
      index.begin()
      for (const { header, body, moved } of records)
        moved(number, at + batch.add({ ...header, sequence: this.#sequence++ }, body))
      const size = volumes.append(batch.blocks())
      index.setVolumeSize(number, size)
      index.commit(this.#sequence)
      volumes.accept(size)
    } catch (error) {
      if (isIndexDamage(error)) throw error
      throw this.#fail(error).failure
    }
  }

  /** Takes everything since `begin` back. @returns what to answer, and whose fault it was. */
  #fail(cause: unknown): { failure: XcareError; fault: WriteFault } {
    for (const undo of this.#undo.splice(0).reverse()) undo()
    this.#parts.index.rollback()
    const fault = writeFaultOf(cause)
    // What a failed sync left in the page cache counts as written although it is not: the volume takes nothing more.
    this.#parts.volumes.undo({ seal: fault === 'disk' || fault === 'short' })
    if (fault === 'full' || fault === 'disk') this.#parts.onFault(fault)
    return { failure: new XcareError(...ANSWERS[fault], { cause }), fault }
  }

  #stagedAll(ops: readonly Settled[]): (CommitResult | XcareError)[] {
    const results: (CommitResult | XcareError)[] = ops.map(() => ({}))
    for (const { at, fragment } of stepsOf(ops))
      if (!(results[at] instanceof XcareError)) results[at] = this.#staged(ops[at]!, fragment)
    return results
  }

  /** @param fragment which of the fragments of a put. */
  #staged({ op, columns }: Settled, fragment: number): CommitResult | XcareError {
    try {
      if (op.kind === 'delete') return this.#delete(op.order)
      if (columns === undefined || columns.some(({ isGone }) => isGone))
        throw new XcareError('REFUSED', 'the put has ended')
      if (op.kind === 'finish') return this.#finish(columns, op.manifest)
      const size = op.body.length / op.count
      const body = op.body.subarray(fragment * size, (fragment + 1) * size)
      const at = op.first + fragment
      this.#put(columns[at % columns.length]!, op.stripe + Math.floor(at / columns.length), body)
      return {}
    } catch (error) {
      if (error instanceof XcareError) return error
      throw error
    }
  }

  #put(column: OpenColumn, stripe: number, body: Uint8Array): void {
    const share = shareOf(column, stripe, body)
    const hash = blake3(body)
    const { index } = this.#parts
    const before = this.#known(column, stripe)
    if (before && equalBytes(before.hash, hash) && !before.isBad) return
    if (column.isComplete && !(before && equalBytes(before.hash, hash)))
      throw new XcareError('REFUSED', `stripe ${stripe} of a finished column cannot be changed`)
    const at = this.#append(RECORD.fragment, column, { id: hash, stripe }, body)
    const id = column.id ?? this.#addColumn(column)
    const place = { volume: this.#base.number, at, length: body.length, isBad: false, hash, share }
    index.setPlace(id, stripe, place, before)
    if (hasBit(column.bitmap, stripe)) return
    setBit(column.bitmap, stripe)
    column.held++
    this.#undo.push(() => {
      clearBit(column.bitmap, stripe)
      column.held--
    })
  }

  /** Where the fragment lies already. Of a new column the bitmap says that it does not: a look at the index costs as much as a row. */
  #known({ id, isNew, bitmap }: OpenColumn, stripe: number): Place | null {
    if (id === null || (isNew && !hasBit(bitmap, stripe))) return null
    return this.#parts.index.place(id, stripe)
  }

  #addColumn(column: OpenColumn): number {
    const id = this.#parts.index.addColumn(column, column, this.#parts.nowMs())
    column.id = id
    this.#undo.push(() => {
      column.id = null
    })
    return id
  }

  #finish(columns: OpenColumn[], encoded: Uint8Array): CommitResult | XcareError {
    const { network } = this.#parts
    const manifest = this.#checkManifest(columns[0]!, verifyManifest(encoded, network).manifest, encoded)
    const missing = columns.reduce((sum, column) => sum + missingOf(column), 0)
    if (missing > 0)
      throw new XcareError('TOO_FEW_FRAGMENTS', `${missing} fragments of the columns are missing`)
    const roots = columns.map((column) => this.#rootOf(column))
    const wrong = columns.filter(({ column }, at) => !equalBytes(roots[at]!, manifest.columnRoots[column]!))
    for (const column of wrong) this.#drop(column)
    if (wrong.length > 0)
      return new XcareError('INTEGRITY', 'the fragments are not those of the manifest; they were dropped')
    this.#keepManifest(columns[0]!, encoded)
    for (const [at, column] of columns.entries()) if (!column.isComplete) this.#complete(column, roots[at]!)
    const bytes = columns.length * columns[0]!.stripes * fragmentBytes(columns[0]!)
    return { finished: { root: merkleRoot(roots), bytes } }
  }

  #rootOf({ id, stripes }: OpenColumn): Uint8Array {
    const hashes = id === null ? null : hashesOf(this.#parts.index, { id, stripes })
    if (hashes === null) throw new XcareError('INTERNAL', 'the column is not what it seems')
    return columnRoot(hashes)
  }

  /** Stores the manifest where none of this version is, also when that of finished columns was damaged and dropped. */
  #keepManifest(column: OpenColumn, encoded: Uint8Array): void {
    const { index } = this.#parts
    const { objectId, ownerKey, version } = column
    if (index.manifest(objectId, version) !== null) return
    const hash = blake3(encoded)
    const at = this.#append(RECORD.manifest, { ...column, column: 0 }, { id: hash, stripe: 0 }, encoded)
    const place = { volume: this.#base.number, at, length: encoded.length, hash }
    index.setManifest({ objectId, ownerKey, version, ...place })
  }

  #complete(column: OpenColumn, root: Uint8Array): void {
    const { index, nowMs } = this.#parts
    this.#append(RECORD.column, column, { id: root, stripe: 0 }, new Uint8Array(0))
    index.completeColumn(column.id!, this.#base.number, nowMs())
    column.isComplete = true
    this.#undo.push(() => {
      column.isComplete = false
    })
  }

  #checkManifest(column: OpenColumn, manifest: Manifest, encoded: Uint8Array): Manifest {
    const { objectId, version, ownerKey } = column
    const isSame =
      sameHeader(headerOf(manifest, 0, column.column), headerOf(column, 0, column.column)) &&
      equalBytes(manifest.ownerKey, ownerKey)
    if (!isSame) throw new XcareError('INTEGRITY', 'the manifest is not that of the object being put')
    const known = this.#parts.index.manifest(objectId, version)
    if (known && !equalBytes(known.hash, blake3(encoded)))
      throw new XcareError('REFUSED', 'another manifest of this version is stored here')
    const newest = this.#parts.index.manifest(objectId, null)
    if (newest && !equalBytes(newest.ownerKey, ownerKey))
      throw new XcareError('REFUSED', 'the object belongs to another owner')
    return manifest
  }

  #drop(column: OpenColumn): void {
    this.#parts.index.dropColumn(column.id!)
    column.isGone = true
    this.#undo.push(() => {
      column.isGone = false
    })
  }

  #delete(order: MessageOf<'DELETE'>): CommitResult {
    const { index, network } = this.#parts
    checkDeleteSignature(order, network)
    const { objectId, ownerKey, version } = order
    if (version <= index.tombstone(objectId, ownerKey) || !this.#holds(order)) return {}
    const name = { objectId, ownerKey, version, column: 0 }
    const at = this.#append(RECORD.tombstone, name, { id: new Uint8Array(32), stripe: 0 }, new Uint8Array(0))
    forgetVersions(index, objectId, ownerKey, version)
    index.setTombstone(objectId, ownerKey, version, this.#base.number, at)
    for (const open of this.#parts.openColumns()) {
      if (open.isGone || open.version > version) continue
      if (!equalBytes(open.objectId, objectId) || !equalBytes(open.ownerKey, ownerKey)) continue
      open.isGone = true
      this.#undo.push(() => {
        open.isGone = false
      })
    }
    return {}
  }

  /** A deletion of what is not here leaves no trace, so that nobody can fill the disk with deletions. */
  #holds({ objectId, ownerKey, version }: MessageOf<'DELETE'>): boolean {
    const { index } = this.#parts
    const isTheirs = (held: { version: number; ownerKey: Uint8Array }) =>
      held.version <= version && equalBytes(held.ownerKey, ownerKey)
    return index.columnsOf(objectId).some(isTheirs)
  }

  /** Adds a record to the commit. @returns its offset in the volume. @throws XcareError QUOTA_FULL */
  #append(
    type: RecordType,
    name: { objectId: Uint8Array; ownerKey: Uint8Array; version: number; column: number },
    { id, stripe }: { id: Uint8Array; stripe: number },
    body: Uint8Array,
  ): number {
    const { batch } = this.#parts
    const isFreeing = type === RECORD.tombstone
    if (!isFreeing && batch.length + recordBytes(body.length) > this.#room)
      throw new XcareError('QUOTA_FULL', "the node's quota is used up")
    const { objectId, ownerKey, version, column } = name
    const header = { type, sequence: this.#sequence++, id, objectId, ownerKey, version, column, stripe }
    return this.#base.at + batch.add(header, body)
  }
}

interface Step {
  /** Which of the ops. */
  at: number
  fragment: number
}

/**
 * @returns the order in which a commit is laid out: puts that follow each other column by column, so that whoever reads some columns
 * of many stripes finds each in one piece; everything else as it came.
 */
function stepsOf(ops: readonly Settled[]): Step[] {
  const steps: Step[] = []
  let puts: (Step & { handle: number; place: number })[] = []
  const endPuts = () => {
    steps.push(...puts.sort((a, b) => a.handle - b.handle || a.place - b.place))
    puts = []
  }
  for (const [at, { op, columns }] of ops.entries()) {
    if (op.kind === 'put') {
      const { handle, first, count } = op
      for (let fragment = 0; fragment < count; fragment++)
        puts.push({ at, fragment, handle, place: (first + fragment) % (columns?.length ?? 1) })
      continue
    }
    endPuts()
    steps.push({ at, fragment: 0 })
  }
  endPuts()
  return steps
}

function shareOf(column: OpenColumn, stripe: number, body: Uint8Array): Uint8Array {
  if (stripe >= column.stripes)
    throw new XcareError('MALFORMED', `the column has ${column.stripes} stripes, no stripe ${stripe}`)
  if (body.length !== fragmentBytes(column))
    throw new XcareError(
      'MALFORMED',
      `a fragment of ${body.length} bytes in a column of ${fragmentBytes(column)}`,
    )
  const { header, share } = decodeHead(body.subarray(0, FRAGMENT_HEAD_BYTES))
  if (!sameHeader(header, headerOf(column, stripe, column.column)))
    throw new XcareError('MALFORMED', 'the fragment says that it is another one')
  return share
}
