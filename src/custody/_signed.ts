import { sha256 } from '../crypto/hash.ts'
import { type SigningKey, verifySignature } from '../crypto/sign.ts'
import { XcareError } from '../errors.ts'
import { bytes, bytesMax, format, type ZodType, z } from '../schema.ts'

/** Bytes that the envelope of a signed statement adds, at most. */
const ENVELOPE_BYTES = 128

/** A statement as it arrived: its value, and what is needed to check who said it. */
export interface Signed<T> {
  value: T
  /** The exact bytes that were signed. */
  body: Uint8Array
  signature: Uint8Array
  /** SHA-256 of the whole statement, signature included. */
  hash: Uint8Array
}

/** A kind of signed statement: deterministic CBOR `{body, signature}`, signed under one domain. */
export interface SignedFormat<T> {
  sign(key: SigningKey, value: T): Uint8Array
  /** Reads without checking the signature. @throws XcareError MALFORMED */
  decode(statement: Uint8Array): Signed<T>
  /** @returns whether `publicKey` signed it. */
  isBy(publicKey: Uint8Array, statement: Signed<T>): boolean
  /** Reads and checks. @throws XcareError MALFORMED, INTEGRITY when another key or nobody signed it. */
  open(publicKey: Uint8Array, statement: Uint8Array): Signed<T>
}

/** @param domain of the signature. @param maxBytes cap on the body. @returns the format of one kind of statement. */
export function signedFormat<T>(
  name: string,
  domain: string,
  maxBytes: number,
  shape: ZodType<T>,
): SignedFormat<T> {
  const bodyFormat = format<T>(name, maxBytes, shape)
  const envelope = format<{ body: Uint8Array; signature: Uint8Array }>(
    `signed ${name}`,
    maxBytes + ENVELOPE_BYTES,
    z.strictObject({ body: bytesMax(maxBytes), signature: bytes(64) }),
  )
  const decode = (statement: Uint8Array): Signed<T> => {
    const { body, signature } = envelope.decode(statement)
    return { value: bodyFormat.decode(body), body, signature, hash: sha256(statement) }
  }
  const isBy = (publicKey: Uint8Array, statement: Signed<T>) =>
    verifySignature(publicKey, domain, statement.body, statement.signature)
  return {
    sign(key, value) {
      const body = bodyFormat.encode(value)
      return envelope.encode({ body, signature: key.sign(domain, body) })
    },
    decode,
    isBy,
    open(publicKey, statement) {
      const read = decode(statement)
      if (!isBy(publicKey, read)) throw new XcareError('INTEGRITY', `the signature of the ${name} is wrong`)
      return read
    },
  }
}
