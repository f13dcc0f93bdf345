import {
  CUSTODY_GUARDIANS_MAX,
  DID_TEXT_MAX,
  GRANT_OBJECTS_MAX,
  LETTER_BYTES_MAX,
  MEDIA_TYPE_TEXT_MAX,
  PEER_ID_TEXT_MAX,
  RECORD_NAME_MAX,
} from '../limits.ts'
import { bytes, bytesMax, format, text, uint, z } from '../schema.ts'

/** One encoded entry, at most, in bytes; an object takes less than 350. */
export const ENTRY_BYTES_MAX = LETTER_BYTES_MAX + 1024

const object = {
  objectId: bytes(32),
  version: uint().min(1),
  custodyKey: bytes(32),
  name: text(RECORD_NAME_MAX),
  mediaType: text(MEDIA_TYPE_TEXT_MAX),
  bytes: uint(),
  createdMs: uint(),
  kind: z.enum(['record', 'bundle', 'part']),
  /** Of a part: the object that names the whole record. */
  partOf: bytes(32).exactOptional(),
}
const issued = {
  grantId: bytes(16),
  granteeDid: text(DID_TEXT_MAX),
  granteeName: text(RECORD_NAME_MAX),
  purpose: text(16),
  objectIds: z.array(bytes(32)).max(GRANT_OBJECTS_MAX),
  notBeforeMs: uint(),
  notAfterMs: uint(),
  revoked: z.boolean(),
}
const received = {
  grantId: bytes(16),
  letter: bytesMax(LETTER_BYTES_MAX),
  arrivedMs: uint(),
  /**
   * The chain knows the grant and the owners of its objects signed it. Absent in entries of older programs.
   */
  proven: z.boolean().exactOptional(),
}

const notice = {
  releaseId: bytes(16),
  grantId: bytes(16),
  objectId: bytes(32),
  purpose: text(16),
  timeMs: uint(),
  by: z.array(uint(CUSTODY_GUARDIANS_MAX - 1)).max(CUSTODY_GUARDIANS_MAX),
  of: uint(CUSTODY_GUARDIANS_MAX),
  /** So many guardians had to agree. Absent in entries of older programs. */
  needed: uint(CUSTODY_GUARDIANS_MAX).exactOptional(),
  /** False when this wallet's owner never gave the permission that a guardian says it was asked under. */
  ours: z.boolean().exactOptional(),
}

const removal = {
  objectId: bytes(32),
  startedMs: uint(),
  triedMs: uint(),
  onChain: z.boolean(),
  guardiansLeft: z.array(text(PEER_ID_TEXT_MAX)).max(CUSTODY_GUARDIANS_MAX).nullable(),
  nodesLeft: uint().nullable(),
  shredded: z.boolean(),
}
const loss = { entries: uint(), unknown: z.boolean() }

const entry = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('log'), previous: bytes(8).nullable(), loss: z.strictObject(loss) }),
  z.strictObject({ type: z.literal('object'), ...object }),
  z.strictObject({ type: z.literal('removed'), objectId: bytes(32) }),
  z.strictObject({ type: z.literal('issued'), ...issued }),
  z.strictObject({ type: z.literal('received'), ...received }),
  z.strictObject({ type: z.literal('notice'), ...notice }),
  z.strictObject({ type: z.literal('removing'), ...removal }),
  z.strictObject({ type: z.literal('ended'), grantId: bytes(16) }),
  z.strictObject({ type: z.literal('told'), releaseId: bytes(16), objectId: bytes(32) }),
  z.strictObject({ type: z.literal('marker'), name: text(120), value: bytesMax(1024) }),
])

const objectShape = z.object(object)
const issuedShape = z.object(issued)
const receivedShape = z.object(received)
const noticeShape = z.object(notice)
const removalShape = z.object(removal)
const lossShape = z.object(loss)

/** An own object: everything needed to find and read it, but its fragments. Times in ms, `bytes` of plaintext. */
export type VaultObject = z.infer<typeof objectShape>
/** A permission this person gave. */
export type IssuedGrant = z.infer<typeof issuedShape>
/** A permission this person received, as the letter that brought it. */
export type ReceivedGrant = z.infer<typeof receivedShape>
/** One reading of an own object, as guardians' receipts tell it. `by` are the places of the guardians that agreed, `of` is how many there are. */
export type VaultNotice = z.infer<typeof noticeShape>
/**
 * A removal that is under way. Times in ms. `guardiansLeft` and so many storage nodes have not confirmed yet,
 * null before they were asked; `shredded` says that too few shares can be left for anybody to read a copy.
 */
export type VaultRemoval = z.infer<typeof removalShape>
/** Entries that were in the vault and cannot be read any more. `unknown`: nobody knows how many. */
export type VaultLoss = z.infer<typeof lossShape>
/** One entry of the vault's log. */
export type VaultEntry = z.infer<typeof entry>
/** Codec of an entry, before sealing. */
export const entryFormat = format<VaultEntry>('vault entry', ENTRY_BYTES_MAX, entry)
