import { createDecipheriv, createHash, createHmac } from 'node:crypto'
import { referenceShard } from './erasure/reference.ts'

/** What someone knows who opens an object with nothing but docs/spec/object.md at hand. */
export interface SpecInput {
  objectId: Uint8Array
  version: number
  ownerKey: Uint8Array
  k: number
  n: number
  shardBytes: number
  stripes: number
  bodyLength: number
  salt: Uint8Array
  custodyKey: Uint8Array
  /** Per stripe k fragments, whole, of the columns below k. */
  dataFragments: Uint8Array[][]
}

/** Opens an object by the words of the specification alone; shares no code with the reader. */
export function openByTheSpec(input: SpecInput): { commitment: Buffer; kcv: Buffer; plain: Buffer } {
  const { objectId, version, custodyKey, salt, k, shardBytes, bodyLength } = input
  const secret = Buffer.alloc(32)
  for (const fragments of input.dataFragments) {
    const shares = fragments.map((fragment) => fragment.subarray(64, 97))
    const stripeSecret = input.n > 255 ? secretShard(shares, k, input.n) : interpolateAtZero(shares)
    for (let at = 0; at < 32; at++) secret[at]! ^= stripeSecret[at]!
  }
  const prk = createHmac('sha512', custodyKey).update(secret).digest()
  const dek = expand(prk, Buffer.concat([Buffer.from('xcare/dek/v1'), objectId, u32(version)]), 32)
  const info = Buffer.from('c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0')
  const derived = expand(dek, Buffer.concat([info, salt, contextOf(input)]), 76)
  const shards = input.dataFragments.flatMap((fragments) =>
    fragments.map((fragment) => fragment.subarray(1024)),
  )
  const all = Buffer.concat(shards)
  if (all.length !== input.stripes * k * shardBytes || all.subarray(bodyLength).some((byte) => byte !== 0))
    throw new Error('stripes')
  const padded = openChunks(derived.subarray(0, 32), derived.subarray(32, 44), all.subarray(0, bodyLength))
  const length = Number(padded.readBigUInt64BE(0))
  const kcv = createHash('sha256').update('xcare/kcv/v1').update(objectId).update(custodyKey).digest()
  return { commitment: derived.subarray(44), kcv, plain: padded.subarray(8, 8 + length) }
}

function contextOf({
  objectId,
  version,
  ownerKey,
  k,
  n,
  shardBytes,
  stripes,
  bodyLength,
}: SpecInput): Buffer {
  const padded = Buffer.alloc(8)
  padded.writeBigUInt64BE(BigInt(bodyLength - 16 * Math.ceil(bodyLength / 16400)))
  const owner = createHash('sha256').update(ownerKey).digest()
  return createHash('sha256')
    .update('xcare/obj/v1\0')
    .update(Buffer.concat([objectId, u32(version), owner]))
    .update(Buffer.concat([k, n, shardBytes, stripes].map(u32)))
    .update(Buffer.concat([Buffer.of(1), padded]))
    .digest()
}

function openChunks(key: Buffer, baseNonce: Buffer, body: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0, index = 0; at < body.length; at += 16400, index++) {
    const chunk = body.subarray(at, at + 16400)
    const nonce = Buffer.from(baseNonce)
    nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ index) >>> 0, 8)
    const cipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 }).setAuthTag(
      chunk.subarray(-16),
    )
    parts.push(cipher.update(chunk.subarray(0, -16)), cipher.final())
  }
  return Buffer.concat(parts)
}

function expand(prk: Buffer, info: Buffer, length: number): Buffer {
  const first = createHmac('sha512', prk).update(info).update(Buffer.of(1)).digest()
  const second = createHmac('sha512', prk).update(first).update(info).update(Buffer.of(2)).digest()
  return Buffer.concat([first, second]).subarray(0, length)
}

function interpolateAtZero(shares: Uint8Array[]): Buffer {
  const secret = Buffer.alloc(32)
  shares.forEach((share, i) => {
    let weight = 1
    shares.forEach((other, j) => {
      if (i !== j) weight = times(weight, times(other[32]!, inverse(other[32]! ^ share[32]!)))
    })
    for (let at = 0; at < 32; at++) secret[at]! ^= times(weight, share[at]!)
  })
  return secret
}

/** Shard n of the code k of n + 1 from the shares of the first k columns. */
function secretShard(shares: Uint8Array[], k: number, n: number): Buffer {
  const known = new Map(
    shares.map((share, column) => {
      const shard = Buffer.alloc(64)
      shard.set(share.subarray(0, 16), 0)
      shard.set(share.subarray(16, 32), 32)
      return [column, shard]
    }),
  )
  const secret = referenceShard(known, n, k, n + 1)
  return Buffer.concat([secret.subarray(0, 16), secret.subarray(32, 48)])
}

function times(a: number, b: number): number {
  let product = 0
  for (let bit = 7; bit >= 0; bit--) {
    product = (product << 1) ^ (product & 0x80 ? 0x11b : 0)
    if ((b >> bit) & 1) product ^= a
  }
  return product
}

function inverse(a: number): number {
  for (let b = 1; b < 256; b++) if (times(a, b) === 1) return b
  throw new Error('zero has no inverse')
}

function u32(value: number): Buffer {
  const out = Buffer.alloc(4)
  out.writeUInt32BE(value)
  return out
}
