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
import type { Message, MessageOf } from './messages.ts'
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

/** What a message leaves in the state: where, and how its value looks there. A later change by the same owner counts as shown. */
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
  for (const effect of messages.map(effectOf)) last.set(toHex(effect.key), effect)
  return [...last.values()]
}

/** @returns where the effect of `message` is to be read, and what must be there. */
export function effectOf(message: Message): Effect {
  switch (message.type) {
    case 'institution.register':
      return adds(
        institutionKey(message.instId),
        institutionValue,
        ({ name, signKey, roles }) =>
          name === message.name &&
          equalBytes(signKey, message.signKey) &&
          roles.join() === message.roles.join(),
      )
    case 'institution.suspend':
      return takes(
        institutionKey(message.instId),
        institutionValue,
        ({ status }) => status === (message.suspended ? 'suspended' : 'active'),
      )
    case 'node.register':
      return adds(
        nodeKey(message.nodeId),
        nodeValue,
        (node) => isSameMember(node, message) && node.capacityBytes === message.capacityBytes,
      )
    case 'node.retire':
      return takes(
        nodeKey(message.nodeId),
        nodeValue,
        ({ status }) => status === message.status || status === 'retired',
      )
    case 'guardian.register':
      return adds(
        guardianKey(message.guardianId),
        guardianValue,
        (guardian) => isSameMember(guardian, message) && equalBytes(guardian.kemKey, message.kemKey),
      )
    case 'guardian.retire':
      return takes(guardianKey(message.guardianId), guardianValue, ({ status }) => status === 'retired')
    case 'identity.register':
      // The identifier follows from the event that is registered: whatever is at this key began with it.
      return adds(identityKey(message.did), identityValue, ({ did }) => did === message.did)
    case 'identity.rotate':
      return takes(
        identityKey(message.did),
        identityValue,
        ({ seq, signKey, kemKey }) =>
          seq > message.seq ||
          (seq === message.seq && equalBytes(signKey, message.signKey) && equalBytes(kemKey, message.kemKey)),
      )
    case 'record.anchor':
      return adds(recordKey(message.objectId), recordValue, (record) => isAnchored(record, message))
    case 'record.remove':
      return takes(recordKey(message.objectId), recordValue, ({ status }) => status === 'removed')
    case 'custody.record':
      return adds(custodyKey(message.objectId), custodyValue, (custody) => isRecorded(custody, message))
    case 'custody.freeze':
      return takes(
        custodyKey(message.objectId),
        custodyValue,
        ({ frozen, status }) => frozen === message.frozen || status === 'destroyed',
      )
    case 'custody.destroy':
      return takes(custodyKey(message.objectId), custodyValue, ({ status }) => status === 'destroyed')
    case 'grant.create':
      return adds(
        grantKey(message.grantId),
        grantValue,
        ({ commitment, revokeKey, notAfterMs, status }) =>
          status === 'active' &&
          notAfterMs === message.notAfterMs &&
          equalBytes(commitment, message.commitment) &&
          equalBytes(revokeKey, message.revokeKey),
      )
    case 'grant.revoke':
      return takes(grantKey(message.grantId), grantValue, ({ status }) => status === 'revoked')
    case 'receipt.batch':
      return adds(
        receiptKey(message.guardianId),
        receiptHeadValue,
        ({ seq, head }) => seq > message.seq || (seq === message.seq && equalBytes(head, message.head)),
      )
  }
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
