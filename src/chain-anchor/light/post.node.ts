import { Agent, type RequestOptions, request } from 'node:http'
import { Agent as SecureAgent, request as secureRequest } from 'node:https'
import type { PostAnswer } from './post-answer.ts'

/** CometBFT ends an idle connection after 10 s and does not say so; who does say is believed. A question under way is not bound by it. */
const IDLE_MS_MAX = 8_000
const KEPT = { keepAlive: true, timeout: IDLE_MS_MAX }
const agent = new Agent(KEPT)
const secureAgent = new SecureAgent(KEPT)

/**
 * Posts `body`, JSON, over a connection that is kept for the next question. Not by `fetch`: docs/adr/0107-questions-without-fetch.md.
 * @returns the answer, whose body must be read, or `signal` aborted. @throws whatever the system says.
 */
export function post(url: string, body: string, signal: AbortSignal): Promise<PostAnswer> {
  const isSecure = url.startsWith('https:')
  const bytes = Buffer.from(body)
  const headers = { 'content-type': 'application/json', 'content-length': bytes.length }
  const options: RequestOptions = { method: 'POST', headers, signal, agent: isSecure ? secureAgent : agent }
  return new Promise((resolve, reject) => {
    const question = isSecure ? secureRequest(url, options) : request(url, options)
    question.once('response', (answer) => resolve({ status: answer.statusCode ?? 0, body: answer }))
    question.on('error', reject)
    question.end(bytes)
  })
}
