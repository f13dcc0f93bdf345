import { allZero, letGo } from '../bytes.ts'
import { CobblestoneOpener } from '../crypto/cobblestone.ts'
import { XcareError } from '../errors.ts'
import { CHUNK_BYTES, CHUNK_TAG_BYTES, FRAGMENT_HEAD_BYTES } from '../limits.ts'
import { decodeShards } from './erasure/erasure.ts'
import { fragmentBytesOf, type Layout, LENGTH_PREFIX_BYTES, layoutFrom, paddedLengthOf } from './layout.ts'
import type { Manifest } from './manifest.ts'
import { bodyContext, checkCustodyKey, deriveObjectKeys, type ObjectKeys } from './object-keys.ts'
import { type BodyPart, bodyRange, joinParts } from './range.ts'
import { openPrivatePart, type SealedManifest } from './sealed.ts'

const SEALED_CHUNK_BYTES = CHUNK_BYTES + CHUNK_TAG_BYTES

/** Buffers kept for the next stripes after they were given back. */
const SPARE_BUFFERS_MAX = 3

/** What opens an object. */
export interface ReaderOptions {
  /** Verified. */
  manifest: Manifest
  /** Kc, 32 bytes. */
  custodyKey: Uint8Array
  /** R, 32 bytes. */
  secret: Uint8Array
}

/** Opens one object: all of it stripe after stripe, or ranges of it. Every byte it returns is authenticated. */
export class ObjectReader {
  /** How the object is cut. */
  readonly layout: Layout
  readonly #manifest: Manifest
  readonly #keys: ObjectKeys
  readonly #opener: CobblestoneOpener
  #sealed: SealedManifest | null = null
  #nextStripe = 0
  #nextChunk = 0
  /** Start of the sealed chunk that goes on in the next stripe. */
  readonly #carry = new Uint8Array(SEALED_CHUNK_BYTES)
  #carryFill = 0
  #broken = false
  /** Where lost data shards are rebuilt, made when the first is lost. */
  #room: Uint8Array | null = null
  readonly #spares: Uint8Array[] = []

  /**
   * @throws XcareError INTEGRITY when the custody key is not the object's (checked first), or when the dispersal secret is not: a key
   * share was wrong; MALFORMED when the private part of the manifest is not valid.
   */
  constructor({ manifest, custodyKey, secret }: ReaderOptions) {
    this.layout = layoutFrom(manifest)
    this.#manifest = manifest
    checkCustodyKey(manifest.objectId, manifest.kcv, custodyKey)
    this.#keys = deriveObjectKeys(custodyKey, secret, manifest)
    const context = bodyContext(manifest, manifest.ownerKey, this.layout)
    try {
      this.#opener = new CobblestoneOpener(this.#keys.body, manifest.salt, manifest.commitment, context)
    } catch (cause) {
      throw new XcareError(
        'INTEGRITY',
        'the key shares in the fragments do not open this object: one of them is wrong',
        {
          cause,
          next: 'read the shares again with their proofs',
        },
      )
    }
  }

  /** @returns name, type and true length. @throws XcareError INTEGRITY, MALFORMED when the private part is not valid. */
  openSealedManifest(): SealedManifest {
    if (this.#sealed) return this.#sealed
    const sealed = openPrivatePart(this.#keys.sealed, this.#manifest, this.#manifest.sealed)
    if (paddedLengthOf(sealed.length) !== this.layout.paddedLength)
      throw new XcareError(
        'INTEGRITY',
        `no content of ${sealed.length} bytes is padded to this object's size`,
      )
    this.#sealed = sealed
    return sealed
  }

  /**
   * Opens the next stripe. Stripes come in order, from 0.
   * @param shards n entries: shards or whole fragments, already proven, or null. The k data ones need no decoding.
   * @returns the plaintext that became final; all stripes together give exactly `length` bytes.
   * @throws XcareError INTEGRITY on any altered byte (nothing more can be opened then), TOO_FEW_FRAGMENTS, USAGE out of order.
   */
  openStripe(stripe: number, shards: readonly (Uint8Array | null)[]): Uint8Array {
    if (this.#broken || stripe !== this.#nextStripe)
      throw new XcareError('USAGE', `stripe ${this.#nextStripe} is to be opened next, not ${stripe}`)
    const data = this.#dataOf(shards)
    this.#broken = true
    const plain = this.#openBody(stripe, data)
    this.#broken = false
    this.#nextStripe++
    return plain
  }

  /** Gives back what `openStripe` returned, used and done with, so that the next stripe needs no new memory. */
  recycle(plain: Uint8Array): void {
    const size = this.#plainBytesMax()
    if (plain.buffer.byteLength === size && this.#spares.length < SPARE_BUFFERS_MAX)
      this.#spares.push(new Uint8Array(plain.buffer))
  }

  /** Lets go of the buffers that were given back; the reader is done with. */
  close(): void {
    for (const spare of this.#spares.splice(0)) letGo(spare)
    if (this.#room) letGo(this.#room)
    this.#room = null
  }

  /**
   * Opens a range of plaintext.
   * @param parts proven bytes of the body that cover `bodyRange(layout, offset, length)`: from `leafPart` or `stripePart`.
   * @returns exactly `length` bytes. @throws XcareError USAGE beyond the object's end, TOO_FEW_FRAGMENTS on a gap, INTEGRITY.
   */
  openRange(offset: number, length: number, parts: readonly BodyPart[]): Uint8Array {
    if (offset + length > this.openSealedManifest().length)
      throw new XcareError('USAGE', `the object has no ${length} bytes from ${offset}`)
    if (length === 0) return new Uint8Array(0)
    const range = bodyRange(this.layout, offset, length)
    const plain = this.openChunks(range.firstChunk, joinParts(parts, range.from, range.to))
    const at = offset + LENGTH_PREFIX_BYTES - range.firstChunk * CHUNK_BYTES
    return plain.subarray(at, at + length)
  }

  /**
   * Opens whole chunks of the body, wherever they came from.
   * @param sealed chunks from `firstChunk` on, one after another. @returns their padded plaintext, length prefix included.
   * @throws XcareError INTEGRITY
   */
  openChunks(firstChunk: number, sealed: Uint8Array): Uint8Array {
    const out = new Uint8Array(
      sealed.length - Math.ceil(sealed.length / SEALED_CHUNK_BYTES) * CHUNK_TAG_BYTES,
    )
    for (let at = 0, index = firstChunk, to = 0; at < sealed.length; at += SEALED_CHUNK_BYTES, index++) {
      const chunk = this.#openChunk(index, sealed.subarray(at, at + SEALED_CHUNK_BYTES))
      out.set(chunk, to)
      to += chunk.length
    }
    return out
  }

  /** Most plaintext that one stripe can make final: its own, and of the chunk that began before it. */
  #plainBytesMax(): number {
    return Math.min(this.layout.k * this.layout.shardBytes + CHUNK_BYTES, this.layout.paddedLength)
  }

  #openChunk(index: number, sealed: Uint8Array): Uint8Array {
    return this.#opener.openAt(index, sealed, (index + 1) * SEALED_CHUNK_BYTES > this.layout.bodyLength)
  }

  /** @returns the data of a stripe as views, in order: the shards themselves when none is missing. */
  #dataOf(shards: readonly (Uint8Array | null)[]): Uint8Array[] {
    const { k, n, shardBytes } = this.layout
    if (shards.length !== n) throw new XcareError('USAGE', `${shards.length} shards or gaps instead of ${n}`)
    const bare = shards.map((shard) =>
      shard?.length === fragmentBytesOf(this.layout) ? shard.subarray(FRAGMENT_HEAD_BYTES) : shard,
    )
    const data = bare.slice(0, k)
    if (data.every((shard) => shard?.length === shardBytes)) return data as Uint8Array[]
    this.#room ??= new Uint8Array(k * shardBytes)
    return decodeShards(bare, k, n, shardBytes, this.#room)
  }

  #openBody(stripe: number, data: Uint8Array[]): Uint8Array {
    const { k, shardBytes, stripes, bodyLength } = this.layout
    const stripeBytes = k * shardBytes
    let left = Math.min(stripeBytes, bodyLength - stripe * stripeBytes)
    const buffer = this.#spares.pop() ?? new Uint8Array(this.#plainBytesMax())
    const out = new PlainStream(this.openSealedManifest().length, this.#nextChunk, buffer)
    for (const view of data) {
      const used = view.subarray(0, Math.min(view.length, left))
      left -= used.length
      if (!allZero(view.subarray(used.length)))
        throw new XcareError('INTEGRITY', 'the zeros behind the sealed body were altered')
      this.#openView(used, out)
    }
    if (stripe === stripes - 1 && this.#carryFill > 0) {
      out.add(this.#openChunk(this.#nextChunk++, this.#carry.subarray(0, this.#carryFill)))
      this.#carryFill = 0
    }
    return out.plain()
  }

  /** Opens the chunks that end in `view`; keeps the start of the one that does not. */
  #openView(view: Uint8Array, out: PlainStream): void {
    let at = 0
    if (this.#carryFill > 0) {
      at = Math.min(SEALED_CHUNK_BYTES - this.#carryFill, view.length)
      this.#carry.set(view.subarray(0, at), this.#carryFill)
      this.#carryFill += at
      if (this.#carryFill < SEALED_CHUNK_BYTES) return
      out.add(this.#openChunk(this.#nextChunk++, this.#carry))
    }
    for (; view.length - at >= SEALED_CHUNK_BYTES; at += SEALED_CHUNK_BYTES)
      out.add(this.#openChunk(this.#nextChunk++, view.subarray(at, at + SEALED_CHUNK_BYTES)))
    this.#carry.set(view.subarray(at))
    this.#carryFill = view.length - at
  }
}

/** Gathers the plaintext of one stripe: takes off the length prefix and proves length and padding. */
class PlainStream {
  readonly #length: number
  readonly #out: Uint8Array
  #fill = 0
  /** Position of the next chunk in the plaintext, the length prefix counted below zero. */
  #at: number

  constructor(length: number, firstChunk: number, out: Uint8Array) {
    this.#length = length
    this.#at = firstChunk * CHUNK_BYTES - LENGTH_PREFIX_BYTES
    this.#out = out
  }

  add(chunk: Uint8Array): void {
    const start = this.#at < 0 ? LENGTH_PREFIX_BYTES : 0
    if (start > 0) this.#checkLength(chunk)
    const end = Math.max(start, Math.min(chunk.length, this.#length - this.#at))
    this.#out.set(chunk.subarray(start, end), this.#fill)
    this.#fill += end - start
    if (!allZero(chunk.subarray(end)))
      throw new XcareError('INTEGRITY', 'the padding behind the content is not zeros')
    this.#at += chunk.length
  }

  plain(): Uint8Array {
    return this.#out.subarray(0, this.#fill)
  }

  #checkLength(chunk: Uint8Array): void {
    const length = new DataView(chunk.buffer, chunk.byteOffset, chunk.length).getBigUint64(0)
    if (length !== BigInt(this.#length))
      throw new XcareError('INTEGRITY', `the object holds ${length} bytes, its manifest says ${this.#length}`)
  }
}
