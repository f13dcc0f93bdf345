import { encode, rfc8949EncodeOptions } from 'cborg'
import { fromUtf8 } from './bytes.ts'
import { XcareError } from './errors.ts'
import { CBOR_DEPTH_MAX } from './limits.ts'

// Major types of RFC 8949 section 3.1.
const UNSIGNED = 0
const NEGATIVE = 1
const BYTES = 2
const TEXT = 3
const ARRAY = 4
const MAP = 5
// First bytes of the three simple values that are allowed.
const FALSE = 0xf4
const TRUE = 0xf5
const NULL = 0xf6

/**
 * @param value plain objects, arrays, byte arrays, well-formed text, booleans, null and safe integers only.
 * @returns the one deterministic CBOR form of `value` (RFC 8949 4.2.1). @throws XcareError INTERNAL on anything else.
 */
export function encodeCbor(value: unknown): Uint8Array {
  checkEncodable(value, 0)
  return encode(value, rfc8949EncodeOptions)
}

/**
 * Reads deterministic CBOR and nothing else: indefinite lengths, long forms, unsorted or repeated keys, keys that are not text,
 * floats, tags, undefined, integers beyond 2^53, text that is not UTF-8, deep nesting and trailing bytes are refused.
 * Whatever is accepted encodes to the same bytes again. Spec: docs/spec/encoding.md.
 * @throws XcareError MALFORMED
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  const reader = new Reader(bytes)
  const value = reader.item(0)
  if (reader.at !== bytes.length) throw malformed('bytes follow the value')
  return value
}

function malformed(problem: string): XcareError {
  return new XcareError('MALFORMED', `not deterministic CBOR: ${problem}`)
}

function checkEncodable(value: unknown, depth: number): void {
  if (depth > CBOR_DEPTH_MAX) throw new XcareError('INTERNAL', 'cannot encode: nested too deep')
  if (typeof value === 'string' ? value.isWellFormed() : value === null || typeof value === 'boolean') return
  if (Number.isSafeInteger(value) || value instanceof Uint8Array) return
  if (Array.isArray(value)) {
    // A loop by index sees the holes of an array, which forEach skips.
    for (let at = 0; at < value.length; at++) checkEncodable(value[at], depth + 1)
    return
  }
  if (!isPlainObject(value)) throw new XcareError('INTERNAL', `cannot encode ${describe(value)}`)
  for (const key of Object.keys(value)) {
    checkEncodable(key, depth)
    checkEncodable(value[key], depth + 1)
  }
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function describe(value: unknown): string {
  if (typeof value === 'number') return `the number ${value}`
  return typeof value === 'object' ? 'an object that is not plain' : `a value of type ${typeof value}`
}

// Our own reader, because the library cannot refuse unsorted keys, and proving the form by encoding again costs six times as much.
class Reader {
  at = 0
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  item(depth: number): unknown {
    if (depth > CBOR_DEPTH_MAX) throw malformed('nested too deep')
    const first = this.#bytes[this.at]
    if (first === undefined) throw malformed('cut off')
    if (first === FALSE || first === TRUE || first === NULL) {
      this.at++
      return first === NULL ? null : first === TRUE
    }
    const major = first >> 5
    if (major > MAP) throw malformed('tags, floats and other simple values are not allowed')
    const argument = this.#argument(first & 0x1f)
    if (major === UNSIGNED) return argument
    if (major === NEGATIVE) return negative(argument)
    // Not slice: on a Buffer that would be a window into the message.
    if (major === BYTES) return new Uint8Array(this.#take(argument))
    if (major === TEXT) return textOf(this.#take(argument))
    return major === ARRAY ? this.#array(argument, depth) : this.#map(argument, depth)
  }

  /** Reads the number that follows the first byte's low five bits. */
  #argument(info: number): number {
    this.at++
    if (info < 24) return info
    if (info > 27) throw malformed('indefinite lengths are not allowed')
    let value = 0
    for (const byte of this.#take(1 << (info - 24))) value = value * 256 + byte
    const least = info === 24 ? 24 : 2 ** (4 << (info - 24))
    if (value < least) throw malformed('a number is not in its shortest form')
    if (value > Number.MAX_SAFE_INTEGER) throw malformed('an integer is too large')
    return value
  }

  #take(length: number): Uint8Array {
    const end = this.at + length
    if (end > this.#bytes.length) throw malformed('cut off')
    const part = this.#bytes.subarray(this.at, end)
    this.at = end
    return part
  }

  #array(count: number, depth: number): unknown[] {
    const items: unknown[] = []
    for (let index = 0; index < count; index++) items.push(this.item(depth + 1))
    return items
  }

  #map(count: number, depth: number): Record<string, unknown> {
    const map: Record<string, unknown> = {}
    let previous: Uint8Array | null = null
    for (let index = 0; index < count; index++) {
      const first = this.#bytes[this.at]
      if (first === undefined || first >> 5 !== TEXT) throw malformed('a key is not text')
      const key = this.#take(this.#argument(first & 0x1f))
      if (previous && compareKeys(previous, key) >= 0) throw malformed('keys are not in order')
      previous = key
      const name = textOf(key)
      const value = this.item(depth + 1)
      // A plain assignment to this one name would set the prototype.
      if (name === '__proto__')
        Object.defineProperty(map, name, { value, enumerable: true, configurable: true, writable: true })
      else map[name] = value
    }
    return map
  }
}

function negative(argument: number): number {
  const value = -1 - argument
  if (!Number.isSafeInteger(value)) throw malformed('an integer is too large')
  return value
}

/** Order of two keys' encodings: their heads sort by length, since both are text in shortest form. */
function compareKeys(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) return a.length - b.length
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return a[at]! - b[at]!
  return 0
}

const SHORT_TEXT_BYTES = 32

function textOf(bytes: Uint8Array): string {
  if (bytes.length > SHORT_TEXT_BYTES) return fromUtf8(bytes)
  let text = ''
  // For short ASCII, which most keys are, a loop is faster than the decoder.
  for (const byte of bytes) {
    if (byte >= 0x80) return fromUtf8(bytes)
    text += String.fromCharCode(byte)
  }
  return text
}
