import { XcareError } from '../errors.ts'
import { CHUNK_BYTES, CHUNK_TAG_BYTES, FRAGMENT_HEAD_BYTES, LEAF_BYTES } from '../limits.ts'
import { type Layout, LENGTH_PREFIX_BYTES } from './layout.ts'

const SEALED_CHUNK_BYTES = CHUNK_BYTES + CHUNK_TAG_BYTES

/** Where a range of plaintext lies in the sealed body. Byte positions are of the body. */
export interface BodyRange {
  /** First and behind the last AEAD chunk. */
  firstChunk: number
  endChunk: number
  from: number
  to: number
}

/** A run of leaves of one fragment. Leaf 0 is its head. */
export interface LeafRun {
  stripe: number
  column: number
  firstLeaf: number
  leafCount: number
}

/** Proven bytes of the sealed body from position `at`. */
export interface BodyPart {
  at: number
  bytes: Uint8Array
}

/**
 * @param offset of the plaintext. @param length bytes of plaintext, more than 0.
 * @returns the whole chunks that hold it. @throws XcareError USAGE when no object of this layout reaches so far.
 */
export function bodyRange(layout: Layout, offset: number, length: number): BodyRange {
  const from = offset + LENGTH_PREFIX_BYTES
  const whole = [offset, length].every((value) => Number.isSafeInteger(value) && value >= 0)
  if (!whole || length === 0 || from + length > layout.paddedLength)
    throw new XcareError('USAGE', `the object has no ${length} bytes from ${offset}`)
  const firstChunk = Math.floor(from / CHUNK_BYTES)
  const endChunk = Math.floor((from + length - 1) / CHUNK_BYTES) + 1
  return {
    firstChunk,
    endChunk,
    from: firstChunk * SEALED_CHUNK_BYTES,
    to: Math.min(endChunk * SEALED_CHUNK_BYTES, layout.bodyLength),
  }
}

/** @returns the leaves of data fragments to ask for, in the order of the body. @throws XcareError USAGE as bodyRange. */
export function rangeLeaves(layout: Layout, offset: number, length: number): LeafRun[] {
  const { from, to } = bodyRange(layout, offset, length)
  const { k, shardBytes } = layout
  const runs: LeafRun[] = []
  for (let shard = Math.floor(from / shardBytes); shard * shardBytes < to; shard++) {
    const start = Math.max(from - shard * shardBytes, 0) + FRAGMENT_HEAD_BYTES
    const end = Math.min(to - shard * shardBytes, shardBytes) + FRAGMENT_HEAD_BYTES
    const firstLeaf = Math.floor(start / LEAF_BYTES)
    const leafCount = Math.ceil(end / LEAF_BYTES) - firstLeaf
    runs.push({ stripe: Math.floor(shard / k), column: shard % k, firstLeaf, leafCount })
  }
  return runs
}

/** @param bytes the run's proven leaves, leaf 0 not among them. @returns what they are of the sealed body. */
export function leafPart(
  layout: Layout,
  { stripe, column, firstLeaf }: LeafRun,
  bytes: Uint8Array,
): BodyPart {
  const shardAt = (stripe * layout.k + column) * layout.shardBytes
  return { at: shardAt + firstLeaf * LEAF_BYTES - FRAGMENT_HEAD_BYTES, bytes }
}

/** @param data the k data shards of a rebuilt stripe, one after another. @returns what they are of the sealed body. */
export function stripePart(layout: Layout, stripe: number, data: Uint8Array): BodyPart {
  return { at: stripe * layout.k * layout.shardBytes, bytes: data }
}

/**
 * @param parts in any order; may overlap and reach further. @returns the body from `from` to `to`.
 * @throws XcareError TOO_FEW_FRAGMENTS when they leave a gap.
 */
export function joinParts(parts: readonly BodyPart[], from: number, to: number): Uint8Array {
  const body = new Uint8Array(to - from)
  let filled = from
  for (const { at, bytes } of [...parts].sort((a, b) => a.at - b.at)) {
    if (at > filled) break
    const end = Math.min(at + bytes.length, to)
    if (end <= filled) continue
    body.set(bytes.subarray(filled - at, end - at), filled - from)
    filled = end
  }
  if (filled < to)
    throw new XcareError('TOO_FEW_FRAGMENTS', `bytes ${filled} to ${to} of the sealed body are missing`)
  return body
}
