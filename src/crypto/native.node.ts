import * as crypto from 'node:crypto'
import { blake3 as blake3Native } from '@napi-rs/blake-hash'
import { concat, fromHex } from '../bytes.ts'
import type { Aead, Ed25519Signer, KeyedAead, Native, XWingKey } from './native-types.ts'

const TAG_BYTES = 16
const SCRATCH_BYTES = 4096
const KNOWN_KEYS_MAX = 1024

// DER headers of a raw Ed25519 seed, Ed25519 public key, ML-KEM-768 seed and public key, X25519 seed and public key (RFC 8410, RFC 9935).
const ED25519_SEED = fromHex('302e020100300506032b657004220420')
const ED25519_PUBLIC = fromHex('302a300506032b6570032100')
const MLKEM768_SEED = fromHex('3054020100300b060960864801650304040204428040')
const MLKEM768_PUBLIC = fromHex('308204b2300b0609608648016503040402038204a100')
const X25519_SEED = fromHex('302e020100300506032b656e04220420')
const X25519_PUBLIC = fromHex('302a300506032b656e032100')
const XWING_LABEL = fromHex('5c2e2f2f5e5c')
const MLKEM768_PUBLIC_BYTES = 1184
const MLKEM768_ENC_BYTES = 1088

/** Node's own ciphers and hashes. */
export const native: Native = {
  name: 'node',
  sha256: (parts) => digest('sha256', parts),
  sha512: (parts) => digest('sha512', parts),
  hmacSha256: (key, parts) => hmacOf('sha256', key, parts),
  hmacSha512: (key, parts) => hmacOf('sha512', key, parts),
  // Its types ask for a Buffer; any Uint8Array, a part of another one too, is hashed as it is.
  blake3: (bytes) => plain(blake3Native(bytes as Buffer)),
  randomBytes: (length) => plain(crypto.randomBytes(length)),
  aead: {
    keyed: keyedAead,
    seal: (key, nonce, text) => keyedAead(key).seal(nonce, text),
    open: (key, nonce, sealed) => keyedAead(key).open(nonce, sealed),
  } satisfies Aead,
  ed25519,
  verifyEd25519,
  xwing: { fromSeed: xwingKey, encapsulate: xwingEncapsulate },
  argon2id(passphrase, salt, { memoryKiB, passes }) {
    const parameters = {
      message: passphrase,
      nonce: salt,
      parallelism: 1,
      tagLength: 32,
      memory: memoryKiB,
      passes,
    }
    return new Promise((resolve, reject) => {
      crypto.argon2('argon2id', parameters, (error, key) => (error ? reject(error) : resolve(plain(key))))
    })
  },
}

// Buffers behave differently from Uint8Array (slice, equality in tests, shamir-secret-sharing refuses them), so none leaves this file.
function plain(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
}

// Trees hash two children after a byte, millions of times: joining them in one place and taking the digest as text
// (which costs less than a Buffer) is three times as fast as the obvious way.
const scratch = new Uint8Array(SCRATCH_BYTES)

function digest(name: 'sha256' | 'sha512', parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return fromLatin1(crypto.hash(name, parts[0]!, 'binary'))
  let length = 0
  for (const part of parts) length += part.length
  if (length > SCRATCH_BYTES) {
    const hash = crypto.createHash(name)
    for (const part of parts) hash.update(part)
    return plain(hash.digest())
  }
  let at = 0
  for (const part of parts) {
    scratch.set(part, at)
    at += part.length
  }
  return fromLatin1(crypto.hash(name, scratch.subarray(0, length), 'binary'))
}

// Given bytes, Node asks first whether they are a key of its own, by an error with a stack that it catches: three times the cost of the rest.
function hmacOf(name: 'sha256' | 'sha512', key: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  const hmac = crypto.createHmac(name, crypto.createSecretKey(key))
  for (const part of parts) hmac.update(part)
  return plain(hmac.digest())
}

function fromLatin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at)
  return bytes
}

function keyedAead(key: Uint8Array): KeyedAead {
  // A KeyObject makes 16 KiB chunks more than twice as fast as raw key bytes.
  const keyObject = crypto.createSecretKey(key)
  if (key.length !== 32) throw new Error('AES-256 needs a 32-byte key')
  const options = { authTagLength: TAG_BYTES }
  function sealInto(nonce: Uint8Array, text: Uint8Array, out: Uint8Array, at: number): number {
    const cipher = crypto.createCipheriv('aes-256-gcm', keyObject, nonce, options)
    if (text.length > 0) out.set(cipher.update(text), at)
    cipher.final()
    out.set(cipher.getAuthTag(), at + text.length)
    return at + text.length + TAG_BYTES
  }
  return {
    sealInto,
    seal(nonce, text) {
      const out = new Uint8Array(text.length + TAG_BYTES)
      sealInto(nonce, text, out, 0)
      return out
    },
    open(nonce, sealed) {
      const end = sealed.length - TAG_BYTES
      if (end < 0) return null
      const decipher = crypto.createDecipheriv('aes-256-gcm', keyObject, nonce, options)
      decipher.setAuthTag(sealed.subarray(end))
      const text = end === 0 ? new Uint8Array(0) : decipher.update(sealed.subarray(0, end))
      try {
        decipher.final()
      } catch {
        return null
      }
      return plain(text)
    },
  }
}

function privateKey(header: Uint8Array, seed: Uint8Array): crypto.KeyObject {
  return crypto.createPrivateKey({ key: Buffer.from(concat(header, seed)), format: 'der', type: 'pkcs8' })
}

// Text is the one form of a public key that Node does not take for a key of its own first, by errors that it catches.
function publicKeyOf(header: Uint8Array, raw: Uint8Array): crypto.KeyObject {
  const body = Buffer.from(concat(header, raw)).toString('base64')
  return crypto.createPublicKey(`-----BEGIN PUBLIC KEY-----\n${body}\n-----END PUBLIC KEY-----`)
}

function rawPublicKey(header: Uint8Array, key: crypto.KeyObject): Uint8Array {
  return plain(crypto.createPublicKey(key).export({ format: 'der', type: 'spki' })).slice(header.length)
}

function ed25519(seed: Uint8Array): Ed25519Signer {
  const key = privateKey(ED25519_SEED, seed)
  return {
    publicKey: rawPublicKey(ED25519_PUBLIC, key),
    sign: (message) => plain(crypto.sign(null, message, key)),
  }
}

// Parsing a key costs a third of a verification, and validators, nodes and guardians come again and again.
const knownKeys = new Map<string, crypto.KeyObject>()

function knownKey(header: Uint8Array, raw: Uint8Array): crypto.KeyObject {
  const name = `${header[8]} ${Buffer.from(raw.buffer, raw.byteOffset, raw.length).toString('latin1')}`
  const known = knownKeys.get(name)
  if (known) return known
  const key = publicKeyOf(header, raw)
  if (knownKeys.size >= KNOWN_KEYS_MAX) knownKeys.clear()
  knownKeys.set(name, key)
  return key
}

function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  return crypto.verify(null, message, knownKey(ED25519_PUBLIC, publicKey), signature)
}

function xwingCombine(
  mlkem: Uint8Array,
  x25519: Uint8Array,
  encX25519: Uint8Array,
  publicX25519: Uint8Array,
): Uint8Array {
  return plain(crypto.hash('sha3-256', concat(mlkem, x25519, encX25519, publicX25519, XWING_LABEL), 'buffer'))
}

function xwingKey(seed: Uint8Array): XWingKey {
  const expanded = plain(crypto.createHash('shake256', { outputLength: 96 }).update(seed).digest())
  const mlkem = privateKey(MLKEM768_SEED, expanded.subarray(0, 64))
  const x25519 = privateKey(X25519_SEED, expanded.subarray(64))
  const publicX25519 = rawPublicKey(X25519_PUBLIC, x25519)
  return {
    publicKey: concat(rawPublicKey(MLKEM768_PUBLIC, mlkem), publicX25519),
    decapsulate(enc) {
      const ephemeral = enc.subarray(MLKEM768_ENC_BYTES)
      const fromMlkem = crypto.decapsulate(mlkem, enc.subarray(0, MLKEM768_ENC_BYTES))
      const fromX25519 = crypto.diffieHellman({
        privateKey: x25519,
        publicKey: publicKeyOf(X25519_PUBLIC, ephemeral),
      })
      return xwingCombine(fromMlkem, fromX25519, ephemeral, publicX25519)
    },
  }
}

function xwingEncapsulate(publicKey: Uint8Array): { enc: Uint8Array; secret: Uint8Array } {
  const publicX25519 = publicKey.subarray(MLKEM768_PUBLIC_BYTES)
  const { sharedKey, ciphertext } = crypto.encapsulate(
    knownKey(MLKEM768_PUBLIC, publicKey.subarray(0, MLKEM768_PUBLIC_BYTES)),
  )
  const ephemeral = privateKey(X25519_SEED, crypto.randomBytes(32))
  const encX25519 = rawPublicKey(X25519_PUBLIC, ephemeral)
  const fromX25519 = crypto.diffieHellman({
    privateKey: ephemeral,
    publicKey: knownKey(X25519_PUBLIC, publicX25519),
  })
  return {
    enc: concat(ciphertext, encX25519),
    secret: xwingCombine(sharedKey, fromX25519, encX25519, publicX25519),
  }
}
