import { concat, equalBytes, utf8 } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'

/** What is named: objects by their owner key, grants by their revoke key. */
export type BoundKind = 'object' | 'grant'

/** Lengths of an id and of the random bytes that it begins with, by kind. */
const FORMS = {
  object: { domain: utf8('xcare/object-id/v1'), bytes: 32, nonceBytes: 16 },
  grant: { domain: utf8('xcare/grant-id/v1'), bytes: 16, nonceBytes: 6 },
} as const

/** @returns how many random bytes an id of this kind begins with. */
export function nonceBytesOf(kind: BoundKind): number {
  return FORMS[kind].nonceBytes
}

/** @returns the random bytes that `id` begins with. */
export function nonceOf(kind: BoundKind, id: Uint8Array): Uint8Array {
  return id.slice(0, FORMS[kind].nonceBytes)
}

/**
 * Names something so that only the holder of one key can use the name: nonce, then the first bytes of
 * SHA-256(domain || public key || nonce). Whoever sees the name cannot find another key that it fits.
 * @param nonce random bytes, as many as `nonceBytesOf(kind)`.
 * @returns 32 bytes for an object, 16 for a grant. Spec: docs/spec/identity.md 1.
 */
export function boundId(kind: BoundKind, nonce: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const { domain, bytes, nonceBytes } = FORMS[kind]
  return concat(nonce, sha256(domain, publicKey, nonce).subarray(0, bytes - nonceBytes))
}

/** @returns whether `id` is a name of the holder of `publicKey`. */
export function isBoundTo(kind: BoundKind, id: Uint8Array, publicKey: Uint8Array): boolean {
  return equalBytes(id, boundId(kind, nonceOf(kind, id), publicKey))
}
