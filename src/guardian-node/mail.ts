import { mailQuestionFormat } from '../custody/mail.ts'
import { type NodeId, parseDid } from '../ids.ts'
import { LETTER_BYTES_MAX, REQUEST_SKEW_MS_MAX } from '../limits.ts'
import type { AnswerOf, RequestOf } from '../wire/custody-protocol.ts'
import { readIdentity } from './chain-view.ts'
import { type GuardianParts, Refusal } from './parts.ts'
import type { Place } from './places.ts'

/** Keeps a sealed letter for its recipient. @throws Refusal when there is no room. */
export async function putLetter(
  parts: GuardianParts,
  sender: NodeId,
  { recipient, letter }: Pick<RequestOf<'mail.put'>, 'recipient' | 'letter'>,
  place: Place,
): Promise<AnswerOf<'mailed'>> {
  const { network, ledger, store, clock } = parts
  if (parseDid(recipient).network !== network) throw new Refusal('wrong-network')
  // A box of somebody who is there needs no look at the chain.
  if (!store.mailbox.has(recipient) && !(await readIdentity({ ledger, place }, recipient)))
    throw new Refusal('unknown-grantee')
  if (!(await store.keepLetter(recipient, sender, letter, clock.nowMs()))) throw new Refusal('full')
  return { type: 'mailed' }
}

/** Gives a person their letters. @throws Refusal when someone else asks. */
export async function takeLetters(
  parts: GuardianParts,
  statement: Uint8Array,
  place: Place,
): Promise<AnswerOf<'mail'>> {
  const question = mailQuestionFormat.decode(statement)
  const { network, guardianId, did, after, nonce, timeMs } = question.value
  if (network !== parts.network) throw new Refusal('wrong-network')
  if (guardianId !== parts.keys.guardianId) throw new Refusal('wrong-guardian')
  if (Math.abs(timeMs - parts.clock.nowMs()) > REQUEST_SKEW_MS_MAX) throw new Refusal('clock-skew')
  const identity = await readIdentity({ ledger: parts.ledger, place }, did)
  if (!identity) throw new Refusal('unknown-grantee')
  if (!mailQuestionFormat.isBy(identity.signKey, question)) throw new Refusal('bad-signature')
  if (!parts.questions.use(nonce, parts.clock.nowMs())) throw new Refusal('replayed')
  return { type: 'mail', ...parts.store.mailbox.take(did, after, LETTER_BYTES_MAX, parts.clock.nowMs()) }
}
