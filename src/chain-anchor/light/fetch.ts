import { fromUtf8 } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import { RPC_ANSWER_BYTES_MAX } from '../../limits.ts'
import type { Clock } from '../../ports.ts'

const HTTP_SERVER_ERROR = 500
/** Made here, before anything is under way: a platform may load its whole HTTP client with the first of these, for 40 ms. */
const JSON_BODY = new Headers({ 'content-type': 'application/json' })
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
 * Posts `question` with the platform's fetch. Redirects are not followed.
 * @returns the text of the answer, which may also be an error report of the server.
 * @throws XcareError OFFLINE when the endpoint cannot be reached, TIMEOUT after the deadline, MALFORMED above RPC_ANSWER_BYTES_MAX
 */
export async function fetchCapped(clock: Clock, question: Question): Promise<string> {
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
  const response = await fetch(url, { method: 'POST', headers: JSON_BODY, body, signal, redirect: 'error' })
  if (!response.ok && response.status !== HTTP_SERVER_ERROR)
    throw new XcareError('OFFLINE', `${name} answered with HTTP status ${response.status}`)
  return fromUtf8(await readCapped(response, name))
}

async function readCapped(response: Response, name: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  const reader = response.body?.getReader()
  while (reader) {
    const { done, value } = await reader.read()
    if (done) break
    length += value.length
    if (length > RPC_ANSWER_BYTES_MAX) throw new XcareError('MALFORMED', `${name} sent too much`)
    parts.push(value)
  }
  const out = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}
