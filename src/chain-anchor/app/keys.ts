import { concat, u64be, utf8 } from '../../bytes.ts'

const key = (prefix: string, raw: Uint8Array): Uint8Array => concat(utf8(prefix), raw)

/** Key of an InstitutionValue. Every key is the text of its prefix and then raw bytes; numbers are 8 bytes, big endian. */
export const institutionKey = (instId: string): Uint8Array => key('inst/', utf8(instId))
/** Key of a NodeValue. @param nodeId peer id text. */
export const nodeKey = (nodeId: string): Uint8Array => key('node/', utf8(nodeId))
/** Key of a GuardianValue. @param guardianId peer id text. */
export const guardianKey = (guardianId: string): Uint8Array => key('guardian/', utf8(guardianId))
/** Key of an IdentityValue. */
export const identityKey = (did: string): Uint8Array => key('id/', utf8(did))
/** Key of a RecordValue. @param objectId 32 bytes. */
export const recordKey = (objectId: Uint8Array): Uint8Array => key('rec/', objectId)
/** Key of a CustodyValue. @param objectId 32 bytes. */
export const custodyKey = (objectId: Uint8Array): Uint8Array => key('custody/', objectId)
/** Key of a GrantValue. @param grantId 16 bytes. */
export const grantKey = (grantId: Uint8Array): Uint8Array => key('grant/', grantId)
/** Key of a ReceiptHeadValue. @param guardianId peer id text. */
export const receiptKey = (guardianId: string): Uint8Array => key('receipt/', utf8(guardianId))
/** Key of the EpochValue numbered `epoch`. */
export const epochKey = (epoch: number): Uint8Array => key('epoch/', u64be(epoch))
/** Key of the newest EpochValue. */
export const latestEpochKey = (): Uint8Array => utf8('epoch-latest')
