import { XcareError } from '../../../errors.ts'
import { COMMIT_BYTES_MAX } from '../../../limits.ts'
import { pageAligned } from './page-aligned.ts'
import {
  RECORD_HEADER_BYTES,
  type RecordHeader,
  recordBytes,
  wholeBlocks,
  writeRecordHeader,
} from './record.ts'

/** Whoever gathers ops stays at COMMIT_BYTES_MAX; a whole commit of them is padded to blocks of it. */
const CAPACITY = COMMIT_BYTES_MAX

/** Memory of batches that are not used any more; such memory is costly to get and slow to be given back. */
const spare: Uint8Array[] = []

/** Collects the records of one commit in page-aligned memory, laid out as they will lie in the volume. */
export class Batch {
  readonly #bytes = spare.pop() ?? pageAligned(CAPACITY)
  readonly #storeId: Uint8Array
  #length = 0

  constructor(storeId: Uint8Array) {
    this.#storeId = storeId
  }

  /** Bytes of the records so far. */
  get length(): number {
    return this.#length
  }

  /** Forgets all records. */
  clear(): void {
    this.#length = 0
  }

  /** Gives the memory back; the batch must not be used afterwards. */
  release(): void {
    spare.push(this.#bytes)
  }

  /**
   * Adds a record.
   * @returns its offset from the start of the commit.
   * @throws XcareError INTERNAL when the commit has no room for it.
   */
  add(header: Omit<RecordHeader, 'length'>, body: Uint8Array): number {
    const at = this.#length
    const end = at + recordBytes(body.length)
    if (end > CAPACITY)
      throw new XcareError(
        'INTERNAL',
        `a record of ${body.length} bytes does not fit what is left of a commit`,
      )
    writeRecordHeader({ ...header, length: body.length }, this.#storeId, this.#bytes, at)
    this.#bytes.set(body, at + RECORD_HEADER_BYTES)
    this.#bytes.fill(0, at + RECORD_HEADER_BYTES + body.length, end)
    this.#length = end
    return at
  }

  /** @returns all records, padded with zeros to whole blocks: a view that is valid until the next change. */
  blocks(): Uint8Array {
    const end = wholeBlocks(this.#length)
    this.#bytes.fill(0, this.#length, end)
    return this.#bytes.subarray(0, end)
  }
}
