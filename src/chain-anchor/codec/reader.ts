import { fromUtf8 } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import { decodeVarint } from './varint.ts'

const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5
const FIELD_MAX = 0x1fff_ffff

/**
 * Reads one protobuf message field by field:
 * `while (reader.next()) switch (reader.field) { case 1: x = reader.int(); break; default: reader.skipField() }`.
 * Every method throws XcareError MALFORMED on cut data, a wrong wire type or a number out of range. Groups are refused.
 */
export class ProtoReader {
  readonly #bytes: Uint8Array
  #at = 0
  #wire = 0
  /** Number of the field that `next` stopped at. */
  field = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Moves to the next field. @returns false at the end of the message. */
  next(): boolean {
    if (this.#at === this.#bytes.length) return false
    const tag = this.#varint()
    const field = Number(tag >> 3n)
    if (field === 0 || field > FIELD_MAX)
      throw new XcareError('MALFORMED', 'a protobuf field has no valid number')
    this.field = field
    this.#wire = Number(tag & 7n)
    return true
  }

  /** int32, int64 or enum as a number. Safe integers only. */
  int(): number {
    return this.#safe(this.bigint())
  }

  /** uint32, uint64 or bool as a number. Safe integers only. */
  uint(): number {
    this.#expect(VARINT)
    return this.#safe(this.#varint())
  }

  /** int64 of the full range. */
  bigint(): bigint {
    this.#expect(VARINT)
    return BigInt.asIntN(64, this.#varint())
  }

  /** sfixed64 as a number. Safe integers only. */
  sfixed64(): number {
    this.#expect(FIXED64)
    const raw = this.#take(8)
    return this.#safe(new DataView(raw.buffer, raw.byteOffset, 8).getBigInt64(0, true))
  }

  /** Byte string or embedded message: a view of at most `maxBytes`, not a copy. */
  bytes(maxBytes = this.#bytes.length): Uint8Array {
    this.#expect(BYTES)
    const length = this.#safe(this.#varint())
    if (length > maxBytes)
      throw new XcareError('MALFORMED', `a field has ${length} bytes, at most ${maxBytes} allowed`)
    return this.#take(length)
  }

  /** UTF-8 text of at most `maxBytes`. */
  text(maxBytes?: number): string {
    return fromUtf8(this.bytes(maxBytes))
  }

  /** Steps over the current field. */
  skipField(): void {
    switch (this.#wire) {
      case VARINT:
        this.#varint()
        break
      case FIXED64:
        this.#take(8)
        break
      case BYTES:
        this.bytes()
        break
      case FIXED32:
        this.#take(4)
        break
      default:
        throw new XcareError('MALFORMED', `protobuf wire type ${this.#wire} is not allowed`)
    }
  }

  #varint(): bigint {
    const { value, end } = decodeVarint(this.#bytes, this.#at)
    this.#at = end
    return value
  }

  #take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at)
      throw new XcareError('MALFORMED', 'a protobuf field is cut off')
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  #expect(wire: number): void {
    if (this.#wire !== wire)
      throw new XcareError(
        'MALFORMED',
        `protobuf field ${this.field} has wire type ${this.#wire}, expected ${wire}`,
      )
  }

  #safe(value: bigint): number {
    const number = Number(value)
    if (!Number.isSafeInteger(number))
      throw new XcareError('MALFORMED', `protobuf field ${this.field} is out of range`)
    return number
  }
}
