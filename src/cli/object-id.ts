import { XcareError } from '../errors.ts'
import type { Vault } from '../identity/vault.ts'
import { type ObjectId, objectIdFromBytes, objectIdToBytes } from '../ids.ts'
import { heldObjects } from '../light-node/guardians/shared-records.ts'

/** An object id, or its beginning: enough letters that it is typed on purpose. */
const OBJECT_WORD = /^b[a-z2-7]{3,52}$/

/** @throws XcareError USAGE when `text` is neither an object id nor the beginning of one. */
export function requireObjectWord(text: string): void {
  if (OBJECT_WORD.test(text) && (text.length < WHOLE || idOf(text) !== null)) return
  throw new XcareError('USAGE', `"${text.slice(0, 60)}" is not an object id`, {
    next: 'copy it from `npx xcare ls`; its first letters are enough',
  })
}

const WHOLE = 53

/**
 * @param text an object id, or so many first letters of one that only one record of this wallet, own or
 * shared with it, begins so.
 * @throws XcareError USAGE when it is none, or several begin so; NOT_FOUND when none does.
 */
export function objectIdOf(text: string, vault: Vault): ObjectId {
  requireObjectWord(text)
  const whole = idOf(text)
  if (whole) return whole
  const own = vault.list().filter(({ kind }) => kind !== 'part')
  const known = new Set([...own, ...heldObjects(vault)].map(({ objectId }) => objectIdFromBytes(objectId)))
  const fitting = [...known].filter((id) => id.startsWith(text))
  if (fitting.length === 1) return fitting[0]!
  if (fitting.length === 0)
    throw new XcareError('NOT_FOUND', `no record that this wallet knows begins with ${text}`, {
      next: '`npx xcare ls` lists yours; of others give the whole id',
    })
  throw new XcareError(
    'USAGE',
    `${fitting.length} records begin with ${text}: ${fitting.slice(0, 3).join(', ')}`,
    {
      next: 'give more letters of the one you mean',
    },
  )
}

function idOf(text: string): ObjectId | null {
  try {
    return objectIdFromBytes(objectIdToBytes(text))
  } catch {
    return null
  }
}
