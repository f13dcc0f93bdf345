import type { MessageContext } from '../context.ts'
import { grantKey } from '../keys.ts'
import type { MessageOf } from '../messages.ts'
import { refuse, type Verdict } from '../refusal.ts'
import { load, save } from '../state.ts'
import { grantValue } from '../values.ts'
import { checkNewName } from './names.ts'

/** Makes a grant known by its commitment. Its revoke key, used for nothing else, signs. */
export function createGrant(context: MessageContext, message: MessageOf<'grant.create'>): Verdict {
  const { type: _, ...fields } = message
  if (!context.signedBy(message.revokeKey))
    return refuse('unauthorised', 'The revoke key has not signed this grant.')
  if (context.state.get(grantKey(message.grantId)) !== null)
    return refuse('conflict', 'This grant exists already.')
  const unnamed = checkNewName(context, 'grant', message.grantId, message.revokeKey)
  if (unnamed) return unnamed
  if (message.notAfterMs <= context.timeMs) return refuse('invalid', 'This grant has ended before it began.')
  save(context.state, grantKey(message.grantId), grantValue, {
    ...fields,
    status: 'active',
    height: context.height,
  })
  return null
}

/** Revokes a grant for good. Only its revoke key may; saying it again changes nothing. */
export function revokeGrant(context: MessageContext, message: MessageOf<'grant.revoke'>): Verdict {
  const before = load(context.state, grantKey(message.grantId), grantValue)
  if (!before) return refuse('unknown', 'There is no such grant.')
  if (!context.signedBy(before.revokeKey))
    return refuse('unauthorised', 'Only the revoke key may revoke a grant.')
  if (before.status === 'revoked') return null
  save(context.state, grantKey(message.grantId), grantValue, {
    ...before,
    status: 'revoked',
    height: context.height,
  })
  return null
}
