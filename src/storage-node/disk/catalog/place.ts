import { crc32 } from 'node:zlib'

/** Where a fragment lies and what is known about it: one packed row of the index. */
export interface Place {
  volume: number
  /** Offset of the record in the volume. */
  at: number
  /** Bytes of the fragment. */
  length: number
  /** Whether it was found damaged. */
  isBad: boolean
  /** BLAKE3 of the fragment, 32 bytes. */
  hash: Uint8Array
  /** Its key share, 33 bytes, so that shares are served without reading fragments. */
  share: Uint8Array
}

const HASH_AT = 13
const SHARE_AT = 45
const CRC_AT = 78
/** Bytes of a packed place. */
const PLACE_BYTES = 82

/** @returns `place` as one row. */
export function packPlace(place: Place): Uint8Array {
  const row = new Uint8Array(PLACE_BYTES)
  const view = new DataView(row.buffer)
  view.setUint32(0, place.volume)
  view.setUint32(4, place.at)
  view.setUint32(8, place.length)
  row[12] = place.isBad ? 1 : 0
  row.set(place.hash, HASH_AT)
  row.set(place.share, SHARE_AT)
  view.setUint32(CRC_AT, crc32(row.subarray(0, CRC_AT)))
  return row
}

/** @returns the place in a row; null when the row is damaged. */
export function unpackPlace(row: Uint8Array): Place | null {
  if (row.length !== PLACE_BYTES) return null
  const view = new DataView(row.buffer, row.byteOffset, PLACE_BYTES)
  if (view.getUint32(CRC_AT) !== crc32(row.subarray(0, CRC_AT))) return null
  return {
    volume: view.getUint32(0),
    at: view.getUint32(4),
    length: view.getUint32(8),
    isBad: row[12] === 1,
    hash: new Uint8Array(row.buffer, row.byteOffset + HASH_AT, 32),
    share: new Uint8Array(row.buffer, row.byteOffset + SHARE_AT, 33),
  }
}
