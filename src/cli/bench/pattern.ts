import { systemRandom } from '../../crypto/random.ts'
import type { RecordSource } from '../../light-node/put-record.ts'

const BASE_BYTES = 1024 * 1024
const SLICE_BYTES = 512 * 1024
const STAMP_BYTES = 4096
const COMPARED_BYTES = 128 * 1024
const RANDOM_CALL_BYTES = 65_536

/** What a record is compared with, made a part at a time: the memory that is measured is the light node's. */
const compared = Buffer.alloc(COMPARED_BYTES)

/** Random bytes of this run that every record is made of. */
let base: Buffer | null = null

function baseBytes(): Buffer {
  if (base) return base
  base = Buffer.alloc(BASE_BYTES)
  for (let at = 0; at < BASE_BYTES; at += RANDOM_CALL_BYTES)
    base.set(systemRandom.bytes(RANDOM_CALL_BYTES), at)
  return base
}

/**
 * Fills `out` with what record `number` holds from `offset` on: incompressible, different in every record and at every place, and made as fast
 * as memory is copied, so that the client keeps no copy of what it stores.
 * @param offset a multiple of 4096.
 */
function fill(out: Buffer, offset: number, number: number): void {
  const from = baseBytes()
  for (let at = 0; at < out.length; ) {
    const start = (offset + at) % BASE_BYTES
    const length = Math.min(out.length - at, BASE_BYTES - start)
    from.copy(out, at, start, start + length)
    at += length
  }
  for (let at = 0; at + 8 <= out.length; at += STAMP_BYTES) {
    out.writeUInt32LE(number >>> 0, at)
    out.writeUInt32LE(((offset + at) / STAMP_BYTES) >>> 0, at + 4)
  }
}

/** @returns record `number` of this run, `length` bytes, made while it is read. */
export function patternRecord(number: number, length: number): RecordSource {
  return {
    name: `bench-${number}`,
    mediaType: 'application/octet-stream',
    length,
    async *read(offset, wanted) {
      for (let at = 0; at < wanted; at += SLICE_BYTES) {
        // A buffer of its own each time: a thread may take it along.
        const slice = new Uint8Array(Math.min(SLICE_BYTES, wanted - at))
        fill(Buffer.from(slice.buffer), offset + at, number)
        yield slice
      }
    },
  }
}

/** Compares a record with what was stored, as it comes. */
export class PatternCheck {
  readonly #number: number
  readonly #length: number
  #at = 0

  constructor(number: number, length: number) {
    this.#number = number
    this.#length = length
  }

  /** @throws Error when a byte differs. */
  next(bytes: Uint8Array): void {
    const given = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    for (let at = 0; at < given.length; ) {
      // Slices may begin anywhere; the pattern is made from the stamp before.
      const lead = this.#at % STAMP_BYTES
      const part = given.subarray(at, at + COMPARED_BYTES - lead)
      // Whole stamps, but for the end of the record.
      const whole = Math.ceil((lead + part.length) / STAMP_BYTES) * STAMP_BYTES
      const made = compared.subarray(0, Math.max(0, Math.min(whole, this.#length - (this.#at - lead))))
      fill(made, this.#at - lead, this.#number)
      if (!made.subarray(lead, lead + part.length).equals(part))
        throw new Error(`byte ${this.#at} and following of record ${this.#number} differ`)
      this.#at += part.length
      at += part.length
    }
  }

  /** @throws Error when bytes are missing. */
  end(): void {
    if (this.#at !== this.#length)
      throw new Error(`record ${this.#number} came back with ${this.#at} of ${this.#length} bytes`)
  }
}
