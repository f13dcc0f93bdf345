import {
  CUSTODY_GUARDIANS_MAX,
  DID_TEXT_MAX,
  GRANT_OBJECTS_MAX,
  LETTER_BYTES_MAX,
  RECORD_NAME_MAX,
} from '../limits.ts'
import { bytes, bytesMax, format, text, uint, z } from '../schema.ts'

/** One encoded entry, at most, in bytes; an object takes less than 350. */
const ENTRY_BYTES_MAX = LETTER_BYTES_MAX + 1024

const object = {
  objectId: bytes(32),
  version: uint().min(1),
  custodyKey: bytes(32),
  name: text(RECORD_NAME_MAX),
  mediaType: text(100),
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
}

const notice = {
  releaseId: bytes(16),
  grantId: bytes(16),
  objectId: bytes(32),
  purpose: text(16),
  timeMs: uint(),
  by: z.array(uint(CUSTODY_GUARDIANS_MAX - 1)).max(CUSTODY_GUARDIANS_MAX),
  of: uint(CUSTODY_GUARDIANS_MAX),
}

const entry = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('object'), ...object }),
  z.strictObject({ type: z.literal('removed'), objectId: bytes(32) }),
  z.strictObject({ type: z.literal('issued'), ...issued }),
  z.strictObject({ type: z.literal('received'), ...received }),
  z.strictObject({ type: z.literal('notice'), ...notice }),
  z.strictObject({ type: z.literal('marker'), name: text(120), value: bytesMax(1024) }),
])

const objectShape = z.object(object)
const issuedShape = z.object(issued)
const receivedShape = z.object(received)
const noticeShape = z.object(notice)

/** An own object: everything needed to find and read it, but its fragments. Times in ms, `bytes` of plaintext. */
export type VaultObject = z.infer<typeof objectShape>
/** A permission this person gave. */
export type IssuedGrant = z.infer<typeof issuedShape>
/** A permission this person received, as the letter that brought it. */
export type ReceivedGrant = z.infer<typeof receivedShape>
/** One reading of an own object, as guardians' receipts tell it. `by` are the places of the guardians that agreed, `of` is how many there are. */
export type VaultNotice = z.infer<typeof noticeShape>
/** One entry of the vault's log. */
export type VaultEntry = z.infer<typeof entry>
/** Codec of an entry, before sealing. */
export const entryFormat = format<VaultEntry>('vault entry', ENTRY_BYTES_MAX, entry)
