import { fragmentBytesOf } from '../../../fragment/layout.ts'
import type { ColumnLayout, ColumnName } from '../catalog/rows.ts'

/** A column that one or more streams are putting right now. */
export interface OpenColumn extends ColumnName, ColumnLayout {
  /** Id in the index; null until its first fragment is durable. */
  id: number | null
  /** Whether the index knew nothing of it when it was opened: what the bitmap does not have is not here, not even damaged. */
  isNew: boolean
  isComplete: boolean
  /** Whether its object was deleted, or its fragments were dropped, meanwhile: nothing more is accepted. */
  isGone: boolean
  /** Bit i, least significant first: a good fragment of stripe i is here. */
  bitmap: Uint8Array
  /** Bits set in it. */
  held: number
  /** Streams that hold it open. */
  holders: number
}

/** @returns fragments still missing. */
export function missingOf(column: OpenColumn): number {
  return column.stripes - column.held
}

/** @returns bytes of one fragment of the column. */
export function fragmentBytes(column: OpenColumn): number {
  return fragmentBytesOf(column)
}
