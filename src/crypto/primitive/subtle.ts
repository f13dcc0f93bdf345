/** @returns WebCrypto's handle of a 32-byte AES-256-GCM key. */
export function importGcmKey(key: Uint8Array, usage: 'encrypt' | 'decrypt'): Promise<CryptoKey> {
  if (key.length !== 32) throw new Error('AES-256 needs a 32-byte key')
  return crypto.subtle.importKey('raw', subtleSource(key), 'AES-GCM', false, [usage])
}

/** @returns WebCrypto's parameters for one 12-byte nonce. */
export function gcmParameters(nonce: Uint8Array): AesGcmParams {
  return { name: 'AES-GCM', iv: subtleSource(nonce), tagLength: 128 }
}

/** @returns `bytes`, copied when their memory is shared between threads, which WebCrypto refuses. */
export function subtleSource(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes)
}
