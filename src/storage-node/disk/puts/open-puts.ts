import { equalBytes, toHex } from '../../../bytes.ts'
import { XcareError } from '../../../errors.ts'
import { PUT_AHEAD_BYTES, PUT_AHEAD_MS } from '../../../limits.ts'
import { clearBit, hasBit } from '../bitmap.ts'
import type { ColumnName } from '../catalog/rows.ts'
import type { Settled } from '../commit.ts'
import type { CommitOp } from '../written.ts'
import { fragmentBytes, missingOf, type OpenColumn } from './open-column.ts'
import { columnCost, manifestCost } from './space.ts'

/** A put under way. */
interface OpenPut {
  columns: OpenColumn[]
  /** When it began or last brought something. */
  arrivedMs: number
}

/**
 * The puts under way on a node, by the handle of each, and their columns, which several of them may share.
 */
export class OpenPuts {
  readonly #columns = new Map<string, OpenColumn>()
  readonly #puts = new Map<number, OpenPut>()

  /** How many puts are under way. */
  get size(): number {
    return this.#puts.size
  }

  /** All columns being put. */
  all(): Iterable<OpenColumn> {
    return this.#columns.values()
  }

  /** @returns the column as another put has it open, or null. */
  known(name: ColumnName): OpenColumn | null {
    const open = this.#columns.get(keyOf(name))
    return open && !open.isGone ? open : null
  }

  /** Begins a put of `columns`. */
  begin(handle: number, columns: OpenColumn[], nowMs: number): void {
    for (const column of columns) {
      this.#columns.set(keyOf(column), column)
      column.holders++
    }
    this.#puts.set(handle, { columns, arrivedMs: nowMs })
  }

  /** @returns the columns of a put. @throws XcareError REFUSED when it has ended, or one of them is gone. */
  columnsOf(handle: number): OpenColumn[] {
    const columns = this.#puts.get(handle)?.columns
    if (columns === undefined || columns.some(({ isGone }) => isGone))
      throw new XcareError('REFUSED', 'the put has ended')
    return columns
  }

  /** @returns `op` with the columns of its put. */
  settled(op: CommitOp): Settled {
    return { op, columns: 'handle' in op ? this.#puts.get(op.handle)?.columns : undefined }
  }

  /** Notes what brought something. */
  arrived(ops: readonly CommitOp[], nowMs: number): void {
    for (const op of ops) {
      const put = op.kind === 'put' ? this.#puts.get(op.handle) : undefined
      if (put) put.arrivedMs = nowMs
    }
  }

  /** Ends a put. @returns columns that no other put has open. */
  end(handle: number): OpenColumn[] {
    const put = this.#puts.get(handle)
    if (put === undefined) return []
    this.#puts.delete(handle)
    const left = put.columns.filter((column) => --column.holders === 0)
    for (const column of left)
      if (this.#columns.get(keyOf(column)) === column) this.#columns.delete(keyOf(column))
    return left
  }

  /** Bytes promised to puts ahead of what they have brought, as long as they go on bringing. */
  promisedBytes(nowMs: number): number {
    let promised = 0
    for (const put of this.#puts.values()) if (put.arrivedMs > nowMs - PUT_AHEAD_MS) promised += aheadOf(put)
    return promised
  }

  /** Positions of the columns of a version that are being put. */
  positionsOf(objectId: Uint8Array, version: number): number[] {
    return [...this.#columns.values()]
      .filter((open) => open.version === version && equalBytes(open.objectId, objectId))
      .map(({ column }) => column)
  }

  /** Notes that a fragment is not there any more. @param id of the column in the index. */
  lost(id: number, stripe: number): void {
    for (const open of this.#columns.values()) {
      if (open.id !== id || !hasBit(open.bitmap, stripe)) continue
      clearBit(open.bitmap, stripe)
      open.held--
    }
  }

  /** Ends the puts of columns that were dropped. @param ids in the index. */
  dropped(ids: ReadonlySet<number>): void {
    for (const open of this.#columns.values()) if (open.id !== null && ids.has(open.id)) open.isGone = true
  }

  /** Ends all puts. */
  clear(): void {
    for (const column of this.#columns.values()) column.isGone = true
    this.#columns.clear()
  }
}

/** @returns disk and index bytes that the rest of a column will take. */
export function costOfColumn(column: OpenColumn): number {
  return columnCost(missingOf(column), fragmentBytes(column))
}

function aheadOf({ columns }: OpenPut): number {
  let left = manifestCost(columns[0]!.n)
  for (const column of columns) {
    if (left >= PUT_AHEAD_BYTES) return PUT_AHEAD_BYTES
    if (!column.isGone) left += costOfColumn(column)
  }
  return Math.min(left, PUT_AHEAD_BYTES)
}

function keyOf({ objectId, version, column, ownerKey }: ColumnName): string {
  return `${toHex(objectId)} ${version} ${column} ${toHex(ownerKey)}`
}
