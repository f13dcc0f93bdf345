import { VOLUME_BYTES } from '../../../limits.ts'
import { RECORD_HEADER_BYTES, recordBytes } from '../volume/record.ts'

/** Index bytes that one fragment costs, at most. */
const ROW_BYTES = 160
/** Manifest bytes set aside for a put beside those of its roots: sealed part and fixed fields of a usual object. */
const MANIFEST_BYTES_USUAL = 4096

/** @returns bytes of `quotaBytes` that are kept free for compaction and for the system: three volumes and a hundredth, of small quotas a sixteenth. */
export function reserveBytes(quotaBytes: number): number {
  return Math.floor(Math.min(quotaBytes / 16, 3 * VOLUME_BYTES + quotaBytes / 100))
}

/** @returns disk and index bytes to set aside for the rest of one column: its missing fragments and the record that ends it. */
export function columnCost(missing: number, fragmentBytes: number): number {
  return missing * (recordBytes(fragmentBytes) + ROW_BYTES) + RECORD_HEADER_BYTES
}

/** @returns bytes to set aside for the manifest of an object of n columns. */
export function manifestCost(n: number): number {
  return recordBytes(n * 34 + MANIFEST_BYTES_USUAL)
}
