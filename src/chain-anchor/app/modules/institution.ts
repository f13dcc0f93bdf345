import type { MessageContext } from '../context.ts'
import { institutionKey } from '../keys.ts'
import type { MessageOf } from '../messages.ts'
import { signedByGovernor } from '../params.ts'
import { type Refusal, refuse, type Verdict } from '../refusal.ts'
import { load, type StateView, save } from '../state.ts'
import { type InstitutionValue, institutionValue } from '../values.ts'

/** Admits or updates an institution. Only a governor may. */
export function registerInstitution(
  context: MessageContext,
  message: MessageOf<'institution.register'>,
): Verdict {
  const { instId, name, signKey, roles } = message
  if (!signedByGovernor(context.state, context.signedBy))
    return refuse('unauthorised', 'Only a governor of this network may admit an institution.')
  if (new Set(roles).size !== roles.length) return refuse('invalid', 'An institution lists a role twice.')
  const before = load(context.state, institutionKey(instId), institutionValue)
  save(context.state, institutionKey(instId), institutionValue, {
    instId,
    name,
    signKey,
    roles,
    status: before?.status ?? 'active',
  })
  return null
}

/** Suspends an institution or lets it back in. Only a governor may. */
export function suspendInstitution(
  context: MessageContext,
  message: MessageOf<'institution.suspend'>,
): Verdict {
  if (!signedByGovernor(context.state, context.signedBy))
    return refuse('unauthorised', 'Only a governor of this network may suspend an institution.')
  const before = load(context.state, institutionKey(message.instId), institutionValue)
  if (!before) return refuse('unknown', `There is no institution "${message.instId}".`)
  save(context.state, institutionKey(message.instId), institutionValue, {
    ...before,
    status: message.suspended ? 'suspended' : 'active',
  })
  return null
}

/** @returns the institution if it is active and has `role`, else why not. */
export function activeInstitution(
  state: StateView,
  instId: string,
  role: InstitutionValue['roles'][number],
): { institution: InstitutionValue; refusal: null } | { institution: null; refusal: Refusal } {
  const institution = load(state, institutionKey(instId), institutionValue)
  if (!institution)
    return { institution: null, refusal: refuse('unknown', `There is no institution "${instId}".`) }
  if (institution.status !== 'active')
    return { institution: null, refusal: refuse('invalid', `The institution "${instId}" is suspended.`) }
  if (!institution.roles.includes(role))
    return {
      institution: null,
      refusal: refuse('unauthorised', `The institution "${instId}" does not have the role "${role}".`),
    }
  return { institution, refusal: null }
}
