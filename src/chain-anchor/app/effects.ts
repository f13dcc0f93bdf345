import { equalBytes, toHex } from '../../bytes.ts'
import type { Format } from '../../schema.ts'
import {
  custodyKey,
  grantKey,
  guardianKey,
  identityKey,
  institutionKey,
  nodeKey,
  receiptKey,
  recordKey,
} from './keys.ts'
import type { Message, MessageOf, MessageType } from './messages.ts'
import {
  type CustodyValue,
  custodyRecordHash,
  custodyValue,
  grantValue,
  guardianValue,
  identityValue,
  institutionValue,
  nodeValue,
  type RecordValue,
  receiptHeadValue,
  recordValue,
} from './values.ts'

/**
 * What a message leaves in the state: where, and how its value looks there. A later change by the same owner
 * counts as shown.
 */
export interface Effect {
  key: Uint8Array
  /** @param value the proven value of `key`, null when its absence is proven. @throws XcareError MALFORMED */
  shows(value: Uint8Array | null): boolean
  /** Whether the message takes something away: who saw this must never forget it. */
  takesAway: boolean
}

/** @returns the effects of the messages of one transaction, the last one of each key. */
export function effectsOf(messages: readonly Message[]): Effect[] {
  const last = new Map<string, Effect>()
  for (const effect of messages.map((message) => effectOf(message))) last.set(toHex(effect.key), effect)
  return [...last.values()]
}

/** @returns where the effect of `message` is to be read, and what must be there. */
export function effectOf<T extends MessageType>(message: MessageOf<T>): Effect {
  const effect = EFFECTS[message.type as T] as (message: MessageOf<T>) => Effect
  return effect(message)
}

/** One rule a type: a new type does not compile without one. */
const EFFECTS: { [T in MessageType]: (message: MessageOf<T>) => Effect } = {
  'institution.register': ({ instId, name, signKey, roles }) =>
    adds(
      institutionKey(instId),
      institutionValue,
      (is) => is.name === name && equalBytes(is.signKey, signKey) && is.roles.join() === roles.join(),
    ),
  'institution.suspend': ({ instId, suspended }) =>
    takes(
      institutionKey(instId),
      institutionValue,
      (is) => is.status === (suspended ? 'suspended' : 'active'),
    ),
  'node.register': (message) =>
    adds(
      nodeKey(message.nodeId),
      nodeValue,
      (is) => isSameMember(is, message) && is.capacityBytes === message.capacityBytes,
    ),
  'node.retire': ({ nodeId, status }) =>
    takes(nodeKey(nodeId), nodeValue, (is) => is.status === status || is.status === 'retired'),
  'guardian.register': (message) =>
    adds(
      guardianKey(message.guardianId),
      guardianValue,
      (is) => isSameMember(is, message) && equalBytes(is.kemKey, message.kemKey),
    ),
  'guardian.retire': ({ guardianId }) =>
    takes(guardianKey(guardianId), guardianValue, (is) => is.status === 'retired'),
  // The identifier follows from the event that is registered: whatever is at this key began with it.
  'identity.register': ({ did }) => adds(identityKey(did), identityValue, (is) => is.did === did),
  'identity.rotate': ({ did, seq, signKey, kemKey }) =>
    takes(
      identityKey(did),
      identityValue,
      (is) =>
        is.seq > seq || (is.seq === seq && equalBytes(is.signKey, signKey) && equalBytes(is.kemKey, kemKey)),
    ),
  'record.anchor': (message) =>
    adds(recordKey(message.objectId), recordValue, (is) => isAnchored(is, message)),
  'record.remove': ({ objectId }) => takes(recordKey(objectId), recordValue, (is) => is.status === 'removed'),
  'custody.record': (message) =>
    adds(custodyKey(message.objectId), custodyValue, (is) => isRecorded(is, message)),
  'custody.freeze': ({ objectId, frozen }) =>
    takes(custodyKey(objectId), custodyValue, (is) => is.frozen === frozen || is.status === 'destroyed'),
  'custody.destroy': ({ objectId }) =>
    takes(custodyKey(objectId), custodyValue, (is) => is.status === 'destroyed'),
  'grant.create': ({ grantId, commitment, revokeKey, notAfterMs }) =>
    adds(
      grantKey(grantId),
      grantValue,
      (is) =>
        is.status === 'active' &&
        is.notAfterMs === notAfterMs &&
        equalBytes(is.commitment, commitment) &&
        equalBytes(is.revokeKey, revokeKey),
    ),
  'grant.revoke': ({ grantId }) => takes(grantKey(grantId), grantValue, (is) => is.status === 'revoked'),
  'receipt.extend': ({ guardianId, from, hashes, head }) => {
    const count = from + hashes.length / 32
    return adds(
      receiptKey(guardianId),
      receiptHeadValue,
      (is) => is.count > count || (is.count === count && equalBytes(is.head, head)),
    )
  },
  // No block takes it any more: nothing shows it.
  'receipt.batch': ({ guardianId }) => adds(receiptKey(guardianId), receiptHeadValue, () => false),
}

function adds<T>(key: Uint8Array, codec: Format<T>, isThere: (value: T) => boolean): Effect {
  return { key, shows: (value) => value !== null && isThere(codec.decode(value)), takesAway: false }
}

function takes<T>(key: Uint8Array, codec: Format<T>, isThere: (value: T) => boolean): Effect {
  return { ...adds(key, codec, isThere), takesAway: true }
}

/** A storage node or a guardian, as far as both have the same fields. */
type Member = Pick<MessageOf<'node.register'>, 'instId' | 'signKey' | 'addresses'>

function isSameMember(listed: Member, message: Member): boolean {
  return (
    listed.instId === message.instId &&
    equalBytes(listed.signKey, message.signKey) &&
    listed.addresses.join() === message.addresses.join()
  )
}

function isAnchored(record: RecordValue, message: MessageOf<'record.anchor'>): boolean {
  if (!equalBytes(record.ownerKey, message.ownerKey)) return false
  if (record.version !== message.version) return record.version > message.version
  return equalBytes(record.manifestHash, message.manifestHash)
}

function isRecorded(custody: CustodyValue, { type: _, ...fields }: MessageOf<'custody.record'>): boolean {
  if (!equalBytes(custody.ownerKey, fields.ownerKey)) return false
  if (custody.epoch !== fields.epoch) return custody.epoch > fields.epoch
  return equalBytes(custodyRecordHash(custody), custodyRecordHash(fields))
}
