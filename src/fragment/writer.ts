import { u64be } from '../bytes.ts'
import { CobblestoneSealer } from '../crypto/cobblestone.ts'
import { blake3 } from '../crypto/hash.ts'
import { XcareError } from '../errors.ts'
import { CHUNK_BYTES, CHUNK_TAG_BYTES, FRAGMENT_HEAD_BYTES } from '../limits.ts'
import type { Random } from '../ports.ts'
import { encodeStripe } from './erasure/erasure.ts'
import { SHARE_BYTES, writeHead } from './header.ts'
import { checkLayout, fragmentBytesOf, type Layout, paddedLengthOf } from './layout.ts'
import { columnRoot, type WrittenObject } from './manifest.ts'
import { bodyContext, deriveObjectKeys, keyCheckValue, type ObjectKeys } from './object-keys.ts'
import { type SealedManifest, sealPrivatePart } from './sealed.ts'
import { dealStripeSecrets, type StripeSecrets } from './stripe-secret.ts'

const HASH_BYTES = 32
const SALT_BYTES = 24
const SEALED_CHUNK_BYTES = CHUNK_BYTES + CHUNK_TAG_BYTES
/** Buffers kept for the next stripes after they were given back. */
const SPARE_BUFFERS_MAX = 3
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
 * Seals one object and cuts it into fragments, stripe by stripe. Holds one stripe of sealed body and whatever stripes the caller
 * has not let go of. Write at most about a stripe at a time to keep memory small. Spec: docs/spec/object.md.
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
  /** Sealed body of the stripe being filled, with room for the chunk that crosses its end. */
  readonly #body: Uint8Array
  #bodyFill = 0
  #written = 0
  #nextStripe = 0
  #finished = false
  readonly #columnHashes: Uint8Array[]
  readonly #spares: Uint8Array[] = []

  private constructor(options: WriterOptions, secrets: StripeSecrets) {
    const { layout, custodyKey, ownerKey, random, length } = options
    this.#options = options
    this.#secrets = secrets
    this.#keys = deriveObjectKeys(custodyKey, secrets.secret, options)
    this.salt = random.bytes(SALT_BYTES)
    this.#sealer = new CobblestoneSealer(this.#keys.body, this.salt, bodyContext(options, ownerKey, layout))
    this.commitment = this.#sealer.commitment
    this.#body = new Uint8Array(layout.k * layout.shardBytes + SEALED_CHUNK_BYTES)
    this.#columnHashes = Array.from({ length: layout.n }, () => new Uint8Array(layout.stripes * HASH_BYTES))
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
    if (this.#nextStripe < layout.stripes) {
      this.#body.fill(0, this.#bodyFill)
      done.push(this.#completeStripe())
    }
    this.#chunk.fill(0)
    return done
  }

  /** Gives the buffer of a stripe back, sent and done with, so that the next stripe needs no new memory. */
  recycle(bytes: Uint8Array): void {
    const { layout } = this.#options
    if (bytes.length === layout.n * fragmentBytesOf(layout) && this.#spares.length < SPARE_BUFFERS_MAX)
      this.#spares.push(bytes)
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

  #seal(chunk: Uint8Array, isLast: boolean, done: StripeFragments[]): void {
    const { k, shardBytes } = this.#options.layout
    const stripeBytes = k * shardBytes
    this.#bodyFill = this.#sealer.sealInto(chunk, isLast, this.#body, this.#bodyFill)
    while (this.#bodyFill >= stripeBytes) {
      done.push(this.#completeStripe())
      this.#body.copyWithin(0, stripeBytes, this.#bodyFill)
      this.#bodyFill -= stripeBytes
    }
  }

  /** Codes the filled body, puts heads on and hashes. */
  #completeStripe(): StripeFragments {
    const { k, n, shardBytes } = this.#options.layout
    const stripe = this.#nextStripe++
    const fragmentBytes = fragmentBytesOf(this.#options.layout)
    const bytes = this.#spares.pop() ?? new Uint8Array(n * fragmentBytes)
    const hashes = new Uint8Array(n * HASH_BYTES)
    const body = this.#body.subarray(0, k * shardBytes)
    const parity = encodeStripe(body, k, n, shardBytes)
    for (let column = 0; column < n; column++) {
      const shard = itemOf(column < k ? body : parity, column < k ? column : column - k, shardBytes)
      const fragment = bytes.subarray(column * fragmentBytes, (column + 1) * fragmentBytes)
      this.#writeFragment(fragment, stripe, column, shard)
      const hash = blake3(fragment)
      hashes.set(hash, column * HASH_BYTES)
      this.#columnHashes[column]!.set(hash, stripe * HASH_BYTES)
    }
    return { stripe, bytes, hashes }
  }

  #writeFragment(fragment: Uint8Array, stripe: number, column: number, shard: Uint8Array): void {
    const { objectId, version, layout } = this.#options
    const { k, n, shardBytes, stripes } = layout
    const header = { objectId, version, stripe, column, k, n, shardBytes, stripes }
    const share = itemOf(this.#secrets.shares[stripe]!, column, SHARE_BYTES)
    writeHead(header, share, fragment, 0)
    fragment.set(shard, FRAGMENT_HEAD_BYTES)
  }
}

/** @returns a view of item `at` of items of equal size that lie one after another. */
function itemOf(all: Uint8Array, at: number, size: number): Uint8Array {
  return all.subarray(at * size, (at + 1) * size)
}
