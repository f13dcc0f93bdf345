import { guardianKey } from '../../chain-anchor/app/keys.ts'
import { type GuardianValue, guardianValue } from '../../chain-anchor/app/values.ts'
import { type RefusalReason, refusalWords } from '../../custody/release/refusal.ts'
import { asXcareError, XcareError } from '../../errors.ts'
import { CUSTODY_MESSAGE_BYTES_MAX, GUARDIAN_ANSWER_MS, HEADER_AGE_MS_MAX } from '../../limits.ts'
import type { Ledger, Transport } from '../../ports.ts'
import {
  type AnswerOf,
  answerFrame,
  CUSTODY_PROTOCOL,
  type CustodyAnswer,
  type CustodyRequest,
  requestFrame,
} from '../../wire/custody-protocol.ts'
import { addressOf } from '../network-view.ts'

/** A guardian that did not do what it was asked, and why. */
export interface GuardianProblem {
  guardianId: string
  /** Set when the guardian answered and said no. */
  reason: RefusalReason | null
  error: XcareError
}

/** A guardian's no. */
class GuardianRefusal extends XcareError {
  readonly reason: RefusalReason

  /** @param reason as the guardian gave it. */
  constructor(guardianId: string, reason: RefusalReason) {
    super('REFUSED', `guardian ${guardianId} refused: ${refusalWords(reason)}`)
    this.reason = reason
  }
}

/**
 * Asks one guardian one thing, within GUARDIAN_ANSWER_MS to reach it and as much to answer.
 * @param type of the answer wanted. @throws GuardianRefusal, XcareError OFFLINE, TIMEOUT, MALFORMED on any other answer.
 */
export async function askGuardian<T extends CustodyAnswer['type']>(
  transport: Transport,
  guardian: Pick<GuardianValue, 'guardianId' | 'addresses'>,
  request: CustodyRequest,
  type: T,
): Promise<AnswerOf<T>> {
  const signal = AbortSignal.timeout(GUARDIAN_ANSWER_MS)
  const stream = await transport.open(addressOf(guardian), CUSTODY_PROTOCOL, signal)
  try {
    await stream.write(requestFrame.encode(request))
    const frame = await stream.read(CUSTODY_MESSAGE_BYTES_MAX, GUARDIAN_ANSWER_MS)
    if (frame === null)
      throw new XcareError('OFFLINE', `guardian ${guardian.guardianId} ended without an answer`)
    const answer = answerFrame.decode(frame)
    if (answer.type !== type && answer.type !== 'refused')
      throw new XcareError('MALFORMED', `guardian ${guardian.guardianId} answered something else`)
    stream.release()
    if (answer.type === 'refused') throw new GuardianRefusal(guardian.guardianId, answer.reason)
    return answer as AnswerOf<T>
  } catch (error) {
    stream.abort(asXcareError(error))
    throw error
  }
}

/** @returns the problem of a guardian from what its call threw. */
export function problemOf(guardianId: string, thrown: unknown): GuardianProblem {
  const error = asXcareError(thrown)
  return { guardianId, reason: error instanceof GuardianRefusal ? error.reason : null, error }
}

/** Asks every guardian at once. @returns what succeeded, and what did not, in no order. */
export async function askAll<T>(
  guardianIds: string[],
  ask: (guardianId: string, at: number) => Promise<T>,
): Promise<{ good: T[]; problems: GuardianProblem[] }> {
  const good: T[] = []
  const problems: GuardianProblem[] = []
  await Promise.all(
    guardianIds.map((guardianId, at) =>
      ask(guardianId, at).then(
        (answer) => good.push(answer),
        (error: unknown) => problems.push(problemOf(guardianId, error)),
      ),
    ),
  )
  return { good, problems }
}

/** @returns a guardian as the chain lists it. @throws XcareError NOT_FOUND */
export async function readGuardian(ledger: Ledger, guardianId: string): Promise<GuardianValue> {
  const { value } = await ledger.read(guardianKey(guardianId), HEADER_AGE_MS_MAX)
  if (value) return guardianValue.decode(value)
  throw new XcareError('NOT_FOUND', `the chain lists no guardian ${guardianId}`)
}
