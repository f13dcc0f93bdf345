import type { KEM, Key } from 'hpke'
import type { XWing } from '../native-types.ts'

/** Bytes of an X-Wing private key, public key, encapsulated secret and shared secret. */
export const XWING_SEED_BYTES = 32
export const XWING_PUBLIC_BYTES = 1216
export const XWING_ENC_BYTES = 1120
const XWING_SECRET_BYTES = 32

/** HPKE's name of X-Wing (MLKEM768-X25519). */
export const XWING_KEM_ID = 0x647a

const ALGORITHM = { name: 'MLKEM768-X25519' }

/** A key as the HPKE library passes it around: raw bytes, the seed for a private one. */
export interface RawKey extends Key {
  readonly raw: Uint8Array
}

/** @returns a handle for raw key bytes. */
export function rawKey(type: 'private' | 'public', raw: Uint8Array): RawKey {
  return { algorithm: ALGORITHM, extractable: true, type, raw }
}

/**
 * X-Wing as a KEM of the HPKE library. The library's own goes through WebCrypto, which in Node prints warnings and is forty times slower.
 * Key derivation from other material is left out: our private key is the seed itself.
 */
export function xwingKem(xwing: XWing): KEM<RawKey> {
  const unused = () => Promise.reject(new Error('keys come from seeds'))
  return {
    id: XWING_KEM_ID,
    type: 'KEM',
    name: ALGORITHM.name,
    Nsecret: XWING_SECRET_BYTES,
    Nenc: XWING_ENC_BYTES,
    Npk: XWING_PUBLIC_BYTES,
    Nsk: XWING_SEED_BYTES,
    DeriveKeyPair: unused,
    GenerateKeyPair: unused,
    SerializePublicKey: async (key) => key.raw,
    DeserializePublicKey: async (raw) => rawKey('public', raw),
    SerializePrivateKey: async (key) => key.raw,
    DeserializePrivateKey: async (raw) => rawKey('private', raw),
    async Encap(key) {
      const { enc, secret } = xwing.encapsulate(key.raw)
      return { enc, shared_secret: secret }
    },
    Decap: async (enc, key) => xwing.fromSeed(key.raw).decapsulate(enc),
  }
}
