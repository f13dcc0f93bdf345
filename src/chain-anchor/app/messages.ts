import { RECEIPTS_ANCHORED_MAX } from '../../limits.ts'
import { bytesMax, text, uint, z } from '../../schema.ts'
import * as field from './fields.ts'
import { custodyFieldsShape } from './values.ts'

const message = <T extends string, S extends z.ZodRawShape>(type: T, shape: S) =>
  z.strictObject({ type: z.literal(type), ...shape })

/** Shape of one message of a transaction; `type` tells which. Who must sign is said at each. */
export const messageShape = z.discriminatedUnion('type', [
  // A governor key of the genesis. Again = update.
  message('institution.register', {
    instId: field.instId,
    name: text(200),
    signKey: field.signKey,
    roles: field.roles,
  }),
  // A governor key of the genesis.
  message('institution.suspend', { instId: field.instId, suspended: z.boolean() }),
  // The institution's key and the node's key. Again = update.
  message('node.register', {
    nodeId: field.peerId,
    instId: field.instId,
    signKey: field.signKey,
    capacityBytes: uint(),
    network: field.label,
    region: field.label,
    addresses: field.addresses,
    availabilityPpm: field.availabilityPpm,
  }),
  // The node's key or its institution's key.
  message('node.retire', { nodeId: field.peerId, status: z.enum(['draining', 'retired']) }),
  // The institution's key and the guardian's key. Again = update; a new kemKey starts a new guardian epoch.
  message('guardian.register', {
    guardianId: field.peerId,
    instId: field.instId,
    signKey: field.signKey,
    kemKey: field.kemKey,
    jurisdiction: field.label,
    addresses: field.addresses,
  }),
  // The guardian's key or its institution's key.
  message('guardian.retire', { guardianId: field.peerId }),
  // The sign key inside the inception event.
  message('identity.register', {
    did: field.did,
    inception: bytesMax(4096),
  }),
  // The new sign key, which the earlier keys committed to by nextKeysHash.
  message('identity.rotate', {
    did: field.did,
    seq: field.fromOne,
    signKey: field.signKey,
    kemKey: field.kemKey,
    nextKeysHash: field.hash,
  }),
  // The owner's key; every version after the first has the same.
  message('record.anchor', {
    objectId: field.objectId,
    version: field.fromOne,
    ownerKey: field.signKey,
    manifestHash: field.hash,
    k: field.positions,
    n: field.positions,
    epoch: uint(),
    columns: field.columnBitmap,
    moved: field.moved,
  }),
  // The owner's key.
  message('record.remove', { objectId: field.objectId }),
  // The owner's key; `epoch` is greater than that of the record it replaces.
  message('custody.record', custodyFieldsShape),
  // The owner's key.
  message('custody.freeze', { objectId: field.objectId, frozen: z.boolean() }),
  // The owner's key. Cannot be undone.
  message('custody.destroy', { objectId: field.objectId }),
  // The revoke key.
  message('grant.create', {
    grantId: field.grantId,
    commitment: field.hash,
    revokeKey: field.signKey,
    notAfterMs: uint(),
  }),
  // The revoke key.
  message('grant.revoke', { grantId: field.grantId }),
  // The guardian's key. `hashes` of the receipts after the first `from`, which lead from the anchored head to
  // `head`.
  message('receipt.extend', {
    guardianId: field.peerId,
    from: uint(),
    hashes: bytesMax(RECEIPTS_ANCHORED_MAX * 32).refine(
      (all) => all.length > 0 && all.length % 32 === 0,
      'one whole hash at least',
    ),
    head: field.hash,
  }),
  // Of an earlier version, which proved nothing: in old blocks only.
  message('receipt.batch', { guardianId: field.peerId, seq: field.fromOne, head: field.hash, count: uint() }),
])

/** One message of a transaction. Spec: docs/spec/transaction.md. */
export type Message = z.infer<typeof messageShape>
/** What a message does. */
export type MessageType = Message['type']
/** The message whose `type` is `T`. */
export type MessageOf<T extends MessageType> = Extract<Message, { type: T }>
