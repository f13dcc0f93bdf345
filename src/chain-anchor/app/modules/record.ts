import { equalBytes } from '../../../bytes.ts'
import type { MessageContext } from '../context.ts'
import { custodyKey, epochKey, nodeKey, recordKey } from '../keys.ts'
import type { MessageOf } from '../messages.ts'
import { firstRefusal, refuse, type Verdict } from '../refusal.ts'
import { load, save } from '../state.ts'
import { custodyValue, recordValue } from '../values.ts'
import { checkNewName } from './names.ts'

type Anchor = MessageOf<'record.anchor'>

/** Anchors the next version of an object. Its owner's key never changes. */
export function anchorRecord(context: MessageContext, message: Anchor): Verdict {
  const { type: _, ...fields } = message
  if (!context.signedBy(message.ownerKey))
    return refuse('unauthorised', 'The owner has not signed this anchor.')
  const refusal = firstRefusal(
    () => checkOwner(context, message),
    () => checkColumns(message),
    () => checkPlaces(context, message),
  )
  if (refusal) return refusal
  save(context.state, recordKey(message.objectId), recordValue, {
    ...fields,
    status: 'active',
    height: context.height,
  })
  return null
}

/** Marks an object as removed. Cannot be undone. */
export function removeRecord(context: MessageContext, message: MessageOf<'record.remove'>): Verdict {
  const before = load(context.state, recordKey(message.objectId), recordValue)
  if (!before) return refuse('unknown', 'There is no such record.')
  if (!context.signedBy(before.ownerKey)) return refuse('unauthorised', 'Only the owner may remove a record.')
  if (before.status === 'removed') return refuse('conflict', 'This record is removed already.')
  save(context.state, recordKey(message.objectId), recordValue, {
    ...before,
    status: 'removed',
    height: context.height,
  })
  return null
}

function checkOwner(context: MessageContext, { objectId, ownerKey, version }: Anchor): Verdict {
  const { state } = context
  const before = load(state, recordKey(objectId), recordValue)
  const custody = load(state, custodyKey(objectId), custodyValue)
  if (before && !equalBytes(before.ownerKey, ownerKey))
    return refuse('unauthorised', 'This record has another owner.')
  if (custody && !equalBytes(custody.ownerKey, ownerKey))
    return refuse('unauthorised', 'This record has another owner.')
  const unnamed = !before && !custody ? checkNewName(context, 'object', objectId, ownerKey) : null
  if (unnamed) return unnamed
  if (before?.status === 'removed') return refuse('conflict', 'This record was removed.')
  const next = (before?.version ?? 0) + 1
  return version === next
    ? null
    : refuse('conflict', `The next version of this record is ${next}, not ${version}.`)
}

function checkColumns({ k, n, columns }: Anchor): Verdict {
  if (k > n) return refuse('invalid', 'The threshold of a record is above its number of columns.')
  if (columns.length !== Math.ceil(n / 8))
    return refuse('invalid', 'The list of stored columns has the wrong length.')
  if (n % 8 !== 0 && columns[columns.length - 1] >> (n % 8) !== 0)
    return refuse('invalid', 'The list of stored columns names columns that do not exist.')
  let stored = 0
  for (const byte of columns) for (let bits = byte; bits !== 0; bits &= bits - 1) stored++
  return stored >= k
    ? null
    : refuse('invalid', `Only ${stored} columns are stored and ${k} are needed to read the record.`)
}

function checkPlaces({ state }: MessageContext, { epoch, moved, n, columns }: Anchor): Verdict {
  if (state.get(epochKey(epoch)) === null) return refuse('unknown', `There is no epoch ${epoch}.`)
  let last = -1
  for (const { column, nodeId } of moved) {
    if (column <= last || column >= n || ((columns[column >> 3] >> (column & 7)) & 1) === 0)
      return refuse('invalid', 'The moved columns are not sorted, repeated or not stored.')
    if (state.get(nodeKey(nodeId)) === null) return refuse('unknown', `There is no node ${nodeId}.`)
    last = column
  }
  return null
}
