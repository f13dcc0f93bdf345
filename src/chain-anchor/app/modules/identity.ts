import { XcareError } from '../../../errors.ts'
import { checkInception, type Inception, keysWerePromised } from '../../../identity/inception.ts'
import type { MessageContext } from '../context.ts'
import { identityKey } from '../keys.ts'
import type { MessageOf } from '../messages.ts'
import { refuse, type Verdict } from '../refusal.ts'
import { load, save } from '../state.ts'
import { identityValue } from '../values.ts'

/** Registers an identity: its identifier follows from its inception, and its first key signs. */
export function registerIdentity(context: MessageContext, message: MessageOf<'identity.register'>): Verdict {
  const { did } = message
  const inception = readInception(message.inception, did)
  if (!inception) return refuse('invalid', 'The identifier does not follow from a valid inception event.')
  if (inception.network !== context.chainId)
    return refuse('invalid', 'The inception event is for another network.')
  if (!context.signedBy(inception.signKey))
    return refuse('unauthorised', 'The first key of the identity has not signed the registration.')
  if (context.state.get(identityKey(did)) !== null)
    return refuse('conflict', 'This identity is registered already.')
  const { signKey, kemKey, nextKeysHash } = inception
  save(context.state, identityKey(did), identityValue, { did, signKey, kemKey, nextKeysHash, seq: 0 })
  return null
}

/** Replaces the keys of an identity by those that its earlier event promised; the new key signs. */
export function rotateIdentity(context: MessageContext, message: MessageOf<'identity.rotate'>): Verdict {
  const { did, seq, signKey, kemKey, nextKeysHash } = message
  const before = load(context.state, identityKey(did), identityValue)
  if (!before) return refuse('unknown', 'There is no such identity.')
  if (seq !== before.seq + 1)
    return refuse('conflict', `The next rotation of this identity has number ${before.seq + 1}.`)
  if (!keysWerePromised(before.nextKeysHash, signKey, kemKey))
    return refuse('unauthorised', 'These are not the keys that the identity has promised.')
  if (!context.signedBy(signKey)) return refuse('unauthorised', 'The new key has not signed the rotation.')
  save(context.state, identityKey(did), identityValue, { did, signKey, kemKey, nextKeysHash, seq })
  return null
}

function readInception(event: Uint8Array, did: string): Inception | null {
  try {
    return checkInception(event, did)
  } catch (error) {
    if (error instanceof XcareError) return null
    throw error
  }
}
