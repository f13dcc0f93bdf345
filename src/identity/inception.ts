import { concat, equalBytes, utf8 } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { type SigningKey, verifySignature } from '../crypto/sign.ts'
import { XcareError } from '../errors.ts'
import { type Did, didOf, NETWORK_NAME } from '../ids.ts'
import { bytes, bytesMax, format, z } from '../schema.ts'

/** Domain of the signature over an inception's body. */
const INCEPTION_DOMAIN = 'xcare/inception/v1'
/** An encoded inception, at most, in bytes. */
const INCEPTION_BYTES_MAX = 2048

const KEYS_PREFIX = utf8('xcare/keys/v1')

const body = z.strictObject({
  v: z.literal(1),
  network: z.string().regex(NETWORK_NAME),
  signKey: bytes(32),
  kemKey: bytes(1216),
  nextKeysHash: bytes(32),
})
const envelope = z.strictObject({ body: bytesMax(INCEPTION_BYTES_MAX), signature: bytes(64) })

/** The first event of an identity: its first keys, and a promise of the next. Spec: docs/spec/identity.md 2. */
export type Inception = z.infer<typeof body>

const bodyFormat = format<Inception>('inception body', INCEPTION_BYTES_MAX, body)
const envelopeFormat = format<z.infer<typeof envelope>>('inception', INCEPTION_BYTES_MAX, envelope)

/**
 * Makes and signs an inception.
 * @param network chain id. @param kemKey 1216 bytes. @param nextKeysHash `keysHash` of the keys that may replace these.
 * @returns the bytes the chain keeps the hash of, and the DID that follows from them.
 */
export function createInception(
  network: string,
  signing: SigningKey,
  kemKey: Uint8Array,
  nextKeysHash: Uint8Array,
): { bytes: Uint8Array; did: Did } {
  const signed = bodyFormat.encode({ v: 1, network, signKey: signing.publicKey, kemKey, nextKeysHash })
  const event = envelopeFormat.encode({ body: signed, signature: signing.sign(INCEPTION_DOMAIN, signed) })
  return { bytes: event, did: didOf(network, sha256(event)) }
}

/**
 * Reads an inception and proves that `did` follows from it.
 * @throws XcareError MALFORMED on other bytes, INTEGRITY when the DID or the signature does not fit.
 */
export function checkInception(event: Uint8Array, did: string): Inception {
  const outer = envelopeFormat.decode(event)
  const inception = bodyFormat.decode(outer.body)
  if (didOf(inception.network, sha256(event)) !== did)
    throw new XcareError('INTEGRITY', 'the identity does not follow from its inception')
  if (!verifySignature(inception.signKey, INCEPTION_DOMAIN, outer.body, outer.signature))
    throw new XcareError('INTEGRITY', 'the signature of the inception is wrong')
  return inception
}

/** @returns SHA-256 over a sign key (32 bytes) and a KEM key (1216 bytes): what `nextKeysHash` commits to. */
export function keysHash(signKey: Uint8Array, kemKey: Uint8Array): Uint8Array {
  return sha256(concat(KEYS_PREFIX, signKey, kemKey))
}

/** @returns whether these are the keys that an earlier event promised. */
export function keysWerePromised(nextKeysHash: Uint8Array, signKey: Uint8Array, kemKey: Uint8Array): boolean {
  return equalBytes(nextKeysHash, keysHash(signKey, kemKey))
}
