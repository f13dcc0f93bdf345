import { native } from '#native'
import type { Aead } from './native-types.ts'
import { gcmParameters, importGcmKey, subtleSource } from './primitive/subtle.ts'

export type { Aead, KeyedAead } from './native-types.ts'

/** AES-256-GCM that answers later: the browser's own, fast only with several calls in flight. */
export interface AsyncAead {
  /** @param key 32 bytes. @param nonce 12 bytes, never used twice with this key. @returns ciphertext and tag. */
  seal(key: Uint8Array, nonce: Uint8Array, plain: Uint8Array): Promise<Uint8Array>
  /** @returns the plaintext, or null when anything was altered. */
  open(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): Promise<Uint8Array | null>
}

/** @returns the fastest AES-256-GCM of this platform that answers at once. */
export function aead(): Aead {
  return native.aead
}

/** WebCrypto's AES-256-GCM. Same bytes as `aead()`. Absent in pages that are not a secure context. */
export const subtleAead: AsyncAead = {
  async seal(key, nonce, plain) {
    const imported = await importGcmKey(key, 'encrypt')
    return new Uint8Array(await crypto.subtle.encrypt(gcmParameters(nonce), imported, subtleSource(plain)))
  },
  async open(key, nonce, sealed) {
    const imported = await importGcmKey(key, 'decrypt')
    try {
      return new Uint8Array(await crypto.subtle.decrypt(gcmParameters(nonce), imported, subtleSource(sealed)))
    } catch {
      return null
    }
  },
}
