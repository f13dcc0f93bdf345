import { asXcareError, XcareError } from '../errors.ts'
import type { NodeId } from '../ids.ts'
import { CUSTODY_MESSAGE_BYTES_MAX, FRAME_IDLE_MS } from '../limits.ts'
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
import { type Place, Places } from './places.ts'
import { release } from './release.ts'

/** @returns the handler of one stream of CUSTODY_PROTOCOL: a request, its answer, the next request, until the asker ends. */
export function custodyHandler(parts: GuardianParts): (stream: FrameStream) => Promise<void> {
  const places = new Places(parts.clock)
  return async (stream) => {
    for (;;) {
      const frame = await stream.read(CUSTODY_MESSAGE_BYTES_MAX, FRAME_IDLE_MS)
      if (frame === null) return
      // An asker who takes no answer holds no place.
      await stream.write(await answerTo(parts, places, frame, stream))
    }
  }
}

/** @param remote who asks, as the handshake proved it. @returns the answer frame; every failure becomes a refusal. */
async function answerTo(
  parts: GuardianParts,
  places: Places,
  frame: Uint8Array,
  remote: Pick<FrameStream, 'remote' | 'address'>,
): Promise<Uint8Array> {
  let request: CustodyRequest['type'] | 'unreadable' = 'unreadable'
  try {
    const read = requestFrame.decode(frame)
    request = read.type
    const answer = await places.use(remote, (place) => handle(parts, read, remote.remote, place))
    parts.log({ type: 'served', request })
    return answerFrame.encode(answer)
  } catch (error) {
    const answer = refusalOf(parts, error)
    parts.log({ type: 'refused', request, reason: answer.reason })
    return answerFrame.encode(answer)
  }
}

async function handle(
  parts: GuardianParts,
  request: CustodyRequest,
  remote: NodeId,
  place: Place,
): Promise<CustodyAnswer> {
  switch (request.type) {
    case 'deposit':
      return keepDeposit(parts, request.deposit, request.height, place)
    case 'release':
      return release(parts, request.sealed, place)
    case 'destroy':
      return destroy(parts, request.order, place)
    case 'receipts':
      return listReceipts(parts, request.fromSeq, request.questions)
    case 'mail.put':
      return putLetter(parts, remote, request, place)
    case 'mail.get':
      return takeLetters(parts, request.question, place)
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
