import type { KEM, Key } from 'hpke'
import type { XWing, XWingKey } from '../native-types.ts'

/** Bytes of an X-Wing private key, public key, encapsulated secret and shared secret. */
export const XWING_SEED_BYTES = 32
export const XWING_PUBLIC_BYTES = 1216
export const XWING_ENC_BYTES = 1120
const XWING_SECRET_BYTES = 32

/** HPKE's name of X-Wing (MLKEM768-X25519). */
export const XWING_KEM_ID = 0x647a

const ALGORITHM = { name: 'MLKEM768-X25519' }

/** A key as the HPKE library passes it around. */
export interface KemHandle extends Key {
  /** 1216 bytes; of a private key too. */
  readonly publicKey: Uint8Array
  /** Present in private keys only. */
  readonly decapsulate: ((enc: Uint8Array) => Uint8Array) | null
}

/** @returns a handle for a public key of 1216 bytes. */
export function publicHandle(publicKey: Uint8Array): KemHandle {
  return { algorithm: ALGORITHM, extractable: true, type: 'public', publicKey, decapsulate: null }
}

/** @returns a handle for a private key, which stays inside `key`. */
export function privateHandle({ publicKey, decapsulate }: XWingKey): KemHandle {
  return { algorithm: ALGORITHM, extractable: false, type: 'private', publicKey, decapsulate }
}

/**
 * X-Wing as a KEM of the HPKE library. The library's own goes through WebCrypto, which in Node prints warnings and is forty times slower.
 * Key derivation from other material is left out: our private key is the seed itself.
 */
export function xwingKem(xwing: XWing): KEM<KemHandle> {
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
    SerializePublicKey: async (key) => key.publicKey,
    DeserializePublicKey: async (raw) => publicHandle(raw),
    SerializePrivateKey: unused,
    DeserializePrivateKey: async (raw) => privateHandle(xwing.fromSeed(raw)),
    async Encap(key) {
      const { enc, secret } = xwing.encapsulate(key.publicKey)
      return { enc, shared_secret: secret }
    },
    async Decap(enc, key) {
      if (!key.decapsulate) throw new Error('a public key opens nothing')
      return key.decapsulate(enc)
    },
  }
}
