/** AES-256-GCM bound to one key. */
export interface KeyedAead {
  /** @param nonce 12 bytes, never used twice with this key. @returns ciphertext and the 16-byte tag behind it. */
  seal(nonce: Uint8Array, plain: Uint8Array): Uint8Array
  /** As seal, but writes into `out` from `at`. @returns the offset behind the tag. */
  sealInto(nonce: Uint8Array, plain: Uint8Array, out: Uint8Array, at: number): number
  /** @returns the plaintext, or null when ciphertext, tag, nonce or key do not fit together. */
  open(nonce: Uint8Array, sealed: Uint8Array): Uint8Array | null
}

/** One implementation of AES-256-GCM (NIST SP 800-38D, 96-bit nonce, 128-bit tag, no associated data). */
export interface Aead {
  /** @param key 32 bytes; copied. @returns the cipher under this key; the way to go when a key is used more than once. */
  keyed(key: Uint8Array): KeyedAead
  /** @param key 32 bytes. @param nonce 12 bytes, never used twice with this key. @returns ciphertext and tag. */
  seal(key: Uint8Array, nonce: Uint8Array, plain: Uint8Array): Uint8Array
  /** @returns the plaintext, or null when anything was altered. */
  open(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): Uint8Array | null
}

/** Ed25519 signer that keeps the expanded private key. */
export interface Ed25519Signer {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** @returns 64 bytes, RFC 8032. */
  sign(message: Uint8Array): Uint8Array
}

/** X-Wing decapsulation key (draft-connolly-cfrg-xwing-kem). */
export interface XWingKey {
  /** 1216 bytes. */
  readonly publicKey: Uint8Array
  /** @param enc 1120 bytes. @returns the 32-byte shared secret. @throws Error when `enc` cannot be a ciphertext. */
  decapsulate(enc: Uint8Array): Uint8Array
}

/** X-Wing key encapsulation. */
export interface XWing {
  /** @param seed 32 bytes: the private key itself. */
  fromSeed(seed: Uint8Array): XWingKey
  /** @param publicKey 1216 bytes. @throws Error when it is not a public key. */
  encapsulate(publicKey: Uint8Array): { enc: Uint8Array; secret: Uint8Array }
}

/** Cost of a passphrase guess. */
export interface PassphraseCost {
  /** Memory of one evaluation, in KiB. */
  memoryKiB: number
  /** Passes over that memory. */
  passes: number
}

/**
 * What a platform brings: node:crypto with native BLAKE3, or plain JavaScript. Both give identical bytes and identical verdicts.
 * Rooms never use it; they use hash, aead, sign, envelope and so on.
 */
export interface Native {
  readonly name: 'node' | 'browser'
  sha256(parts: readonly Uint8Array[]): Uint8Array
  sha512(parts: readonly Uint8Array[]): Uint8Array
  hmacSha256(key: Uint8Array, parts: readonly Uint8Array[]): Uint8Array
  hmacSha512(key: Uint8Array, parts: readonly Uint8Array[]): Uint8Array
  blake3(bytes: Uint8Array): Uint8Array
  randomBytes(length: number): Uint8Array
  readonly aead: Aead
  ed25519(seed: Uint8Array): Ed25519Signer
  /** Cofactorless equation with S below the order and R compared as bytes; public key decoded leniently. */
  verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  readonly xwing: XWing
  /** Argon2id, version 0x13, one lane, 32 bytes out. */
  argon2id(passphrase: Uint8Array, salt: Uint8Array, cost: PassphraseCost): Promise<Uint8Array>
}
