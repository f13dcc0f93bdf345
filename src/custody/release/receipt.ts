import { concat, equalBytes, utf8 } from '../../bytes.ts'
import { sha256 } from '../../crypto/hash.ts'
import { XcareError } from '../../errors.ts'
import { bytes, uint, z } from '../../schema.ts'
import * as shape from '../_shapes.ts'
import { type Signed, signedFormat } from '../_signed.ts'
import { PURPOSE_CODES } from '../purpose.ts'

/** A signed receipt, at most, in bytes. */
const RECEIPT_BYTES_MAX = 1024

const START_PREFIX = utf8('xcare/receipt-chain/v1')
const LINK_PREFIX = utf8('xcare/receipt-link/v1')

const receipt = z.strictObject({
  v: z.literal(1),
  network: shape.network,
  guardianId: shape.guardianId,
  seq: uint(),
  prev: shape.bytes32,
  requestHash: shape.bytes32,
  releaseId: bytes(16),
  grantId: shape.grantId,
  objectId: shape.objectId,
  epoch: shape.fromOne,
  index: shape.index,
  granteeKemHash: shape.bytes32,
  purpose: z.enum(PURPOSE_CODES),
  height: uint(),
  timeMs: shape.timeMs,
})

const question = z.strictObject({
  v: z.literal(1),
  network: shape.network,
  guardianId: shape.guardianId,
  objectId: shape.objectId,
  nonce: shape.bytes32,
  timeMs: shape.timeMs,
})

/** The trace of one release. `prev` is the link of all receipts before it. Spec: docs/spec/custody.md 7. */
export type Receipt = z.infer<typeof receipt>
/** A receipt as it arrived. */
export type SignedReceipt = Signed<Receipt>
/** Signed by the guardian. */
export const receiptFormat = signedFormat<Receipt>(
  'receipt',
  'xcare/release-receipt/v1',
  RECEIPT_BYTES_MAX,
  receipt,
)
/** An owner asks for the receipts of one object. */
export type ReceiptQuestion = z.infer<typeof question>
/** Signed by the owner key of the object. */
export const questionFormat = signedFormat<ReceiptQuestion>(
  'receipt question',
  'xcare/receipts-request/v1',
  512,
  question,
)

/** @returns the link before a guardian's first receipt. */
export function firstLink(network: string, guardianId: string): Uint8Array {
  return sha256(concat(START_PREFIX, Uint8Array.of(0), utf8(network), Uint8Array.of(0), utf8(guardianId)))
}

/** @returns the link after one more receipt: SHA-256("xcare/receipt-link/v1" || link || SHA-256(signed receipt)). */
export function nextLink(link: Uint8Array, receiptHash: Uint8Array): Uint8Array {
  return sha256(concat(LINK_PREFIX, link, receiptHash))
}

/** A part of a guardian's chain, as its owner's wallet follows it. `count` receipts lead to `link`. */
export interface ChainPoint {
  count: number
  link: Uint8Array
}

/**
 * Follows a window of receipt hashes and fits the owner's own receipts into it.
 * @returns the point behind the window, and the own receipts, checked. @throws XcareError INTEGRITY when anything does not fit.
 */
export function followChain(
  from: ChainPoint,
  hashes: Uint8Array[],
  own: Uint8Array[],
  guardian: { network: string; guardianId: string; signKey: Uint8Array },
): { point: ChainPoint; points: ChainPoint[]; receipts: SignedReceipt[] } {
  const points = [from]
  for (const hash of hashes)
    points.push({ count: points.length + from.count, link: nextLink(points.at(-1)!.link, hash) })
  const receipts = own.map((bytesOfReceipt) => {
    const read = receiptFormat.open(guardian.signKey, bytesOfReceipt)
    const { seq, prev, network, guardianId } = read.value
    const before = points[seq - from.count]
    const hash = hashes[seq - from.count]
    if (network !== guardian.network || guardianId !== guardian.guardianId || !before || !hash)
      throw new XcareError('INTEGRITY', 'a receipt belongs to another chain of receipts')
    if (!equalBytes(before.link, prev) || !equalBytes(hash, read.hash))
      throw new XcareError('INTEGRITY', `receipt ${seq} does not fit the guardian's chain of receipts`)
    return read
  })
  return { point: points.at(-1)!, points, receipts }
}
