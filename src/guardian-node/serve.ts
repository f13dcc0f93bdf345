import { asXcareError, XcareError } from '../errors.ts'
import type { NodeId } from '../ids.ts'
import { CUSTODY_MESSAGE_BYTES_MAX, FRAME_IDLE_MS, GUARDIAN_REQUESTS_MAX } from '../limits.ts'
import type { FrameStream } from '../ports.ts'
import {
  answerFrame,
  type CustodyAnswer,
  type CustodyRequest,
  requestFrame,
} from '../wire/custody-protocol.ts'
import { keepDeposit } from './deposit.ts'
import { putLetter, takeLetters } from './mail.ts'
import { destroy, listReceipts } from './owner-requests.ts'
import { type GuardianParts, Refusal } from './parts.ts'
import { release } from './release.ts'

/** @returns the handler of one stream of CUSTODY_PROTOCOL: a request, its answer, the next request, until the asker ends. */
export function custodyHandler(parts: GuardianParts): (stream: FrameStream) => Promise<void> {
  let busy = 0
  return async (stream) => {
    for (;;) {
      const frame = await stream.read(CUSTODY_MESSAGE_BYTES_MAX, FRAME_IDLE_MS)
      if (frame === null) return
      if (busy >= GUARDIAN_REQUESTS_MAX) {
        await stream.write(answerFrame.encode(refused('busy')))
        continue
      }
      busy++
      try {
        await stream.write(await answerTo(parts, frame, stream.remote))
      } finally {
        busy--
      }
    }
  }
}

/** @param remote who asks, as the handshake proved it. @returns the answer frame; every failure becomes a refusal. */
async function answerTo(parts: GuardianParts, frame: Uint8Array, remote: NodeId): Promise<Uint8Array> {
  let request: CustodyRequest['type'] | 'unreadable' = 'unreadable'
  try {
    const read = requestFrame.decode(frame)
    request = read.type
    const answer = await handle(parts, read, remote)
    parts.log({ type: 'served', request })
    return answerFrame.encode(answer)
  } catch (error) {
    const answer = refusalOf(parts, error)
    parts.log({ type: 'refused', request, reason: answer.reason })
    return answerFrame.encode(answer)
  }
}

async function handle(parts: GuardianParts, request: CustodyRequest, remote: NodeId): Promise<CustodyAnswer> {
  switch (request.type) {
    case 'deposit':
      return keepDeposit(parts, request.deposit, request.height)
    case 'release':
      return release(parts, request.sealed)
    case 'destroy':
      return destroy(parts, request.order)
    case 'receipts':
      return listReceipts(parts, request.fromSeq, request.questions)
    case 'mail.put':
      return putLetter(parts, remote, request.recipient, request.letter)
    case 'mail.get':
      return takeLetters(parts, request.question)
    case 'status':
      return status(parts)
  }
}

async function status(parts: GuardianParts): Promise<CustodyAnswer> {
  const { store, keys, network, ledger } = parts
  const head = await ledger.head(Number.MAX_SAFE_INTEGER).catch(() => null)
  return {
    type: 'status',
    guardianId: keys.guardianId,
    network,
    shares: store.shareCount(),
    receipts: store.chain().count,
    height: head?.height ?? 0,
  }
}

/** Own faults are told as `failed` without their text, which might name a path or a value. */
function refusalOf(parts: GuardianParts, error: unknown): Extract<CustodyAnswer, { type: 'refused' }> {
  if (error instanceof Refusal) return refused(error.reason)
  if (error instanceof XcareError && error.code === 'MALFORMED') return refused('malformed')
  if (error instanceof XcareError && error.code === 'OFFLINE') return refused('stale-view')
  parts.log({ type: 'failed', what: 'request', code: asXcareError(error).code })
  return refused('failed')
}

function refused(reason: Refusal['reason']): Extract<CustodyAnswer, { type: 'refused' }> {
  return { type: 'refused', reason }
}
