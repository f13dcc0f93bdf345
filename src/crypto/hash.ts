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
