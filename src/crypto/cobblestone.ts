import { assert } from '../assert.ts'
import { concat, equalSecret, utf8 } from '../bytes.ts'
import { XcareError } from '../errors.ts'
import { CHUNK_BYTES, CHUNK_TAG_BYTES } from '../limits.ts'
import { type Aead, aead, type KeyedAead } from './aead.ts'
import { hkdfExpandSha512 } from './kdf.ts'

const KEY_BYTES = 32
const NONCE_BYTES = 12
const SALT_BYTES = 24
const COMMITMENT_BYTES = 32
const SEALED_CHUNK_BYTES = CHUNK_BYTES + CHUNK_TAG_BYTES
/** The specification demands room for 2^32 chunks at least; a counter below 2^38 is allowed. */
const CHUNKS_MAX = 2 ** 38
const INFO = utf8('c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0')

/** What one message is sealed with. */
export interface CobblestoneKeys {
  /** AES-256-GCM key, 32 bytes. */
  key: Uint8Array
  /** Nonce of chunk 0, 12 bytes. */
  baseNonce: Uint8Array
  /** Binds key, salt and context, 32 bytes; public. */
  commitment: Uint8Array
}

/**
 * @param key 32 uniformly random bytes. @param salt 24 bytes that never repeat under this key. @param context bound, may be empty.
 * @throws XcareError MALFORMED on a wrong length. Source: c2sp.org/chunked-encryption, "Key derivation".
 */
export function cobblestoneKeys(key: Uint8Array, salt: Uint8Array, context: Uint8Array): CobblestoneKeys {
  if (key.length !== KEY_BYTES || salt.length !== SALT_BYTES)
    throw new XcareError('MALFORMED', 'sealing needs a 32-byte key and a 24-byte salt')
  const derived = hkdfExpandSha512(
    key,
    concat(INFO, salt, context),
    KEY_BYTES + NONCE_BYTES + COMMITMENT_BYTES,
  )
  return {
    key: derived.slice(0, KEY_BYTES),
    baseNonce: derived.slice(KEY_BYTES, KEY_BYTES + NONCE_BYTES),
    commitment: derived.slice(KEY_BYTES + NONCE_BYTES),
  }
}

/** @returns the nonce of chunk `index`: the base nonce with the counter XORed in, big endian. */
export function chunkNonce(baseNonce: Uint8Array, index: number): Uint8Array {
  assert(Number.isSafeInteger(index) && index >= 0 && index < CHUNKS_MAX, 'chunk counter')
  const nonce = baseNonce.slice()
  const view = new DataView(nonce.buffer, nonce.byteOffset)
  view.setUint32(4, view.getUint32(4) ^ Math.floor(index / 2 ** 32))
  view.setUint32(8, view.getUint32(8) ^ (index % 2 ** 32))
  return nonce
}

/** @returns bytes of the sealed body of `plainLength` plaintext bytes: a 16-byte tag for every full chunk and for the short last one. */
export function cobblestoneLength(plainLength: number): number {
  return plainLength + CHUNK_TAG_BYTES * (Math.floor(plainLength / CHUNK_BYTES) + 1)
}

/** @returns bytes of plaintext in a sealed body of `bodyLength`. @throws XcareError INTEGRITY when no plaintext has such a body. */
export function cobblestonePlainLength(bodyLength: number): number {
  const last = bodyLength % SEALED_CHUNK_BYTES
  if (last < CHUNK_TAG_BYTES) throw new XcareError('INTEGRITY', 'the sealed body is truncated')
  return bodyLength - CHUNK_TAG_BYTES * (Math.floor(bodyLength / SEALED_CHUNK_BYTES) + 1)
}

/** Seals one message chunk by chunk (Cobblestone-256). Salt and commitment travel beside the body. */
export class CobblestoneSealer {
  /** 32 bytes, public: goes into the manifest with the salt. */
  readonly commitment: Uint8Array
  readonly #cipher: KeyedAead
  readonly #baseNonce: Uint8Array
  #next = 0
  #ended = false

  /** @param key 32 random bytes. @param salt 24 random bytes, new for every message. @param context bound into every chunk. */
  constructor(key: Uint8Array, salt: Uint8Array, context: Uint8Array, cipher: Aead = aead()) {
    const keys = cobblestoneKeys(key, salt, context)
    this.commitment = keys.commitment
    this.#baseNonce = keys.baseNonce
    this.#cipher = cipher.keyed(keys.key)
  }

  /** @param chunk exactly 16 KiB, or less (even none) for the last. @returns the sealed chunk, 16 bytes longer. */
  seal(chunk: Uint8Array, isLast: boolean): Uint8Array {
    const out = new Uint8Array(chunk.length + CHUNK_TAG_BYTES)
    this.sealInto(chunk, isLast, out, 0)
    return out
  }

  /** As seal, but writes into `out` from `at`. @returns the offset behind the tag. */
  sealInto(chunk: Uint8Array, isLast: boolean, out: Uint8Array, at: number): number {
    assert(!this.#ended, 'nothing is sealed after the last chunk')
    assert(
      isLast ? chunk.length < CHUNK_BYTES : chunk.length === CHUNK_BYTES,
      'only the last chunk is short, and it is',
    )
    const nonce = chunkNonce(this.#baseNonce, this.#next++)
    this.#ended = isLast
    return this.#cipher.sealInto(nonce, chunk, out, at)
  }
}

/** Opens what CobblestoneSealer sealed, in order or at any chunk. */
export class CobblestoneOpener {
  readonly #cipher: KeyedAead
  readonly #baseNonce: Uint8Array
  #next = 0
  #ended = false

  /** @throws XcareError INTEGRITY when key, salt and context do not fit the commitment; compared in constant time, before any chunk. */
  constructor(
    key: Uint8Array,
    salt: Uint8Array,
    commitment: Uint8Array,
    context: Uint8Array,
    cipher: Aead = aead(),
  ) {
    const keys = cobblestoneKeys(key, salt, context)
    if (!equalSecret(keys.commitment, commitment))
      throw new XcareError('INTEGRITY', 'this key does not belong to this sealed content')
    this.#baseNonce = keys.baseNonce
    this.#cipher = cipher.keyed(keys.key)
  }

  /** Opens the next chunk. After a failure or the last chunk every further call fails. @throws XcareError INTEGRITY */
  open(chunk: Uint8Array, isLast: boolean): Uint8Array {
    if (this.#ended)
      throw new XcareError('INTEGRITY', 'sealed content goes on after its end or after a failure')
    this.#ended = true
    const plain = this.openAt(this.#next++, chunk, isLast)
    this.#ended = isLast
    return plain
  }

  /** Opens sealed chunk `index` alone. @throws XcareError INTEGRITY when it was altered, moved, or has the wrong length for its place. */
  openAt(index: number, chunk: Uint8Array, isLast: boolean): Uint8Array {
    const fits = isLast
      ? chunk.length >= CHUNK_TAG_BYTES && chunk.length < SEALED_CHUNK_BYTES
      : chunk.length === SEALED_CHUNK_BYTES
    const plain = fits ? this.#cipher.open(chunkNonce(this.#baseNonce, index), chunk) : null
    if (!plain)
      throw new XcareError('INTEGRITY', `chunk ${index} of the sealed content was altered or cut off`)
    return plain
  }
}
