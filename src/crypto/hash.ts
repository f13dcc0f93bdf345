import { sha256 as runningSha256 } from '@noble/hashes/sha2.js'
import { native } from '#native'

/** @returns SHA-256 of `parts` joined, 32 bytes. FIPS 180-4. */
export function sha256(...parts: Uint8Array[]): Uint8Array {
  return native.sha256(parts)
}

/** @returns SHA-512 of `parts` joined, 64 bytes. FIPS 180-4. */
export function sha512(...parts: Uint8Array[]): Uint8Array {
  return native.sha512(parts)
}

/** @returns HMAC-SHA512 of `parts` joined under `key` of any length, 64 bytes. RFC 2104. */
export function hmacSha512(key: Uint8Array, ...parts: Uint8Array[]): Uint8Array {
  return native.hmacSha512(key, parts)
}

/** @returns BLAKE3 hash of `bytes`, 32 bytes. */
export function blake3(bytes: Uint8Array): Uint8Array {
  return native.blake3(bytes)
}

/** SHA-256 of bytes that come one after another. */
export interface RunningHash {
  update(bytes: Uint8Array): void
  /** @returns 32 bytes; nothing can be added afterwards. */
  digest(): Uint8Array
}

/** @returns a SHA-256 to be fed in pieces, the same on every platform; for whole byte arrays `sha256` is faster. */
export function startSha256(): RunningHash {
  const hash = runningSha256.create()
  return {
    update: (bytes) => {
      hash.update(bytes)
    },
    digest: () => hash.digest(),
  }
}
