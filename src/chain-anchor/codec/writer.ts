import { concat, utf8 } from '../../bytes.ts'
import { encodeVarint } from './varint.ts'

const VARINT = 0
const FIXED64 = 1
const BYTES = 2

/**
 * Writes one protobuf message with gogoproto's exact rules: scalars, byte strings and texts that are zero or empty are
 * left out, a message that is given is written even when it is empty. Call in ascending field order.
 * Source: protobuf encoding; gogoproto `nullable = false`.
 */
export class ProtoWriter {
  readonly #parts: Uint8Array[] = []
  #length = 0

  /** int32, int64, uint32, uint64, bool or enum `field`; negative values take ten bytes. Zero is left out. */
  int(field: number, value: number | bigint): this {
    if (value === 0 || value === 0n) return this
    return this.#add(field, VARINT, encodeVarint(value))
  }

  /** sfixed64 `field`. Zero is left out. */
  sfixed64(field: number, value: number): this {
    if (value === 0) return this
    const fixed = new Uint8Array(8)
    new DataView(fixed.buffer).setBigInt64(0, BigInt(value), true)
    return this.#add(field, FIXED64, fixed)
  }

  /** Byte string `field`. Empty is left out. */
  bytes(field: number, value: Uint8Array): this {
    return value.length === 0 ? this : this.message(field, value)
  }

  /** Text `field`. Empty is left out. */
  text(field: number, value: string): this {
    return value === '' ? this : this.message(field, utf8(value))
  }

  /** Message `field`, already encoded: written even when empty; left out when null. Also an element of a repeated field. */
  message(field: number, encoded: Uint8Array | null): this {
    if (encoded === null) return this
    this.#add(field, BYTES, encodeVarint(encoded.length))
    return this.#push(encoded)
  }

  /** Every element of `encoded` as one repeated `field`, empty ones included. */
  repeated(field: number, encoded: readonly Uint8Array[]): this {
    for (const element of encoded) this.message(field, element)
    return this
  }

  /** @returns the message written so far. */
  finish(): Uint8Array {
    const out = new Uint8Array(this.#length)
    let at = 0
    for (const part of this.#parts) {
      out.set(part, at)
      at += part.length
    }
    return out
  }

  #add(field: number, wire: number, payload: Uint8Array): this {
    return this.#push(encodeVarint((field << 3) | wire)).#push(payload)
  }

  #push(part: Uint8Array): this {
    this.#parts.push(part)
    this.#length += part.length
    return this
  }
}

/** @returns `message` behind its varint length, the form that is signed and sent in streams. */
export function lengthPrefixed(message: Uint8Array): Uint8Array {
  return concat(encodeVarint(message.length), message)
}
