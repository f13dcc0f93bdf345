import { allZero, equalBytes, utf8 } from '../bytes.ts'
import { XcareError } from '../errors.ts'
import {
  COLUMNS_MAX,
  COLUMNS_MAX_GF8,
  FRAGMENT_HEAD_BYTES,
  SHARD_BYTES_MAX,
  SHARD_STEP_BYTES,
  STRIPES_MAX,
} from '../limits.ts'
import { THRESHOLD_MIN } from './layout.ts'

/** Bytes of the share of a stripe's secret in a fragment: 32 of value, last its position x = column + 1, or 0 above 255 columns. */
export const SHARE_BYTES = 33
const OBJECT_ID_BYTES = 32
const MAGIC = utf8('XCF1')
/** Where the share stands in a fragment. */
export const SHARE_AT = 64
const TAIL_AT = SHARE_AT + SHARE_BYTES

/** Says which fragment this is. Spec: docs/spec/fragment.md. */
export interface FragmentHeader {
  /** 32 bytes. */
  objectId: Uint8Array
  /** Version of the object, from 1. */
  version: number
  /** From 0. */
  stripe: number
  /** From 0. */
  column: number
  k: number
  n: number
  shardBytes: number
  /** Stripes of the whole object. */
  stripes: number
}

/**
 * Writes the first KiB of a fragment into `out` at `at`.
 * @param share 33 bytes.
 * @throws XcareError INTERNAL when a field is out of range.
 */
export function writeHead(header: FragmentHeader, share: Uint8Array, out: Uint8Array, at: number): void {
  const flaw = flawOf(header) ?? shareFlawOf(share, header)
  if (flaw) throw new XcareError('INTERNAL', `cannot write a fragment head: ${flaw}`)
  const head = out.subarray(at, at + FRAGMENT_HEAD_BYTES)
  head.set(MAGIC)
  head.set(header.objectId, 4)
  const view = new DataView(head.buffer, head.byteOffset, head.length)
  numbersOf(header).forEach((value, index) => {
    view.setUint32(36 + index * 4, value)
  })
  head.set(share, SHARE_AT)
  head.fill(0, TAIL_AT)
}

/** @param share 33 bytes. @returns the first 1024 bytes of a fragment. @throws XcareError INTERNAL as writeHead. */
export function encodeHead(header: FragmentHeader, share: Uint8Array): Uint8Array {
  const head = new Uint8Array(FRAGMENT_HEAD_BYTES)
  writeHead(header, share, head, 0)
  return head
}

/**
 * Reads the first KiB of a fragment.
 * @param bytes exactly 1024 bytes. @returns the header and a copy of the 33-byte share.
 * @throws XcareError MALFORMED on another length or mark, numbers out of range, a share at another position or a tail that is not zeros.
 */
export function decodeHead(bytes: Uint8Array): { header: FragmentHeader; share: Uint8Array } {
  if (bytes.length !== FRAGMENT_HEAD_BYTES)
    throw malformed(`${bytes.length} bytes instead of ${FRAGMENT_HEAD_BYTES}`)
  if (!equalBytes(bytes.subarray(0, 4), MAGIC)) throw malformed('unknown format mark')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const number = (index: number) => view.getUint32(36 + index * 4)
  const header: FragmentHeader = {
    objectId: bytes.slice(4, 36),
    version: number(0),
    stripe: number(1),
    column: number(2),
    k: number(3),
    n: number(4),
    shardBytes: number(5),
    stripes: number(6),
  }
  const share = bytes.slice(SHARE_AT, TAIL_AT)
  const flaw = flawOf(header) ?? shareFlawOf(share, header)
  if (flaw) throw malformed(flaw)
  if (!allZero(bytes.subarray(TAIL_AT))) throw malformed('the tail is not zeros')
  return { header, share }
}

/** @returns whether both name the same fragment of the same object version, cut the same way. */
export function sameHeader(a: FragmentHeader, b: FragmentHeader): boolean {
  const theirs = numbersOf(b)
  return equalBytes(a.objectId, b.objectId) && numbersOf(a).every((value, index) => value === theirs[index])
}

/** @returns whether the last byte of a 33-byte share is what it must be in this column of n: its position, or 0 where that needs more than a byte. */
export function isShareOf(share: Uint8Array, column: number, n: number): boolean {
  return share.length === SHARE_BYTES && share[SHARE_BYTES - 1] === (n > COLUMNS_MAX_GF8 ? 0 : column + 1)
}

function numbersOf(header: FragmentHeader): number[] {
  const { version, stripe, column, k, n, shardBytes, stripes } = header
  return [version, stripe, column, k, n, shardBytes, stripes]
}

function flawOf(header: FragmentHeader): string | null {
  const { objectId, version, stripe, column, k, n, shardBytes, stripes } = header
  if (objectId.length !== OBJECT_ID_BYTES) return `an object id has ${OBJECT_ID_BYTES} bytes`
  if (!numbersOf(header).every((value) => Number.isInteger(value) && value >= 0 && value < 2 ** 32))
    return 'a number does not fit 32 bits'
  if (version === 0) return 'versions start at 1'
  if (k < THRESHOLD_MIN || k >= n || n > COLUMNS_MAX) return `${k} of ${n} is no threshold of a total`
  if (shardBytes === 0 || shardBytes % SHARD_STEP_BYTES !== 0 || shardBytes > SHARD_BYTES_MAX)
    return `no shard has ${shardBytes} bytes`
  if (stripes === 0 || stripes > STRIPES_MAX || stripe >= stripes) return `no stripe ${stripe} of ${stripes}`
  if (column >= n) return `no column ${column} of ${n}`
  return null
}

function shareFlawOf(share: Uint8Array, { column, n }: FragmentHeader): string | null {
  if (share.length !== SHARE_BYTES) return `a share has ${SHARE_BYTES} bytes, got ${share.length}`
  // Another position would let a share stand for two columns, and the one at 0 dictate the secret.
  return isShareOf(share, column, n) ? null : 'the share is at the position of another column'
}

function malformed(flaw: string): XcareError {
  return new XcareError('MALFORMED', `not a fragment head: ${flaw}`)
}
