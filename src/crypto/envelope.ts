import * as hpke from 'hpke'
import { native } from '#native'
import { concat, equalBytes, utf8 } from '../bytes.ts'
import { XcareError } from '../errors.ts'
import type { XWing } from './native-types.ts'
import { hkdfSha256 } from './primitive/hpke-kdf.ts'
import {
  privateHandle,
  publicHandle,
  XWING_ENC_BYTES,
  XWING_KEM_ID,
  XWING_PUBLIC_BYTES,
  XWING_SEED_BYTES,
  xwingKem,
} from './primitive/xwing-kem.ts'

const TAG_BYTES = 16
/** KEM X-Wing, KDF HKDF-SHA256, AEAD AES-256-GCM, each two bytes: the first bytes of every envelope. */
const SUITE = Uint8Array.of(XWING_KEM_ID >> 8, XWING_KEM_ID & 0xff, 0x00, 0x01, 0x00, 0x02)

/** Bytes that an envelope is longer than what it holds. */
export const ENVELOPE_OVERHEAD_BYTES = SUITE.length + XWING_ENC_BYTES + TAG_BYTES

/** A key that opens envelopes. The private half cannot be read back. */
export interface KemKey {
  /** X-Wing public key, 1216 bytes. */
  readonly publicKey: Uint8Array
  /**
   * @param info the purpose, same text as when sealed. @param aad same bytes as when sealed. @returns the plaintext.
   * @throws XcareError MALFORMED for another suite or a cut envelope, INTEGRITY when key, info, aad or any byte differs.
   */
  open(envelope: Uint8Array, info: string, aad: Uint8Array): Promise<Uint8Array>
}

/** Sealing to a public key: HPKE base mode (RFC 9180) with X-Wing. Spec: docs/spec/envelope.md. */
export interface Envelopes {
  kemKeyFromSeed(seed: Uint8Array): Promise<KemKey>
  sealEnvelope(
    publicKey: Uint8Array,
    info: string,
    aad: Uint8Array,
    plaintext: Uint8Array,
  ): Promise<Uint8Array>
}

/** @param xwing the key encapsulation to use. @returns envelopes over it; all give and take the same format. */
export function envelopesOver(xwing: XWing): Envelopes {
  let loading: Promise<hpke.CipherSuite> | null = null
  const suiteOnce = () => {
    loading ??= suiteOver(xwing)
    return loading
  }
  return {
    async kemKeyFromSeed(seed) {
      if (seed.length !== XWING_SEED_BYTES)
        throw new XcareError('MALFORMED', `an envelope key has a 32-byte seed, got ${seed.length}`)
      const privateKey = privateHandle(xwing.fromSeed(new Uint8Array(seed)))
      return {
        publicKey: privateKey.publicKey,
        async open(envelope, info, aad) {
          const { enc, ciphertext } = splitEnvelope(envelope)
          try {
            const suite = await suiteOnce()
            return await suite.Open(privateKey, enc, ciphertext, { info: utf8(info), aad })
          } catch (cause) {
            throw new XcareError(
              'INTEGRITY',
              'the envelope was altered or sealed to another key or purpose',
              { cause },
            )
          }
        },
      }
    },
    async sealEnvelope(publicKey, info, aad, plaintext) {
      if (publicKey.length !== XWING_PUBLIC_BYTES)
        throw new XcareError('MALFORMED', `an envelope's public key has 1216 bytes, got ${publicKey.length}`)
      try {
        const options = { info: utf8(info), aad }
        const suite = await suiteOnce()
        const sealed = await suite.Seal(publicHandle(publicKey), plaintext, options)
        return concat(SUITE, sealed.encapsulatedSecret, sealed.ciphertext)
      } catch (cause) {
        throw new XcareError('MALFORMED', 'not an X-Wing public key', { cause })
      }
    },
  }
}

/** Pages outside a secure context have no WebCrypto; only they load the library that does without, which takes a while. */
async function suiteOver(xwing: XWing): Promise<hpke.CipherSuite> {
  const { AEAD_AES_256_GCM } = globalThis.crypto?.subtle ? hpke : await import('@panva/hpke-noble')
  return new hpke.CipherSuite(() => xwingKem(xwing), hkdfSha256, AEAD_AES_256_GCM)
}

function splitEnvelope(envelope: Uint8Array): { enc: Uint8Array; ciphertext: Uint8Array } {
  if (!equalBytes(envelope.subarray(0, SUITE.length), SUITE))
    throw new XcareError('MALFORMED', 'the envelope is of an unknown kind')
  if (envelope.length < ENVELOPE_OVERHEAD_BYTES) throw new XcareError('MALFORMED', 'the envelope is cut off')
  const end = SUITE.length + XWING_ENC_BYTES
  return { enc: envelope.slice(SUITE.length, end), ciphertext: envelope.slice(end) }
}

const envelopes = envelopesOver(native.xwing)

/** @param seed 32 random bytes: the private key. @returns the key that opens envelopes sealed to its public half. */
export function kemKeyFromSeed(seed: Uint8Array): Promise<KemKey> {
  return envelopes.kemKeyFromSeed(seed)
}

/**
 * Seals `plaintext` so that only the holder of the private key opens it, now and against a quantum computer later.
 * @param publicKey 1216 bytes. @param info the purpose, for example `xcare/deposit/v1`. @param aad bound, not hidden.
 * @returns suite id 6 bytes, encapsulated secret 1120 bytes, ciphertext with tag. @throws XcareError MALFORMED for a wrong key.
 */
export function sealEnvelope(
  publicKey: Uint8Array,
  info: string,
  aad: Uint8Array,
  plaintext: Uint8Array,
): Promise<Uint8Array> {
  return envelopes.sealEnvelope(publicKey, info, aad, plaintext)
}
