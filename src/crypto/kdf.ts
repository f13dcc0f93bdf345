import { native } from '#native'
import { assert } from '../assert.ts'
import { concat, u32be, utf8 } from '../bytes.ts'
import { XcareError } from '../errors.ts'

const HASH_BYTES = 64
const ZERO = Uint8Array.of(0)

/**
 * HKDF-Expand with SHA-512 (RFC 5869 section 2.3). Written out because the libraries refuse a 32-byte pseudo-random key
 * under SHA-512, which Cobblestone-256 uses.
 * @param prk uniformly random bytes, at least 32. @param length bytes wanted, at most 16,320.
 */
export function hkdfExpandSha512(prk: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  assert(length > 0 && length <= 255 * HASH_BYTES, 'HKDF length')
  const blocks: Uint8Array[] = []
  let previous: Uint8Array = new Uint8Array(0)
  for (let counter = 1; blocks.length * HASH_BYTES < length; counter++) {
    previous = native.hmacSha512(prk, [previous, info, Uint8Array.of(counter)])
    blocks.push(previous)
  }
  return concat(...blocks).slice(0, length)
}

/**
 * Derives a key for one purpose from a uniformly random one: HKDF-Expand-SHA512 with info
 * `utf8(label) || 0x00 || (u32be length || bytes) of every context part`. Spec: docs/spec/sealing.md.
 * @param secret 32 uniformly random bytes. @param label without zero bytes. @returns 32 bytes.
 */
export function deriveKey(secret: Uint8Array, label: string, ...context: Uint8Array[]): Uint8Array {
  if (secret.length !== 32) throw new XcareError('MALFORMED', `a secret has 32 bytes, got ${secret.length}`)
  assert(label.length > 0 && !label.includes('\0'), 'key label')
  const parts = context.flatMap((part) => [u32be(part.length), part])
  return hkdfExpandSha512(secret, concat(utf8(label), ZERO, ...parts), 32)
}
