import { crc32 } from 'node:zlib'
import { assert } from '../../../assert.ts'
import { utf8 } from '../../../bytes.ts'
import { FRAGMENT_BYTES_MAX, MANIFEST_BYTES_MAX, VOLUME_BLOCK_BYTES } from '../../../limits.ts'

/** What a record is. The numbers are on disk and never change. Spec: docs/spec/volume.md. */
export const RECORD = { fragment: 1, manifest: 2, column: 3, tombstone: 4 } as const
/** One of the numbers of RECORD. */
export type RecordType = (typeof RECORD)[keyof typeof RECORD]

/** Bytes of a record's header, and what records are aligned to. */
export const RECORD_HEADER_BYTES = 128
const RECORD_STEP_BYTES = 64
/** Bytes of a store id. */
export const STORE_ID_BYTES = 16
const FORMAT = 1
const RECORD_MAGIC = 0x58435231
const CRC_AT = 124
const VOLUME_MAGIC = utf8('XCVOLUME')
const VOLUME_CRC_AT = 32

/** Head of one record in a volume. */
export interface RecordHeader {
  type: RecordType
  /** Bytes of the body behind the header. */
  length: number
  /** Rises with every record of the store, never used twice. */
  sequence: number
  /** 32 bytes: BLAKE3 of the body for fragment and manifest, the column root for column, zeros for tombstone. */
  id: Uint8Array
  /** 32 bytes each. */
  objectId: Uint8Array
  ownerKey: Uint8Array
  /** Version of the object; for a tombstone the newest that is gone. */
  version: number
  /** Zero where they mean nothing. */
  column: number
  stripe: number
}

/** @returns bytes that a record with a body of `length` bytes takes in a volume. */
export function recordBytes(length: number): number {
  return Math.ceil((RECORD_HEADER_BYTES + length) / RECORD_STEP_BYTES) * RECORD_STEP_BYTES
}

/** @returns `length` rounded up to whole blocks. */
export function wholeBlocks(length: number): number {
  return Math.ceil(length / VOLUME_BLOCK_BYTES) * VOLUME_BLOCK_BYTES
}

/** Writes `header` into `out` at `at`. @param storeId enters the checksum, so that no other store's records and no bytes of a body pass as a record. */
export function writeRecordHeader(
  header: RecordHeader,
  storeId: Uint8Array,
  out: Uint8Array,
  at: number,
): void {
  const head = out.subarray(at, at + RECORD_HEADER_BYTES)
  const view = new DataView(head.buffer, head.byteOffset, RECORD_HEADER_BYTES)
  view.setUint32(0, RECORD_MAGIC)
  view.setUint8(4, FORMAT)
  view.setUint8(5, header.type)
  view.setUint16(6, 0)
  view.setUint32(8, header.length)
  view.setBigUint64(12, BigInt(header.sequence))
  head.set(header.id, 20)
  head.set(header.objectId, 52)
  head.set(header.ownerKey, 84)
  view.setUint32(116, header.version)
  view.setUint16(120, header.column)
  view.setUint16(122, header.stripe)
  view.setUint32(CRC_AT, crc32(head.subarray(0, CRC_AT), crc32(storeId)))
}

/** @returns the record header in `bytes` at `at`, or null when there is none that this store wrote. */
export function readRecordHeader(bytes: Uint8Array, storeId: Uint8Array, at: number): RecordHeader | null {
  if (at + RECORD_HEADER_BYTES > bytes.length) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, RECORD_HEADER_BYTES)
  if (view.getUint32(0) !== RECORD_MAGIC) return null
  if (view.getUint32(CRC_AT) !== crc32(bytes.subarray(at, at + CRC_AT), crc32(storeId))) return null
  const type = view.getUint8(5)
  const sequence = Number(view.getBigUint64(12))
  if (view.getUint8(4) !== FORMAT || view.getUint16(6) !== 0 || !isRecordType(type)) return null
  if (!Number.isSafeInteger(sequence) || view.getUint32(8) > BODY_MAX[type]) return null
  const field = (from: number) => bytes.slice(at + from, at + from + 32)
  return {
    type,
    length: view.getUint32(8),
    sequence,
    id: field(20),
    objectId: field(52),
    ownerKey: field(84),
    version: view.getUint32(116),
    column: view.getUint16(120),
    stripe: view.getUint16(122),
  }
}

const BODY_MAX: Record<RecordType, number> = {
  [RECORD.fragment]: FRAGMENT_BYTES_MAX,
  [RECORD.manifest]: MANIFEST_BYTES_MAX,
  [RECORD.column]: 0,
  [RECORD.tombstone]: 0,
}

function isRecordType(type: number): type is RecordType {
  return type in BODY_MAX
}

/** @returns the first block of volume `number`. */
export function encodeVolumeHead(storeId: Uint8Array, number: number): Uint8Array {
  assert(storeId.length === STORE_ID_BYTES, 'a store id has 16 bytes')
  const block = new Uint8Array(VOLUME_BLOCK_BYTES)
  const view = new DataView(block.buffer)
  block.set(VOLUME_MAGIC)
  view.setUint32(8, FORMAT)
  view.setUint32(12, number)
  block.set(storeId, 16)
  view.setUint32(VOLUME_CRC_AT, crc32(block.subarray(0, VOLUME_CRC_AT)))
  return block
}

/** @returns store and number in the first block of a volume, or null when it is not one. */
export function decodeVolumeHead(block: Uint8Array): { storeId: Uint8Array; number: number } | null {
  if (block.length < VOLUME_BLOCK_BYTES) return null
  const view = new DataView(block.buffer, block.byteOffset, VOLUME_BLOCK_BYTES)
  if (view.getUint32(VOLUME_CRC_AT) !== crc32(block.subarray(0, VOLUME_CRC_AT))) return null
  if (VOLUME_MAGIC.some((byte, at) => block[at] !== byte) || view.getUint32(8) !== FORMAT) return null
  if (block.subarray(VOLUME_CRC_AT + 4, VOLUME_BLOCK_BYTES).some((byte) => byte !== 0)) return null
  return { storeId: block.slice(16, 32), number: view.getUint32(12) }
}

/** @returns the file name of volume `number`; names sort as numbers do. */
export function volumeName(number: number): string {
  return `${String(number).padStart(8, '0')}.vol`
}

/** @returns the number in a volume's file name, or null for any other file. */
export function volumeNumber(name: string): number | null {
  const match = /^(\d{8})\.vol$/.exec(name)
  return match ? Number(match[1]) : null
}
