import type { FragmentIndex } from '../catalog/fragment-index.ts'
import type { ColumnName, ColumnRow } from '../catalog/rows.ts'

/** A finished column, as far as it matters whether its object is anchored. */
export interface HeldColumn extends ColumnName {
  /** Place in the list that it was read from. */
  cursor: HeldCursor
  finishedMs: number
  /** Whether a header has shown before that it is anchored. */
  isProven: boolean
  /** Hash of the manifest held of this version; null when that is damaged and gone. */
  manifestHash: Uint8Array | null
}

/** How far a list of held columns was read. */
export interface HeldCursor {
  id: number
  touchedMs: number
}

/** Before the first of every list. */
export const FIRST_HELD: HeldCursor = { id: 0, touchedMs: 0 }

/** Which finished columns: those never proven that were finished before `beforeMs`, the oldest first, or those proven once, by id. */
export type HeldWish = { kind: 'unproven'; beforeMs: number } | { kind: 'proven' }

/** @returns at most `limit` finished columns behind `after`. */
export function heldColumns(
  index: FragmentIndex,
  wish: HeldWish,
  after: HeldCursor,
  limit: number,
): HeldColumn[] {
  const { upkeep } = index
  const rows =
    wish.kind === 'proven' ? upkeep.proven(after.id, limit) : upkeep.unproven(after, wish.beforeMs, limit)
  return rows.map((row) => heldFrom(index, row))
}

function heldFrom(index: FragmentIndex, row: ColumnRow): HeldColumn {
  const { id, objectId, ownerKey, version, column, touchedMs, isProven } = row
  const manifestHash = index.manifest(objectId, version)?.hash ?? null
  const name = { objectId, ownerKey, version, column }
  return { ...name, cursor: { id, touchedMs }, finishedMs: touchedMs, isProven, manifestHash }
}

/** Drops a column, and the manifest of its version when no other column of that is here. */
export function dropHeld(index: FragmentIndex, { id, objectId, version }: ColumnRow): void {
  index.dropColumn(id)
  if (!index.columnsOf(objectId).some((other) => other.version === version))
    index.dropManifest(objectId, version)
}
