import { cobblestoneLength } from '../crypto/cobblestone.ts'
import { XcareError } from '../errors.ts'
import {
  CHUNK_BYTES,
  CHUNK_TAG_BYTES,
  COLUMNS_MAX,
  FRAGMENT_HEAD_BYTES,
  LEAF_BYTES,
  OBJECT_BYTES_MAX,
  PADDED_BYTES_MIN,
  SHARD_BYTES_MAX,
  SHARD_STEP_BYTES,
  STRIPE_BYTES_MAX,
  STRIPES_MAX,
} from '../limits.ts'

export { COLUMNS_MAX } from '../limits.ts'

/** Bytes in front of the plaintext: its length, u64be. */
export const LENGTH_PREFIX_BYTES = 8
/** Threshold, at least: one fragment alone must never be enough. */
export const THRESHOLD_MIN = 2

/** How the sealed body of one object is cut. All lengths in bytes. Spec: docs/spec/object.md. */
export interface Layout {
  /** Shards that rebuild a stripe. */
  k: number
  /** Shards of a stripe, and columns of the object. */
  n: number
  /** Bytes of one shard, a multiple of 64. The same in every stripe. */
  shardBytes: number
  /** Stripes of the object. */
  stripes: number
  /** Plaintext with its length prefix and padding. */
  paddedLength: number
  /** Sealed body; zeros fill the last stripe behind it. */
  bodyLength: number
}

/** The part of a layout that a manifest carries; the rest follows from it. */
export type LayoutFields = Omit<Layout, 'paddedLength'>

/**
 * Rounds up so that a length reveals only O(log log) bits: at most 12 % more. Source: Padme, PoPETs 2019(4).
 * @param length whole number from 2 to 2^31.
 */
export function padme(length: number): number {
  const exponent = 31 - Math.clz32(length)
  const mantissaBits = 32 - Math.clz32(exponent)
  return roundUp(length, 2 ** Math.max(0, exponent - mantissaBits))
}

/** @returns bytes of the padded plaintext of an object of `plainLength` bytes. */
export function paddedLengthOf(plainLength: number): number {
  return padme(Math.max(plainLength + LENGTH_PREFIX_BYTES, PADDED_BYTES_MIN))
}

/** @returns the largest shard of an object of n columns whose stripes a writer can hold in memory. */
function usualShardBytes(n: number): number {
  const leaves = Math.floor(STRIPE_BYTES_MAX / n / LEAF_BYTES) - FRAGMENT_HEAD_BYTES / LEAF_BYTES
  return Math.min(SHARD_BYTES_MAX, Math.max(1, leaves) * LEAF_BYTES)
}

/**
 * Cuts an object of `plainLength` bytes into the fewest equal stripes.
 * @param shardBytesMax largest shard wanted, a multiple of 64, at most 65536; left out, the largest whose stripes fit memory.
 * @throws XcareError USAGE when the object or the numbers are out of range.
 */
export function layoutOf(
  plainLength: number,
  k: number,
  n: number,
  shardBytesMax: number = usualShardBytes(n),
): Layout {
  if (!Number.isSafeInteger(plainLength) || plainLength < 0 || plainLength > OBJECT_BYTES_MAX)
    throw new XcareError('USAGE', `an object has at most ${OBJECT_BYTES_MAX} bytes, got ${plainLength}`)
  if (!isShardBytes(shardBytesMax)) throw new XcareError('USAGE', `no shard may have ${shardBytesMax} bytes`)
  const paddedLength = paddedLengthOf(plainLength)
  const bodyLength = cobblestoneLength(paddedLength)
  const stripes = Math.ceil(bodyLength / (k * shardBytesMax))
  const shardBytes = roundUp(Math.ceil(bodyLength / (k * stripes)), SHARD_STEP_BYTES)
  const layout = { k, n, shardBytes, stripes, paddedLength, bodyLength }
  const flaw = flawOf(layout)
  if (flaw) throw new XcareError('USAGE', flaw)
  return layout
}

/** @returns the whole layout behind the fields of a manifest. @throws XcareError MALFORMED when no object is cut so. */
export function layoutFrom(fields: LayoutFields): Layout {
  const { k, n, shardBytes, stripes, bodyLength } = fields
  const chunks = Math.ceil(bodyLength / (CHUNK_BYTES + CHUNK_TAG_BYTES))
  const layout = {
    k,
    n,
    shardBytes,
    stripes,
    paddedLength: bodyLength - chunks * CHUNK_TAG_BYTES,
    bodyLength,
  }
  checkLayout(layout)
  return layout
}

/** @throws XcareError MALFORMED when `layout` is none that `layoutOf` makes for some object and shard size. */
export function checkLayout(layout: Layout): void {
  const flaw = flawOf(layout)
  if (flaw) throw new XcareError('MALFORMED', flaw)
}

/** @returns bytes of one fragment of the object: head and shard. */
export function fragmentBytesOf(layout: { shardBytes: number }): number {
  return FRAGMENT_HEAD_BYTES + layout.shardBytes
}

function flawOf({ k, n, shardBytes, stripes, paddedLength, bodyLength }: Layout): string | null {
  if (
    ![k, n, shardBytes, stripes, paddedLength, bodyLength].every(
      (value) => Number.isSafeInteger(value) && value > 0,
    )
  )
    return 'a layout holds whole numbers above zero'
  if (k < THRESHOLD_MIN || k >= n)
    return `${k} of ${n}: the threshold is at least ${THRESHOLD_MIN} and below the total`
  if (n > COLUMNS_MAX) return `${n} columns: an object has at most ${COLUMNS_MAX}`
  if (!isShardBytes(shardBytes))
    return `a shard has a multiple of ${SHARD_STEP_BYTES} bytes, at most ${SHARD_BYTES_MAX}, got ${shardBytes}`
  if (stripes > STRIPES_MAX) return `an object has at most ${STRIPES_MAX} stripes, got ${stripes}`
  if (paddedLength < PADDED_BYTES_MIN || paddedLength > paddedLengthOf(OBJECT_BYTES_MAX))
    return `no object is padded to ${paddedLength} bytes`
  if (padme(paddedLength) !== paddedLength || cobblestoneLength(paddedLength) !== bodyLength)
    return `no object has a sealed body of ${bodyLength} bytes`
  if (shardBytes !== roundUp(Math.ceil(bodyLength / (k * stripes)), SHARD_STEP_BYTES))
    return `${stripes} stripes of ${k} shards do not hold ${bodyLength} bytes in shards of ${shardBytes}`
  if ((stripes - 1) * k * shardBytes >= bodyLength) return 'the last stripe would be empty'
  return null
}

function isShardBytes(shardBytes: number): boolean {
  return shardBytes > 0 && shardBytes % SHARD_STEP_BYTES === 0 && shardBytes <= SHARD_BYTES_MAX
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step
}
