import { XcareError } from './errors.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const HEX_DIGITS = encoder.encode('0123456789abcdef')
/** Bytes whose digits fit into the arguments of one call. */
const HEX_PIECE = 4096

/** @returns the UTF-8 bytes of `text`. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** @returns the text of UTF-8 `bytes`. @throws XcareError MALFORMED when they are not UTF-8. */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw new XcareError('MALFORMED', 'bytes are not valid UTF-8', { cause })
  }
}

/** @returns at most the first `units` UTF-16 units of `text`, without half a character at the end. */
export function cutText(text: string, units: number): string {
  const cut = text.slice(0, units)
  return cut.isWellFormed() ? cut : cut.slice(0, -1)
}

/** @returns one new array holding `parts` in order. */
export function concat(...parts: Uint8Array[]): Uint8Array {
  return concatAll(parts)
}

/** As `concat`, where others decide how many parts there are: too many for the arguments of one call. */
export function concatAll(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const out = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/**
 * Gives the memory behind a view back at once; all views of it are empty then. Only for whoever holds the only ones: the collector
 * sees large buffers as small things, and may let tens of megabytes of them lie.
 */
export function letGo({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && !buffer.detached) buffer.transfer(0)
}

/** @returns whether both hold the same bytes. Not constant time: for public values only. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false
  return true
}

/** @returns whether `bytes` are all zero. Not constant time: for public values and padding. */
export function allZero(bytes: Uint8Array): boolean {
  // By words where memory allows: storage nodes look at nearly a KiB of every fragment.
  const aligned = (bytes.byteOffset + 3) & ~3
  const begin = Math.min(bytes.length, aligned - bytes.byteOffset)
  const count = (bytes.length - begin) >> 2
  const words = new Uint32Array(bytes.buffer, count === 0 ? 0 : aligned, count)
  for (let at = 0; at < count; at++) if (words[at] !== 0) return false
  for (let at = 0; at < begin; at++) if (bytes[at] !== 0) return false
  for (let at = begin + count * 4; at < bytes.length; at++) if (bytes[at] !== 0) return false
  return true
}

/** @returns whether both hold the same bytes, in time that depends on the length alone: for secrets. */
export function equalSecret(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let at = 0; at < a.length; at++) difference |= a[at]! ^ b[at]!
  return difference === 0
}

/** @returns below, at or above zero as `a` sorts before, with or after `b`, byte by byte. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length)
  for (let at = 0; at < shared; at++) if (a[at] !== b[at]) return a[at]! - b[at]!
  return a.length - b.length
}

/** @returns lower-case hex of `bytes`. */
export function toHex(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += HEX_PIECE) text += hexPiece(bytes, at)
  return text
}

// A text put together digit by digit stays a tree of its parts, a kilobyte for the name of an object, for as long as it is somebody's key.
function hexPiece(bytes: Uint8Array, start: number): string {
  const length = Math.min(HEX_PIECE, bytes.length - start)
  const codes = new Array<number>(2 * length)
  for (let at = 0; at < length; at++) {
    const byte = bytes[start + at]!
    codes[2 * at] = HEX_DIGITS[byte >> 4]!
    codes[2 * at + 1] = HEX_DIGITS[byte & 15]!
  }
  return String.fromCharCode.apply(null, codes)
}

/** @returns the bytes of hex `text`, upper or lower case. @throws XcareError MALFORMED on anything else. */
export function fromHex(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text))
    throw new XcareError('MALFORMED', 'not a hex string')
  const out = new Uint8Array(text.length / 2)
  for (let at = 0; at < out.length; at++) out[at] = Number.parseInt(text.slice(at * 2, at * 2 + 2), 16)
  return out
}

/** @returns `value` as 4 bytes, most significant first. */
export function u32be(value: number): Uint8Array {
  const out = new Uint8Array(4)
  new DataView(out.buffer).setUint32(0, value)
  return out
}

/** @returns `value` as 8 bytes, most significant first; `value` is a safe non-negative integer. */
export function u64be(value: number): Uint8Array {
  const out = new Uint8Array(8)
  new DataView(out.buffer).setBigUint64(0, BigInt(value))
  return out
}
