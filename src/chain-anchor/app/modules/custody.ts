import { equalBytes } from '../../../bytes.ts'
import type { MessageContext } from '../context.ts'
import { custodyKey, guardianKey, recordKey } from '../keys.ts'
import type { MessageOf } from '../messages.ts'
import { firstRefusal, refuse, type Verdict } from '../refusal.ts'
import { load, type StateView, save } from '../state.ts'
import { type CustodyValue, custodyValue, guardianValue, recordValue } from '../values.ts'
import { activeInstitution } from './institution.ts'
import { checkNewName } from './names.ts'

type Custody = MessageOf<'custody.record'>

/** Names the guardians of an object, or replaces them by a later custody epoch. */
export function recordCustody(context: MessageContext, message: Custody): Verdict {
  const { type: _, ...fields } = message
  if (!context.signedBy(message.ownerKey))
    return refuse('unauthorised', 'The owner has not signed this custody record.')
  const before = load(context.state, custodyKey(message.objectId), custodyValue)
  const refusal = firstRefusal(
    () => checkOwner(context, message, before),
    () => checkThreshold(message),
    () => checkGuardians(context.state, message.guardians),
  )
  if (refusal) return refusal
  save(context.state, custodyKey(message.objectId), custodyValue, {
    ...fields,
    frozen: before?.frozen ?? false,
    status: 'active',
  })
  return null
}

/** Stops or resumes every release of an object. */
export function freezeCustody(context: MessageContext, message: MessageOf<'custody.freeze'>): Verdict {
  return changeCustody(context, message.objectId, (before) => ({ ...before, frozen: message.frozen }))
}

/** Tells guardians to destroy their shares. Cannot be undone. */
export function destroyCustody(context: MessageContext, message: MessageOf<'custody.destroy'>): Verdict {
  return changeCustody(context, message.objectId, (before) => ({ ...before, status: 'destroyed' }))
}

function changeCustody(
  context: MessageContext,
  objectId: Uint8Array,
  change: (before: CustodyValue) => CustodyValue,
): Verdict {
  const before = load(context.state, custodyKey(objectId), custodyValue)
  if (!before) return refuse('unknown', 'There is no custody record of this object.')
  if (!context.signedBy(before.ownerKey))
    return refuse('unauthorised', 'Only the owner may change a custody record.')
  if (before.status === 'destroyed') return refuse('conflict', 'The custody of this object was destroyed.')
  save(context.state, custodyKey(objectId), custodyValue, change(before))
  return null
}

function checkOwner(
  context: MessageContext,
  { objectId, ownerKey, epoch, version }: Custody,
  before: CustodyValue | null,
): Verdict {
  const record = load(context.state, recordKey(objectId), recordValue)
  if (record && !equalBytes(record.ownerKey, ownerKey))
    return refuse('unauthorised', 'This object has another owner.')
  if (!before) return record ? null : checkNewName(context, 'object', objectId, ownerKey)
  if (!equalBytes(before.ownerKey, ownerKey)) return refuse('unauthorised', 'This object has another owner.')
  if (before.status === 'destroyed') return refuse('conflict', 'The custody of this object was destroyed.')
  if (epoch <= before.epoch) return refuse('conflict', `The custody epoch must be above ${before.epoch}.`)
  return version >= before.version
    ? null
    : refuse('conflict', `The custody record is for version ${before.version} already.`)
}

function checkThreshold({ t, m, guardians }: Custody): Verdict {
  if (m !== guardians.length) return refuse('invalid', 'The number of guardians is not the one stated.')
  if (t > m) return refuse('invalid', 'More guardians are needed than there are.')
  return t >= 2
    ? null
    : refuse('invalid', 'One guardian alone must never be enough: at least two are needed.')
}

function checkGuardians(state: StateView, guardians: readonly string[]): Verdict {
  const institutions = new Set<string>()
  for (const guardianId of guardians) {
    const guardian = load(state, guardianKey(guardianId), guardianValue)
    if (!guardian) return refuse('unknown', `There is no guardian ${guardianId}.`)
    if (guardian.status !== 'active') return refuse('invalid', `The guardian ${guardianId} is retired.`)
    const { refusal } = activeInstitution(state, guardian.instId, 'guardian')
    if (refusal) return refusal
    if (institutions.has(guardian.instId))
      return refuse('invalid', 'Two guardians of an object belong to one institution.')
    institutions.add(guardian.instId)
  }
  return null
}
