import { toHex } from '../../../bytes.ts'
import { sha256 } from '../../../crypto/hash.ts'
import type { FragmentIndex } from '../catalog/fragment-index.ts'
import type { ColumnName, ColumnRow } from '../catalog/rows.ts'

/** A finished column, as far as it matters whether its object is anchored. */
export interface HeldColumn extends ColumnName {
  /** Place in the list that it was read from. */
  cursor: HeldCursor
  finishedMs: number
  /** Whether a header has shown before that it is anchored. */
  isProven: boolean
  /**
   * SHA-256 of the manifest held of this version, as the chain has it; null when that is damaged and gone, or
   * matched what was anchored before.
   */
  manifestHash: Uint8Array | null
}

/** How far a list of held columns was read. */
export interface HeldCursor {
  id: number
  touchedMs: number
}

/** Before the first of every list. */
export const FIRST_HELD: HeldCursor = { id: 0, touchedMs: 0 }

/**
 * Which finished columns: those never proven that were finished before `beforeMs`, the oldest first, or those
 * proven once, by id.
 */
export type HeldWish = { kind: 'unproven'; beforeMs: number } | { kind: 'proven' }

/**
 * @param manifestOf reads the manifest of a version from the disk; null when it is damaged.
 * @returns finished columns behind `after`, at most `limit`, of at most `objects` objects.
 */
export function heldColumns(
  index: FragmentIndex,
  manifestOf: (name: ColumnName) => Uint8Array | null,
  wish: HeldWish,
  after: HeldCursor,
  { limit, objects }: { limit: number; objects: number },
): { columns: HeldColumn[]; isEnd: boolean } {
  const { upkeep } = index
  const rows =
    wish.kind === 'proven' ? upkeep.proven(after.id, limit) : upkeep.unproven(after, wish.beforeMs, limit)
  const seen = new Set<string>()
  const end = rows.findIndex(({ objectId }) => seen.add(toHex(objectId)).size > objects)
  const hashes = new Map<string, Uint8Array | null>()
  const hashOf = (row: ColumnRow) => {
    const key = `${toHex(row.objectId)} ${row.version}`
    const known = hashes.get(key)
    if (known !== undefined) return known
    const manifest = manifestOf(row)
    const hash = manifest && sha256(manifest)
    hashes.set(key, hash)
    return hash
  }
  const taken = end < 0 ? rows : rows.slice(0, end)
  const columns = taken.map((row) => heldFrom(row, wish.kind === 'proven' ? null : hashOf(row)))
  return { columns, isEnd: end < 0 && rows.length < limit }
}

function heldFrom(row: ColumnRow, manifestHash: Uint8Array | null): HeldColumn {
  const { id, objectId, ownerKey, version, column, touchedMs, isProven } = row
  const name = { objectId, ownerKey, version, column }
  return { ...name, cursor: { id, touchedMs }, finishedMs: touchedMs, isProven, manifestHash }
}

/** Drops a column, and the manifest of its version when no other column of that is here. */
export function dropHeld(index: FragmentIndex, { id, objectId, version }: ColumnRow): void {
  index.dropColumn(id)
  if (!index.columnsOf(objectId).some((other) => other.version === version))
    index.dropManifest(objectId, version)
}
