import { encodeCbor } from '../../cbor.ts'
import { sha256 } from '../../crypto/hash.ts'
import { CUSTODY_GUARDIANS_MAX, SLOTS, STATE_VALUE_BYTES_MAX } from '../../limits.ts'
import { format, text, uint, z } from '../../schema.ts'
import * as field from './fields.ts'

const institution = z.strictObject({
  instId: field.instId,
  name: text(200),
  signKey: field.signKey,
  roles: field.roles,
  status: z.enum(['active', 'suspended']),
})

const node = z.strictObject({
  nodeId: field.peerId,
  instId: field.instId,
  signKey: field.signKey,
  capacityBytes: uint(),
  network: field.label,
  region: field.label,
  addresses: field.addresses,
  availabilityPpm: field.availabilityPpm,
  status: z.enum(['active', 'draining', 'retired']),
})

const guardian = z.strictObject({
  guardianId: field.peerId,
  instId: field.instId,
  signKey: field.signKey,
  kemKey: field.kemKey,
  jurisdiction: field.label,
  addresses: field.addresses,
  epoch: field.fromOne,
  status: z.enum(['active', 'retired']),
})

const identity = z.strictObject({
  did: field.did,
  signKey: field.signKey,
  kemKey: field.kemKey,
  nextKeysHash: field.hash,
  seq: uint(),
})

const record = z.strictObject({
  objectId: field.objectId,
  version: field.fromOne,
  ownerKey: field.signKey,
  manifestHash: field.hash,
  k: field.positions,
  n: field.positions,
  epoch: uint(),
  columns: field.columnBitmap,
  moved: field.moved,
  status: z.enum(['active', 'removed']),
  height: field.fromOne,
})

const custodyFields = {
  objectId: field.objectId,
  version: field.fromOne,
  epoch: field.fromOne,
  t: uint(CUSTODY_GUARDIANS_MAX).min(1),
  m: uint(CUSTODY_GUARDIANS_MAX).min(1),
  guardians: field.guardianIds,
  commitRoot: field.hash,
  kcv: field.hash,
  policyHash: field.hash,
  ownerKey: field.signKey,
}

const custody = z.strictObject({
  ...custodyFields,
  frozen: z.boolean(),
  status: z.enum(['active', 'destroyed']),
})

const grant = z.strictObject({
  grantId: field.grantId,
  commitment: field.hash,
  revokeKey: field.signKey,
  notAfterMs: uint(),
  status: z.enum(['active', 'revoked']),
  height: field.fromOne,
})

const receiptHead = z.strictObject({
  guardianId: field.peerId,
  seq: field.fromOne,
  head: field.hash,
  count: uint(),
})

const epoch = z.strictObject({
  epoch: uint(),
  height: uint(),
  seed: field.hash,
  nodesHash: field.hash,
  tableHash: field.hash,
  guardiansHash: field.hash,
  nodeCount: uint(SLOTS),
})

/** A real-name institution. Key `institutionKey(instId)`. */
export type InstitutionValue = z.infer<typeof institution>
/** A storage node. Key `nodeKey(nodeId)`. */
export type NodeValue = z.infer<typeof node>
/** A guardian. `epoch` counts its encryption keys. Key `guardianKey(guardianId)`. */
export type GuardianValue = z.infer<typeof guardian>
/** A person's or institution's current keys. `seq` counts rotations. Key `identityKey(did)`. */
export type IdentityValue = z.infer<typeof identity>
/** The anchored version of an object. `height` is the block that anchored it. Key `recordKey(objectId)`. */
export type RecordValue = z.infer<typeof record>
/** Who holds the custody shares of an object. Key `custodyKey(objectId)`. */
export type CustodyValue = z.infer<typeof custody>
/** A grant, seen from outside: a commitment, an end, a status. Key `grantKey(grantId)`. */
export type GrantValue = z.infer<typeof grant>
/** Newest anchored head of a guardian's receipt chain. Key `receiptKey(guardianId)`. */
export type ReceiptHeadValue = z.infer<typeof receiptHead>
/** One node set, guardian set and slot table. Keys `epochKey(epoch)` and, for the newest, `latestEpochKey()`. */
export type EpochValue = z.infer<typeof epoch>

/** Codec of InstitutionValue. Spec: docs/spec/state.md. */
export const institutionValue = format<InstitutionValue>('institution', STATE_VALUE_BYTES_MAX, institution)
/** Codec of NodeValue. */
export const nodeValue = format<NodeValue>('node', STATE_VALUE_BYTES_MAX, node)
/** Codec of GuardianValue. */
export const guardianValue = format<GuardianValue>('guardian', STATE_VALUE_BYTES_MAX, guardian)
/** Codec of IdentityValue. */
export const identityValue = format<IdentityValue>('identity', STATE_VALUE_BYTES_MAX, identity)
/** Codec of RecordValue. */
export const recordValue = format<RecordValue>('record', STATE_VALUE_BYTES_MAX, record)
/** Codec of CustodyValue. */
export const custodyValue = format<CustodyValue>('custody', STATE_VALUE_BYTES_MAX, custody)
/** Codec of GrantValue. */
export const grantValue = format<GrantValue>('grant', STATE_VALUE_BYTES_MAX, grant)
/** Codec of ReceiptHeadValue. */
export const receiptHeadValue = format<ReceiptHeadValue>('receipt head', STATE_VALUE_BYTES_MAX, receiptHead)
/** Codec of EpochValue. */
export const epochValue = format<EpochValue>('epoch', STATE_VALUE_BYTES_MAX, epoch)

/** The custody fields that owner, guardians and grants commit to: all of CustodyValue but `frozen` and `status`. */
export type CustodyFields = Omit<CustodyValue, 'frozen' | 'status'>

/** @returns SHA-256 of the CBOR of the custody fields; freezing or destroying does not change it. */
export function custodyRecordHash(value: CustodyFields): Uint8Array {
  const fields: Record<string, unknown> = {}
  for (const name of Object.keys(custodyFields) as (keyof CustodyFields)[]) fields[name] = value[name]
  return sha256(encodeCbor(fields))
}

/** Shape of the custody fields, for the message that sets them. */
export const custodyFieldsShape = custodyFields
