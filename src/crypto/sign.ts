import { ed25519 } from '@noble/curves/ed25519.js'
import { native } from '#native'
import { concat, toHex, utf8 } from '../bytes.ts'
import { XcareError } from '../errors.ts'

const KEY_BYTES = 32
const SIGNATURE_BYTES = 64
const SEPARATOR = Uint8Array.of(0)
/** Low byte of the prime 2^255 - 19; its other bytes are 0xff and the top one 0x7f. */
const PRIME_LOW_BYTE = 0xed
/** The y coordinates of the eight points whose order divides eight, little endian. */
const SMALL_ORDER_Y = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
])

/** An Ed25519 key pair in use. The private half cannot be read back. */
export interface SigningKey {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** @param domain one of the names in docs/spec/encoding.md. @returns 64 bytes over `utf8(domain) || 0x00 || message`. */
  sign(domain: string, message: Uint8Array): Uint8Array
  /** @returns 64 bytes over `message` itself, for formats that bring their own separation (consensus votes). */
  signRaw(message: Uint8Array): Uint8Array
}

/** @param seed 32 random bytes: the RFC 8032 private key. @throws XcareError MALFORMED on another length. */
export function signingKeyFromSeed(seed: Uint8Array): SigningKey {
  if (seed.length !== KEY_BYTES)
    throw new XcareError('MALFORMED', `a signing seed has 32 bytes, got ${seed.length}`)
  const signer = native.ed25519(seed)
  return {
    publicKey: signer.publicKey,
    sign: (domain, message) => signer.sign(withDomain(domain, message)),
    signRaw: (message) => signer.sign(message),
  }
}

/**
 * Strict verification, the same on every platform: canonical S, R and public key, neither R nor public key of small order,
 * cofactorless equation. Wrong lengths are false, never an error. Source: RFC 8032 section 5.1.7 with the checks of docs/spec/encoding.md.
 */
export function verifySignature(
  publicKey: Uint8Array,
  domain: string,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  return verifyStrict(publicKey, withDomain(domain, message), signature)
}

/** As verifySignature, over `message` itself. */
export function verifyStrict(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false
  if (!isCanonical(publicKey) || isSmallOrder(publicKey) || isSmallOrder(signature.subarray(0, 32)))
    return false
  return native.verifyEd25519(publicKey, message, signature)
}

/** ZIP-215 verification, the consensus rule of CometBFT: cofactored, non-canonical points allowed. Never for owners' signatures. */
export function verifyZip215(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false
  // Whatever satisfies the cofactorless equation satisfies the cofactored one, so the fast path can only say yes.
  if (native.name === 'node' && native.verifyEd25519(publicKey, message, signature)) return true
  return ed25519.verify(signature, message, publicKey, { zip215: true })
}

function withDomain(domain: string, message: Uint8Array): Uint8Array {
  return concat(utf8(domain), SEPARATOR, message)
}

/** @returns whether the y coordinate is below the prime, so that the point has no second encoding by y. */
function isCanonical(point: Uint8Array): boolean {
  if ((point[31]! & 0x7f) !== 0x7f) return true
  for (let at = 30; at > 0; at--) if (point[at] !== 0xff) return true
  return point[0]! < PRIME_LOW_BYTE
}

/** @returns whether `point` encodes one of the eight points of small order, sign bit ignored. */
function isSmallOrder(point: Uint8Array): boolean {
  const y = new Uint8Array(point)
  y[31]! &= 0x7f
  return SMALL_ORDER_Y.has(toHex(y))
}
