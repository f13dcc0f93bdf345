import { u64be } from '../bytes.ts'
import { CobblestoneSealer } from '../crypto/cobblestone.ts'
import { blake3 } from '../crypto/hash.ts'
import { XcareError } from '../errors.ts'
import { CHUNK_BYTES, CHUNK_TAG_BYTES, FRAGMENT_HEAD_BYTES } from '../limits.ts'
import type { Random } from '../ports.ts'
import { encodeShards } from './erasure/erasure.ts'
import { plainRoom, type StripeRoom } from './erasure/stripe-room.ts'
import { SHARE_BYTES, writeHead } from './header.ts'
import { checkLayout, fragmentBytesOf, type Layout, paddedLengthOf } from './layout.ts'
import { columnRoot, type WrittenObject } from './manifest.ts'
import { bodyContext, deriveObjectKeys, keyCheckValue, type ObjectKeys } from './object-keys.ts'
import { type SealedManifest, sealPrivatePart } from './sealed.ts'
import { dealStripeSecrets, type StripeSecrets } from './stripe-secret.ts'

const HASH_BYTES = 32
const SALT_BYTES = 24
const SEALED_CHUNK_BYTES = CHUNK_BYTES + CHUNK_TAG_BYTES
const ZERO_CHUNK = new Uint8Array(CHUNK_BYTES)

/** What a writer needs to know before the first byte. */
export interface WriterOptions {
  /** 32 bytes. */
  objectId: Uint8Array
  /** From 1. */
  version: number
  /** Ed25519, 32 bytes: the key that will sign the manifest. */
  ownerKey: Uint8Array
  /** Kc, 32 bytes. */
  custodyKey: Uint8Array
  /** From `layoutOf(length, ...)`. */
  layout: Layout
  /** Bytes of plaintext that will be written. */
  length: number
  random: Random
  /** Where stripes are made; plain memory unless given. */
  room?: StripeRoom
}

/** All fragments of one stripe. */
export interface StripeFragments {
  stripe: number
  /** n fragments of 1024 + shardBytes, by column, in a buffer of their own. */
  bytes: Uint8Array
  /** n BLAKE3 hashes of 32 bytes, by column. */
  hashes: Uint8Array
}

/**
 * Seals one object and cuts it into fragments, stripe by stripe. Holds the stripe being filled and whatever stripes the
 * caller has not let go of. Write at most about a stripe at a time to keep memory small. Spec: docs/spec/object.md.
 */
export class ObjectWriter {
  /** Cobblestone salt, 24 bytes. */
  readonly salt: Uint8Array
  /** Key commitment of the body, 32 bytes. */
  readonly commitment: Uint8Array
  readonly #options: WriterOptions
  readonly #secrets: StripeSecrets
  readonly #keys: ObjectKeys
  readonly #sealer: CobblestoneSealer
  /** Plaintext of the next chunk. */
  readonly #chunk = new Uint8Array(CHUNK_BYTES)
  #chunkFill = 0
  /** A sealed chunk that does not fit the shard it begins in, before it is laid out. */
  readonly #crossing = new Uint8Array(SEALED_CHUNK_BYTES)
  /** Fragments of the stripe being filled, and how much of the body its data shards hold by now. */
  #stripe: Uint8Array | null = null
  #stripeFill = 0
  #written = 0
  #nextStripe = 0
  #finished = false
  readonly #columnHashes: Uint8Array[]
  readonly #room: StripeRoom

  private constructor(options: WriterOptions, secrets: StripeSecrets) {
    const { layout, custodyKey, ownerKey, random, length } = options
    this.#options = options
    this.#room = options.room ?? plainRoom()
    this.#secrets = secrets
    this.#keys = deriveObjectKeys(custodyKey, secrets.secret, options)
    this.salt = random.bytes(SALT_BYTES)
    this.#sealer = new CobblestoneSealer(this.#keys.body, this.salt, bodyContext(options, ownerKey, layout))
    this.commitment = this.#sealer.commitment
    const hashes = new Uint8Array(layout.n * layout.stripes * HASH_BYTES)
    this.#columnHashes = Array.from({ length: layout.n }, (_, column) =>
      itemOf(hashes, column, layout.stripes * HASH_BYTES),
    )
    this.#chunk.set(u64be(length))
    this.#chunkFill = 8
  }

  /** Draws the secrets of all stripes and derives the keys. @throws XcareError USAGE when layout, keys and length do not fit together. */
  static async create(options: WriterOptions): Promise<ObjectWriter> {
    const { layout, length, random, custodyKey, ownerKey, objectId } = options
    checkLayout(layout)
    if (!Number.isSafeInteger(length) || length < 0 || paddedLengthOf(length) !== layout.paddedLength)
      throw new XcareError('USAGE', `the layout is not that of an object of ${length} bytes`)
    if ([custodyKey, ownerKey, objectId].some((bytes) => bytes.length !== 32))
      throw new XcareError('USAGE', 'object id, custody key and owner key have 32 bytes each')
    return new ObjectWriter(options, dealStripeSecrets(layout, random))
  }

  /** @returns the stripes that became complete, in order. @throws XcareError USAGE beyond the promised length or after the end. */
  write(plain: Uint8Array): StripeFragments[] {
    if (this.#finished) throw new XcareError('USAGE', 'the object was already finished')
    this.#written += plain.length
    if (this.#written > this.#options.length)
      throw new XcareError('USAGE', `more bytes were written than the ${this.#options.length} promised`)
    return this.#take(plain)
  }

  /** Pads and seals the end. @returns the last stripes. @throws XcareError USAGE when fewer bytes came than promised. */
  finish(): StripeFragments[] {
    const { length, layout } = this.#options
    if (this.#finished || this.#written !== length)
      throw new XcareError('USAGE', `${this.#written} bytes were written and ${length} promised`)
    const done: StripeFragments[] = []
    for (let left = layout.paddedLength - 8 - length; left > 0; left -= CHUNK_BYTES)
      done.push(...this.#take(ZERO_CHUNK.subarray(0, Math.min(left, CHUNK_BYTES))))
    this.#finished = true
    this.#seal(this.#chunk.subarray(0, this.#chunkFill), true, done)
    while (this.#nextStripe < layout.stripes) this.#lay(ZERO_CHUNK.subarray(0, this.#shardRoom()), done)
    this.#chunk.fill(0)
    return done
  }

  /** Gives the buffer of a stripe back, sent and done with, so that the next stripe needs no new memory. */
  recycle(bytes: Uint8Array): void {
    const { layout } = this.#options
    if (bytes.length === layout.n * fragmentBytesOf(layout)) this.#room.recycle(bytes)
  }

  /** Lets go of all stripes, also of those that were not given back: nobody reads them any more. */
  close(): void {
    this.#room.close()
  }

  /** @returns for each column the hashes of its fragments, 32 bytes for each stripe. */
  columnHashes(): Uint8Array[] {
    this.#requireEnd()
    return this.#columnHashes
  }

  /** @returns R, the dispersal secret: for the owner's vault, if the owner wants it there. */
  secret32(): Uint8Array {
    return this.#secrets.secret.slice()
  }

  /** @returns the private part of the manifest, sealed. @throws XcareError USAGE when a field is not allowed or `length` differs. */
  sealManifest(sealed: SealedManifest): Uint8Array {
    if (sealed.length !== this.#options.length)
      throw new XcareError('USAGE', `the object has ${this.#options.length} bytes, not ${sealed.length}`)
    return sealPrivatePart(this.#keys.sealed, this.#options, sealed, this.#options.random)
  }

  /** @returns what goes into the public part of the manifest. */
  written(): WrittenObject {
    this.#requireEnd()
    const { objectId, version, ownerKey, layout, custodyKey } = this.#options
    const columnRoots = this.#columnHashes.map(columnRoot)
    const kcv = keyCheckValue(objectId, custodyKey)
    const { salt, commitment } = this
    return { objectId, version, ownerKey, layout, salt, commitment, kcv, columnRoots }
  }

  #requireEnd(): void {
    if (!this.#finished) throw new XcareError('USAGE', 'the object is not finished')
  }

  /** Cuts plaintext into chunks. Whole chunks are sealed from where they lie. */
  #take(plain: Uint8Array): StripeFragments[] {
    const done: StripeFragments[] = []
    let at = Math.min(plain.length, CHUNK_BYTES - this.#chunkFill)
    this.#chunk.set(plain.subarray(0, at), this.#chunkFill)
    this.#chunkFill += at
    if (this.#chunkFill < CHUNK_BYTES) return done
    this.#seal(this.#chunk, false, done)
    for (; plain.length - at >= CHUNK_BYTES; at += CHUNK_BYTES)
      this.#seal(plain.subarray(at, at + CHUNK_BYTES), false, done)
    this.#chunk.set(plain.subarray(at))
    this.#chunkFill = plain.length - at
    return done
  }

  /** Seals a chunk straight into the shard where it belongs, or by way of `#crossing` when it goes on in the next. */
  #seal(chunk: Uint8Array, isLast: boolean, done: StripeFragments[]): void {
    const length = chunk.length + CHUNK_TAG_BYTES
    if (length <= this.#shardRoom()) {
      this.#sealer.sealInto(chunk, isLast, this.#buffer(), this.#place())
      this.#advance(length, done)
      return
    }
    this.#sealer.sealInto(chunk, isLast, this.#crossing, 0)
    this.#lay(this.#crossing.subarray(0, length), done)
  }

  /** Lays bytes of the body where they belong, shard after shard. */
  #lay(body: Uint8Array, done: StripeFragments[]): void {
    for (let at = 0; at < body.length; ) {
      const part = body.subarray(at, at + this.#shardRoom())
      this.#buffer().set(part, this.#place())
      at += part.length
      this.#advance(part.length, done)
    }
  }

  #buffer(): Uint8Array {
    const { layout } = this.#options
    this.#stripe ??= this.#room.take(layout.n * fragmentBytesOf(layout))
    return this.#stripe
  }

  /** Bytes of the body that still fit the shard being filled. */
  #shardRoom(): number {
    const { shardBytes } = this.#options.layout
    return shardBytes - (this.#stripeFill % shardBytes)
  }

  /** Where the next byte of the body goes in the buffer: behind the heads of its own and all earlier fragments. */
  #place(): number {
    const column = Math.floor(this.#stripeFill / this.#options.layout.shardBytes)
    return this.#stripeFill + (column + 1) * FRAGMENT_HEAD_BYTES
  }

  #advance(bytes: number, done: StripeFragments[]): void {
    const { k, shardBytes } = this.#options.layout
    this.#stripeFill += bytes
    if (this.#stripeFill < k * shardBytes) return
    done.push(this.#completeStripe())
    this.#stripe = null
    this.#stripeFill = 0
  }

  /** Codes the filled stripe, puts heads on and hashes. */
  #completeStripe(): StripeFragments {
    const { k, n } = this.#options.layout
    const stripe = this.#nextStripe++
    const bytes = this.#buffer()
    const size = fragmentBytesOf(this.#options.layout)
    const fragments = Array.from({ length: n }, (_, column) => itemOf(bytes, column, size))
    const shards = fragments.map((fragment) => fragment.subarray(FRAGMENT_HEAD_BYTES))
    encodeShards(shards.slice(0, k), shards.slice(k))
    const hashes = new Uint8Array(n * HASH_BYTES)
    fragments.forEach((fragment, column) => {
      this.#writeHead(fragment, stripe, column)
      const hash = blake3(fragment)
      hashes.set(hash, column * HASH_BYTES)
      this.#columnHashes[column]!.set(hash, stripe * HASH_BYTES)
    })
    return { stripe, bytes, hashes }
  }

  #writeHead(fragment: Uint8Array, stripe: number, column: number): void {
    const { objectId, version, layout } = this.#options
    const { k, n, shardBytes, stripes } = layout
    const share = itemOf(this.#secrets.shares[stripe]!, column, SHARE_BYTES)
    writeHead({ objectId, version, stripe, column, k, n, shardBytes, stripes }, share, fragment, 0)
  }
}

/** @returns a view of item `at` of items of equal size that lie one after another. */
function itemOf(all: Uint8Array, at: number, size: number): Uint8Array {
  return all.subarray(at * size, (at + 1) * size)
}
