import { concat, equalBytes, u32be, utf8 } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { openSmall, sealSmall } from '../crypto/secretbox.ts'
import type { Random } from '../ports.ts'
import type { Window } from './_window.ts'
import { ENTRY_BYTES_MAX } from './vault-entry.ts'

const MAGIC = utf8('xcv2')
/** Bytes of the id that all frames of one log carry. */
export const LOG_ID_BYTES = 8
/** Magic, log id, place, length; then a check of them. */
const BOUND_BYTES = MAGIC.length + LOG_ID_BYTES + 4 + 4
const CHECK_BYTES = 4
/** Bytes in front of a sealed entry. */
export const FRAME_HEAD_BYTES = BOUND_BYTES + CHECK_BYTES
const NONCE_BYTES = 24
const SEAL_BYTES = NONCE_BYTES + 16
const AAD_PREFIX = utf8('xcare/vault-frame/v2')

/** What stands in front of a sealed entry. */
export interface FrameHead {
  id: Uint8Array
  /** Place in the log, from zero. */
  at: number
  /** Bytes of the sealed entry. */
  length: number
}

/** One entry that is whole, and where the file goes on behind it. */
export interface FoundFrame {
  id: Uint8Array
  at: number
  plain: Uint8Array
  end: number
}

/** Seals one entry for its place. Spec: docs/spec/identity.md 4. */
export function sealFrame(
  key: Uint8Array,
  random: Random,
  id: Uint8Array,
  at: number,
  plain: Uint8Array,
): Uint8Array {
  const bound = concat(MAGIC, id, u32be(at), u32be(plain.length + SEAL_BYTES))
  const sealed = sealSmall(key, random.bytes(NONCE_BYTES), plain, concat(AAD_PREFIX, bound))
  return concat(bound, checkOf(bound), sealed)
}

/** @returns the head at the start of `bytes`, or null when there is none that is whole. */
export function headOf(bytes: Uint8Array): FrameHead | null {
  if (bytes.length < FRAME_HEAD_BYTES || !startsWithMagic(bytes, 0)) return null
  const bound = bytes.subarray(0, BOUND_BYTES)
  if (!equalBytes(checkOf(bound), bytes.subarray(BOUND_BYTES, FRAME_HEAD_BYTES))) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const numbersAt = MAGIC.length + LOG_ID_BYTES
  const length = view.getUint32(numbersAt + 4)
  if (length < SEAL_BYTES || length > ENTRY_BYTES_MAX + SEAL_BYTES) return null
  return { id: bytes.slice(MAGIC.length, numbersAt), at: view.getUint32(numbersAt), length }
}

/**
 * Yields every frame that is whole, from `offset` on, in the order of the file. What is between them, damaged
 * or cut off, is passed over: every frame begins with bytes by which it is found again.
 */
export async function* framesOf(window: Window, key: Uint8Array, offset: number): AsyncGenerator<FoundFrame> {
  for (let at: number | null = offset; at !== null; ) {
    const found: FoundFrame | null = await frameAt(window, key, at)
    if (found) yield found
    at = found ? found.end : await nextMagic(window, at + 1)
  }
}

async function frameAt(window: Window, key: Uint8Array, offset: number): Promise<FoundFrame | null> {
  const headBytes = (await window.at(offset, FRAME_HEAD_BYTES)).slice()
  const head = headOf(headBytes)
  if (!head) return null
  const sealed = await window.at(offset + FRAME_HEAD_BYTES, head.length)
  if (sealed.length < head.length) return null
  try {
    const plain = openSmall(key, sealed, concat(AAD_PREFIX, headBytes.subarray(0, BOUND_BYTES)))
    return { id: head.id, at: head.at, plain, end: offset + FRAME_HEAD_BYTES + head.length }
  } catch {
    return null
  }
}

/** @returns where the next frame may begin, or null when the file ends before. */
async function nextMagic(window: Window, offset: number): Promise<number | null> {
  for (let from = offset; ; ) {
    const bytes = await window.some(from)
    if (bytes.length < MAGIC.length) {
      // What is at hand may end before the file does.
      if ((await window.at(from, MAGIC.length)).length < MAGIC.length) return null
      continue
    }
    const last = bytes.length - MAGIC.length
    for (let at = bytes.indexOf(MAGIC[0]!); at >= 0 && at <= last; at = bytes.indexOf(MAGIC[0]!, at + 1))
      if (startsWithMagic(bytes, at)) return from + at
    from += last + 1
  }
}

function startsWithMagic(bytes: Uint8Array, offset: number): boolean {
  return MAGIC.every((byte, at) => bytes[offset + at] === byte)
}

function checkOf(bound: Uint8Array): Uint8Array {
  return sha256(bound).slice(0, CHECK_BYTES)
}
