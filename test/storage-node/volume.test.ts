import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../../src/bytes.ts'
import { VOLUME_BLOCK_BYTES } from '../../src/limits.ts'
import { Batch } from '../../src/storage-node/disk/volume/batch.ts'
import {
  decodeVolumeHead,
  encodeVolumeHead,
  RECORD_HEADER_BYTES,
  type RecordHeader,
  readRecordHeader,
  recordBytes,
  volumeName,
  volumeNumber,
  writeRecordHeader,
} from '../../src/storage-node/disk/volume/record.ts'
import { scanVolume } from '../../src/storage-node/disk/volume/scan.ts'
import { CrashDisk } from './crash-disk.ts'

interface Vectors {
  storeId: Uint8Array
  head: { number: number; start: Uint8Array }
  records: { header: RecordHeader; hex: string }[]
  reject: { name: string; hex: string }[]
  commit: { start: Uint8Array; length: number }
}
const file = readFileSync(new URL('../vectors/volume.json', import.meta.url), 'utf8')
const { storeId, head, records, reject, commit } = JSON.parse(file, (key, value) =>
  key !== 'records' && typeof value?.hex === 'string' && Object.keys(value).length === 1
    ? fromHex(value.hex)
    : value,
) as Vectors

describe('frozen records', () => {
  test.each(records)('type $header.type', ({ header, hex }) => {
    const out = new Uint8Array(RECORD_HEADER_BYTES)
    writeRecordHeader(header, storeId, out, 0)
    expect(toHex(out)).toBe(hex)
    expect(readRecordHeader(fromHex(hex), storeId, 0)).toEqual(header)
  })

  test.each(reject)('refuses $name', ({ hex }) => {
    expect(readRecordHeader(fromHex(hex), storeId, 0)).toBe(null)
  })

  test('the first block of a volume', () => {
    const block = encodeVolumeHead(storeId, head.number)
    expect(block.subarray(0, head.start.length)).toEqual(head.start)
    expect(decodeVolumeHead(block)).toEqual({ storeId, number: head.number })
    for (const at of [0, 8, 12, 20, 33, 40, 4095]) {
      const flipped = block.slice()
      flipped[at]! ^= 4
      expect(decodeVolumeHead(flipped)).toBe(null)
    }
    expect(decodeVolumeHead(block.subarray(0, 100))).toBe(null)
  })

  test('a commit is records in order, padded to whole blocks', () => {
    const batch = new Batch(storeId)
    const [fragment, , column] = records
    expect(batch.add(fragment!.header, new Uint8Array(100).fill(0x5c))).toBe(0)
    expect(batch.add(column!.header, new Uint8Array(0))).toBe(recordBytes(100))
    const blocks = batch.blocks()
    expect(blocks.length).toBe(commit.length)
    expect(blocks.subarray(0, commit.start.length)).toEqual(commit.start)
    expect(blocks.subarray(commit.start.length).every((byte) => byte === 0)).toBe(true)
  })
})

test('file names sort as numbers and nothing else is a volume', () => {
  expect([1, 10, 99_999_999].map(volumeName)).toEqual(['00000001.vol', '00000010.vol', '99999999.vol'])
  expect(['00000010.vol', '1.vol', '00000010.vol.torn', 'STORE'].map(volumeNumber)).toEqual([
    10,
    null,
    null,
    null,
  ])
})

test('a record inside a body is never taken for a record, not even when the header before it rotted', () => {
  const other = new Uint8Array(16).fill(1)
  const [fragment, , , tombstone] = records
  const body = new Uint8Array(1088)
  // Whoever puts a fragment chooses its bytes, but does not know the store id.
  writeRecordHeader(tombstone!.header, other, body, 64)
  const batch = new Batch(storeId)
  batch.add(fragment!.header, body)
  batch.add(records[2]!.header, new Uint8Array(0))
  const disk = new CrashDisk(
    new Map([['a', new Uint8Array([...encodeVolumeHead(storeId, 1), ...batch.blocks()])]]),
  )
  disk.flip('a', VOLUME_BLOCK_BYTES + 30, 1)
  const found = [...scanVolume(disk.open('a'), storeId, 0)].map(({ header }) => header.type)
  expect(found).toEqual([records[2]!.header.type])
})
