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

// The first buffer serves every small message; one that grew beyond the limit is let go.
const BUFFER_BYTES = 4096
const BUFFER_BYTES_KEPT_MAX = 1024 * 1024
const KEYS_KEPT_MAX = 2048
/** Up to this length a loop over ASCII, which most keys are, is faster than the platform's decoder. */
const SHORT_TEXT = 16
const encoder = new TextEncoder()

/**
 * @param value plain objects, arrays, byte arrays, well-formed text, booleans, null and safe integers only.
 * @returns the one deterministic CBOR form of `value` (RFC 8949 4.2.1). @throws XcareError INTERNAL on anything else.
 */
export function encodeCbor(value: unknown): Uint8Array {
  return writer.encode(value)
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

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function unencodable(value: unknown): XcareError {
  const kind = typeof value === 'object' ? 'an object that is not plain' : `a value of type ${typeof value}`
  return new XcareError(
    'INTERNAL',
    `cannot encode ${typeof value === 'number' ? `the number ${value}` : kind}`,
  )
}

// Formats use the same few keys again and again; encoding them anew would be half of all work.
const keys = new Map<string, Uint8Array>()

function keyBytes(name: string): Uint8Array {
  const kept = keys.get(name)
  if (kept) return kept
  if (!name.isWellFormed()) throw unencodable(name)
  const key = encoder.encode(name)
  if (keys.size >= KEYS_KEPT_MAX) keys.clear()
  keys.set(name, key)
  return key
}

class Writer {
  #bytes = new Uint8Array(BUFFER_BYTES)
  #at = 0

  /** @returns the encoding of `value`, in memory of its own. */
  encode(value: unknown): Uint8Array {
    this.#at = 0
    this.#item(value, 0)
    const encoded = this.#bytes.slice(0, this.#at)
    if (this.#bytes.length > BUFFER_BYTES_KEPT_MAX) this.#bytes = new Uint8Array(BUFFER_BYTES)
    return encoded
  }

  #item(value: unknown, depth: number): void {
    if (depth > CBOR_DEPTH_MAX) throw new XcareError('INTERNAL', 'cannot encode: nested too deep')
    if (typeof value === 'string') this.#text(value)
    else if (typeof value === 'number') this.#integer(value)
    else if (typeof value === 'boolean') this.#byte(value ? TRUE : FALSE)
    else if (value === null) this.#byte(NULL)
    else if (value instanceof Uint8Array) this.#sized(BYTES, value)
    else if (Array.isArray(value)) {
      this.#head(ARRAY, value.length)
      // A loop by index meets the holes of an array, which forEach skips.
      for (let at = 0; at < value.length; at++) this.#item(value[at], depth + 1)
    } else if (isPlainObject(value)) this.#map(value, depth)
    else throw unencodable(value)
  }

  #integer(value: number): void {
    if (!Number.isSafeInteger(value)) throw unencodable(value)
    if (value < 0) this.#head(NEGATIVE, -1 - value)
    else this.#head(UNSIGNED, value)
  }

  #text(text: string): void {
    if (!text.isWellFormed()) throw unencodable(text)
    this.#sized(TEXT, encoder.encode(text))
  }

  #map(map: Record<string, unknown>, depth: number): void {
    const names = Object.keys(map)
    names.sort((a, b) => compareKeys(keyBytes(a), keyBytes(b)))
    this.#head(MAP, names.length)
    for (const name of names) {
      this.#sized(TEXT, keyBytes(name))
      this.#item(map[name], depth + 1)
    }
  }

  #sized(major: number, bytes: Uint8Array): void {
    this.#head(major, bytes.length)
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }

  /** Writes a major type with its number in the shortest form. */
  #head(major: number, value: number): void {
    if (value < 24) {
      this.#byte((major << 5) | value)
      return
    }
    const exponent = value < 2 ** 8 ? 0 : value < 2 ** 16 ? 1 : value < 2 ** 32 ? 2 : 3
    this.#byte((major << 5) | (24 + exponent))
    const length = 1 << exponent
    this.#reserve(length)
    let rest = value
    for (let at = this.#at + length - 1; at >= this.#at; at--) {
      this.#bytes[at] = rest % 256
      rest = Math.floor(rest / 256)
    }
    this.#at += length
  }

  #byte(byte: number): void {
    this.#reserve(1)
    this.#bytes[this.#at++] = byte
  }

  #reserve(length: number): void {
    if (this.#at + length <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + length))
    larger.set(this.#bytes.subarray(0, this.#at))
    this.#bytes = larger
  }
}

const writer = new Writer()

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

function textOf(bytes: Uint8Array): string {
  if (bytes.length > SHORT_TEXT) return fromUtf8(bytes)
  const codes = new Array<number>(bytes.length)
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!
    if (byte >= 0x80) return fromUtf8(bytes)
    codes[at] = byte
  }
  return String.fromCharCode.apply(null, codes)
}
