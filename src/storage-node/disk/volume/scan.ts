import { equalBytes } from '../../../bytes.ts'
import { blake3 } from '../../../crypto/hash.ts'
import { VOLUME_BLOCK_BYTES } from '../../../limits.ts'
import type { VolumeFile } from './files.ts'
import { RECORD, RECORD_HEADER_BYTES, type RecordHeader, readRecordHeader, recordBytes } from './record.ts'

const WINDOW_BYTES = 4 * 1024 * 1024
const STEP_BYTES = 64

/** One record found in a volume. */
export interface FoundRecord {
  header: RecordHeader
  /** Offset of the header in the volume. */
  at: number
  /** View of the body, valid until the next record is asked for. */
  body: Uint8Array
  /** Whether the body has the hash that the header says. */
  isSound: boolean
}

/**
 * Walks the records of a volume from offset `from`. Bytes that are no record (padding, torn or rotten ones) are stepped
 * over until a header of this store follows.
 */
export function* scanVolume(file: VolumeFile, storeId: Uint8Array, from: number): Generator<FoundRecord> {
  const window = new Window(file)
  let at = Math.max(from, VOLUME_BLOCK_BYTES)
  while (at + RECORD_HEADER_BYTES <= window.end) {
    const header = readRecordHeader(window.view(at, RECORD_HEADER_BYTES), storeId, 0)
    const size = header === null ? 0 : recordBytes(header.length)
    if (header === null || at + size > window.end) {
      at += STEP_BYTES
      continue
    }
    const body = window.view(at + RECORD_HEADER_BYTES, header.length)
    yield { header, at, body, isSound: isSound(header, body) }
    at += size
  }
}

/** @returns whether `body` has the hash in `header`; records without a body are covered by the header's checksum. */
function isSound(header: RecordHeader, body: Uint8Array): boolean {
  if (header.type === RECORD.column || header.type === RECORD.tombstone) return body.length === 0
  return equalBytes(blake3(body), header.id)
}

/** Reads a file in large steps. */
class Window {
  readonly end: number
  readonly #file: VolumeFile
  readonly #bytes: Uint8Array
  #start = 0
  #filled = 0

  constructor(file: VolumeFile) {
    this.#file = file
    this.end = file.size()
    this.#bytes = new Uint8Array(Math.min(this.end, WINDOW_BYTES))
  }

  /** @returns `length` bytes from offset `at`, which lie inside the file. */
  view(at: number, length: number): Uint8Array {
    if (at < this.#start || at + length > this.#start + this.#filled) {
      this.#start = at
      this.#filled = this.#file.read(this.#bytes, at)
    }
    return this.#bytes.subarray(at - this.#start, Math.min(at - this.#start + length, this.#filled))
  }
}
