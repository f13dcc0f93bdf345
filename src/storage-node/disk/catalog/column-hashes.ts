import type { FragmentIndex } from './fragment-index.ts'
import type { ColumnRow } from './rows.ts'

const HASH_BYTES = 32

/** @returns the hashes of a column's fragments in stripe order, or null when one is missing. */
export function hashesOf(index: FragmentIndex, column: Pick<ColumnRow, 'id' | 'stripes'>): Uint8Array | null {
  const hashes = new Uint8Array(column.stripes * HASH_BYTES)
  let next = 0
  for (const { stripe, place } of index.places(column.id, 0, column.stripes)) {
    if (stripe !== next) return null
    hashes.set(place.hash, stripe * HASH_BYTES)
    next++
  }
  return next === column.stripes ? hashes : null
}
