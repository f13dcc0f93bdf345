import { custodyKey, grantKey, recordKey } from './keys.ts'
import type { Message } from './messages.ts'
import { load, type StateView } from './state.ts'
import { custodyValue, grantValue, recordValue } from './values.ts'

/**
 * Where a transaction waits: `back` takes something back that is in a block already, `member` is of a
 * governor, an institution, a node or a guardian, `rest` of anybody. An earlier lane goes into the next block
 * first. Why: docs/adr/0123-lanes-for-transactions.md.
 */
export type Lane = 'back' | 'member' | 'rest'

/** All lanes, first come first. */
export const LANES: readonly Lane[] = ['back', 'member', 'rest']

/**
 * @param committed state of the newest block: what only waits cannot be taken back before it is there, and to
 * take back again takes nothing.
 * @param messages of a transaction that the rules let pass.
 * @returns its lane; mixed messages wait with the rest.
 */
export function laneOf(committed: StateView, messages: readonly Message[]): Lane {
  if (messages.every((message) => takesBack(committed, message))) return 'back'
  return messages.every(isOfMember) ? 'member' : 'rest'
}

/**
 * Each of these can be said once for what somebody else's block had to carry before: none is free to repeat.
 */
function takesBack(state: StateView, message: Message): boolean {
  switch (message.type) {
    case 'grant.revoke':
      return load(state, grantKey(message.grantId), grantValue)?.status === 'active'
    case 'custody.destroy':
      return load(state, custodyKey(message.objectId), custodyValue)?.status === 'active'
    case 'custody.freeze':
      return message.frozen && load(state, custodyKey(message.objectId), custodyValue)?.frozen === false
    case 'record.remove':
      return load(state, recordKey(message.objectId), recordValue)?.status === 'active'
    default:
      return false
  }
}

/** The rules let these pass only with the signature of a key that a governor admitted, or of a governor. */
function isOfMember({ type }: Message): boolean {
  return /^(institution|node|guardian|receipt)\./.test(type)
}
