import { mailQuestionFormat } from '../custody/mail.ts'
import { type NodeId, parseDid } from '../ids.ts'
import { LETTER_BYTES_MAX, REQUEST_SKEW_MS_MAX } from '../limits.ts'
import type { AnswerOf } from '../wire/custody-protocol.ts'
import { readIdentity } from './chain-view.ts'
import { type GuardianParts, Refusal } from './parts.ts'

/** Keeps a sealed letter for its recipient. @throws Refusal when there is no room. */
export function putLetter(
  parts: GuardianParts,
  sender: NodeId,
  recipient: string,
  letter: Uint8Array,
): AnswerOf<'mailed'> {
  if (parseDid(recipient).network !== parts.network) throw new Refusal('wrong-network')
  if (!parts.store.mailbox.put(recipient, sender, letter, parts.clock.nowMs())) throw new Refusal('full')
  return { type: 'mailed' }
}

/** Gives a person their letters. @throws Refusal when someone else asks. */
export async function takeLetters(parts: GuardianParts, statement: Uint8Array): Promise<AnswerOf<'mail'>> {
  const question = mailQuestionFormat.decode(statement)
  const { network, guardianId, did, after, nonce, timeMs } = question.value
  if (network !== parts.network) throw new Refusal('wrong-network')
  if (guardianId !== parts.keys.guardianId) throw new Refusal('wrong-guardian')
  if (Math.abs(timeMs - parts.clock.nowMs()) > REQUEST_SKEW_MS_MAX) throw new Refusal('clock-skew')
  const identity = await readIdentity(parts, did)
  if (!identity) throw new Refusal('unknown-grantee')
  if (!mailQuestionFormat.isBy(identity.signKey, question)) throw new Refusal('bad-signature')
  if (!parts.store.useNonce(nonce, parts.clock.nowMs())) throw new Refusal('replayed')
  return { type: 'mail', ...parts.store.mailbox.take(did, after, LETTER_BYTES_MAX, parts.clock.nowMs()) }
}
