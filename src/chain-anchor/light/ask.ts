import { post } from '#post'
import { concatAll, fromUtf8 } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import { RPC_ANSWER_BYTES_MAX } from '../../limits.ts'
import type { Clock } from '../../ports.ts'

const HTTP_SERVER_ERROR = 500
/** Why a timer ends. Without a reason each end would make an error with a stack. */
const ANSWERED = 'answered'

/** One question to an RPC endpoint. */
export interface Question {
  url: string
  /** For messages. */
  name: string
  /** JSON */
  body: string
  deadlineMs: number
}

/**
 * Posts `question` as the platform does it. Redirects are not followed.
 * @returns the text of the answer, which may also be an error report of the server.
 * @throws XcareError OFFLINE when the endpoint cannot be reached, TIMEOUT after the deadline, MALFORMED above RPC_ANSWER_BYTES_MAX
 */
export async function askCapped(clock: Clock, question: Question): Promise<string> {
  const { name, deadlineMs } = question
  const request = new AbortController()
  const timer = new AbortController()
  clock.sleep(deadlineMs, timer.signal).then(
    () => request.abort(new XcareError('TIMEOUT', `${name} did not answer within ${deadlineMs / 1000} s`)),
    () => {},
  )
  try {
    return await exchange(question, request.signal)
  } catch (cause) {
    if (request.signal.aborted) throw request.signal.reason
    request.abort(cause)
    if (cause instanceof XcareError) throw cause
    throw new XcareError('OFFLINE', `${name} cannot be reached`, {
      cause,
      next: 'check the network connection and that the chain endpoint is running',
    })
  } finally {
    timer.abort(ANSWERED)
  }
}

async function exchange({ url, name, body }: Question, signal: AbortSignal): Promise<string> {
  const { status, body: pieces } = await post(url, body, signal)
  const isAnswer = status >= 200 && status < 300
  if (!isAnswer && status !== HTTP_SERVER_ERROR)
    throw new XcareError('OFFLINE', `${name} answered with HTTP status ${status}`)
  return fromUtf8(await readCapped(pieces, name))
}

async function readCapped(pieces: AsyncIterable<Uint8Array>, name: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const piece of pieces) {
    length += piece.length
    if (length > RPC_ANSWER_BYTES_MAX) throw new XcareError('MALFORMED', `${name} sent too much`)
    parts.push(piece)
  }
  return concatAll(parts)
}
