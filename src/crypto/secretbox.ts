import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { assert } from '../assert.ts'
import { concat } from '../bytes.ts'
import { XcareError } from '../errors.ts'

const KEY_BYTES = 32
const NONCE_BYTES = 24
const TAG_BYTES = 16

/**
 * Seals a small secret at rest (keys, wallets) with XChaCha20-Poly1305, whose nonce is long enough to be drawn at random.
 * @param key 32 bytes. @param nonce 24 random bytes. @param aad bound, not hidden. @returns nonce, ciphertext and tag: 40 bytes longer.
 */
export function sealSmall(
  key: Uint8Array,
  nonce: Uint8Array,
  plain: Uint8Array,
  aad: Uint8Array,
): Uint8Array {
  assert(key.length === KEY_BYTES && nonce.length === NONCE_BYTES, 'a 32-byte key and a 24-byte nonce')
  return concat(nonce, xchacha20poly1305(key, nonce, aad).encrypt(plain))
}

/** Opens what sealSmall returned. @throws XcareError INTEGRITY when key, aad or any byte differs. */
export function openSmall(key: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Uint8Array {
  assert(key.length === KEY_BYTES, 'a 32-byte key')
  if (sealed.length < NONCE_BYTES + TAG_BYTES)
    throw new XcareError('INTEGRITY', 'the sealed secret is cut off')
  try {
    return xchacha20poly1305(key, sealed.subarray(0, NONCE_BYTES), aad).decrypt(sealed.subarray(NONCE_BYTES))
  } catch (cause) {
    throw new XcareError('INTEGRITY', 'the secret was altered or sealed under another key', { cause })
  }
}
