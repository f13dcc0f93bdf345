import { concat, u32be } from '../bytes.ts'
import { type KemKey, sealEnvelope } from '../crypto/envelope.ts'
import { sha256 } from '../crypto/hash.ts'
import { bytes, bytesMax, format, z } from '../schema.ts'
import * as shape from './_shapes.ts'
import { signedFormat } from './_signed.ts'
import { type CustodyShare, SALT_BYTES, SHARE_BYTES } from './deal.ts'

/** A sealed custody share, at most, in bytes. */
const SEALED_SHARE_BYTES_MAX = 2048

const DEPOSIT_INFO = 'xcare/deposit/v1'

const payload = z.strictObject({ salt: bytes(SALT_BYTES), share: bytes(SHARE_BYTES), path: shape.path })
const payloadFormat = format<z.infer<typeof payload>>('custody share', SEALED_SHARE_BYTES_MAX, payload)

const place = {
  v: z.literal(1),
  network: shape.network,
  guardianId: shape.guardianId,
  objectId: shape.objectId,
  version: shape.fromOne,
  epoch: shape.fromOne,
  index: shape.index,
}

const deposit = z.strictObject({
  ...place,
  sealed: bytesMax(SEALED_SHARE_BYTES_MAX),
  noticeKey: shape.kemKey,
  noticeTag: shape.bytes32,
})

const depositReceipt = z.strictObject({ ...place, commitment: shape.bytes32, height: z.int().min(1) })

/** A share on its way to its guardian. `noticeKey` and `noticeTag` are how notices find the owner. Spec: docs/spec/custody.md 4. */
export type Deposit = z.infer<typeof deposit>
/** Signed by the owner key of the object. */
export const depositFormat = signedFormat<Deposit>('deposit', 'xcare/deposit/v1', 6144, deposit)
/** A guardian's word that it holds share `index`, which opened `commitment`, durably. */
export type DepositReceipt = z.infer<typeof depositReceipt>
/** Signed by the guardian. */
export const depositReceiptFormat = signedFormat<DepositReceipt>(
  'deposit receipt',
  'xcare/deposit-receipt/v1',
  512,
  depositReceipt,
)

/** @returns the bytes of a share as they are sealed, on the wire and on a guardian's disk. */
export function encodeShare({ salt, share, path }: CustodyShare): Uint8Array {
  return payloadFormat.encode({ salt, share, path })
}

/** @returns the share with its index. @throws XcareError MALFORMED */
export function decodeShare(encoded: Uint8Array, index: number): CustodyShare {
  return { index, ...payloadFormat.decode(encoded) }
}

/** Seals a share for its guardian. @param recordHash hash of the custody record on the chain. */
export function sealDeposit(
  kemKey: Uint8Array,
  recordHash: Uint8Array,
  share: CustodyShare,
): Promise<Uint8Array> {
  return sealEnvelope(kemKey, DEPOSIT_INFO, depositAad(recordHash, share.index), encodeShare(share))
}

/** Opens what `sealDeposit` made. @throws XcareError INTEGRITY, MALFORMED */
export async function openDeposit(
  key: KemKey,
  recordHash: Uint8Array,
  index: number,
  sealed: Uint8Array,
): Promise<CustodyShare> {
  return decodeShare(await key.open(sealed, DEPOSIT_INFO, depositAad(recordHash, index)), index)
}

function depositAad(recordHash: Uint8Array, index: number): Uint8Array {
  return sha256(concat(recordHash, u32be(index)))
}
