import { VOLUME_BYTES } from '../../limits.ts'
import { RECORD_HEADER_BYTES, recordBytes } from './volume/record.ts'

/** Index bytes that one fragment costs, at most. */
const ROW_BYTES = 160
/** Manifest bytes set aside for a put beside those of its roots: sealed part and fixed fields of a usual object. */
const MANIFEST_BYTES_USUAL = 4096

/** @returns bytes of `quotaBytes` that are kept free for compaction and for the system: three volumes and a hundredth, of small quotas a sixteenth. */
export function reserveBytes(quotaBytes: number): number {
  return Math.floor(Math.min(quotaBytes / 16, 3 * VOLUME_BYTES + quotaBytes / 100))
}

/** @returns disk and index bytes that `count` fragments of `fragmentBytes` will take. */
function fragmentCost(count: number, fragmentBytes: number): number {
  return count * (recordBytes(fragmentBytes) + ROW_BYTES)
}

/** @returns bytes to set aside for the rest of a put: its missing fragments, manifest and column record. */
export function putCost(missing: number, fragmentBytes: number, n: number): number {
  return (
    fragmentCost(missing, fragmentBytes) + recordBytes(n * 34 + MANIFEST_BYTES_USUAL) + RECORD_HEADER_BYTES
  )
}
