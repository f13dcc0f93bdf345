import { gcm } from '@noble/ciphers/aes.js'
import { ed25519 } from '@noble/curves/ed25519.js'
import { argon2idAsync } from '@noble/hashes/argon2.js'
import { blake3 } from '@noble/hashes/blake3.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256, sha512 } from '@noble/hashes/sha2.js'
import { ml_kem768_x25519 as XWing } from '@noble/post-quantum/hybrid.js'
import { concat, equalBytes } from '../bytes.ts'
import type { Ed25519Signer, KeyedAead, Native } from './native-types.ts'

const RANDOM_BYTES_AT_ONCE = 65536
const { Point } = ed25519

/** Plain JavaScript, for browsers and for platforms without node:crypto. Slow for bulk data: use subtleAead there. */
export const native: Native = {
  name: 'browser',
  sha256: (parts) => hashParts(sha256.create(), parts),
  sha512: (parts) => hashParts(sha512.create(), parts),
  hmacSha256: (key, parts) => hashParts(hmac.create(sha256, key), parts),
  hmacSha512: (key, parts) => hashParts(hmac.create(sha512, key), parts),
  blake3: (bytes) => blake3(bytes),
  randomBytes(length) {
    const out = new Uint8Array(length)
    for (let at = 0; at < length; at += RANDOM_BYTES_AT_ONCE)
      crypto.getRandomValues(out.subarray(at, at + RANDOM_BYTES_AT_ONCE))
    return out
  },
  aead: {
    keyed: keyedAead,
    seal: (key, nonce, plain) => keyedAead(key).seal(nonce, plain),
    open: (key, nonce, sealed) => keyedAead(key).open(nonce, sealed),
  },
  ed25519: signer,
  verifyEd25519,
  xwing: {
    fromSeed(seed) {
      const { publicKey, secretKey } = XWing.keygen(seed)
      return { publicKey, decapsulate: (enc) => XWing.decapsulate(enc, secretKey) }
    },
    encapsulate(publicKey) {
      const { cipherText, sharedSecret } = XWing.encapsulate(publicKey)
      return { enc: cipherText, secret: sharedSecret }
    },
  },
  argon2id: (passphrase, salt, { memoryKiB, passes }) =>
    argon2idAsync(passphrase, salt, { m: memoryKiB, t: passes, p: 1, dkLen: 32 }),
}

function hashParts(
  hash: { update(part: Uint8Array): unknown; digest(): Uint8Array },
  parts: readonly Uint8Array[],
): Uint8Array {
  for (const part of parts) hash.update(part)
  return hash.digest()
}

function keyedAead(key: Uint8Array): KeyedAead {
  if (key.length !== 32) throw new Error('AES-256 needs a 32-byte key')
  const own = new Uint8Array(key)
  return {
    seal: (nonce, plain) => gcm(own, nonce).encrypt(plain),
    sealInto(nonce, plain, out, at) {
      const sealed = gcm(own, nonce).encrypt(plain)
      out.set(sealed, at)
      return at + sealed.length
    },
    open(nonce, sealed) {
      if (sealed.length < 16) return null
      try {
        return gcm(own, nonce).decrypt(sealed)
      } catch {
        return null
      }
    },
  }
}

function signer(seed: Uint8Array): Ed25519Signer {
  const own = new Uint8Array(seed)
  return { publicKey: ed25519.getPublicKey(own), sign: (message) => ed25519.sign(message, own) }
}

function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n
  for (let at = bytes.length - 1; at >= 0; at--) value = (value << 8n) | BigInt(bytes[at]!)
  return value
}

// The library checks the cofactored equation only; node:crypto checks the cofactorless one. One verdict everywhere needs the latter here.
function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const r = signature.subarray(0, 32)
  const s = littleEndian(signature.subarray(32))
  const order = Point.Fn.ORDER
  if (signature.length !== 64 || s >= order) return false
  try {
    const k = littleEndian(sha512(concat(r, publicKey, message))) % order
    const expected = Point.BASE.multiplyUnsafe(s).subtract(Point.fromBytes(publicKey, true).multiplyUnsafe(k))
    return equalBytes(expected.toBytes(), r)
  } catch {
    return false
  }
}
