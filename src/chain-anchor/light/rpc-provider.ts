import { cutText, toHex } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import {
  RPC_ANSWER_BYTES_MAX,
  RPC_DEADLINE_MS,
  STATE_PROOF_BYTES_MAX,
  TX_DEADLINE_MS,
  VALIDATORS_MAX,
} from '../../limits.ts'
import type { Clock } from '../../ports.ts'
import { fromBase64, toBase64 } from '../comet/base64.ts'
import {
  commitFromJson,
  headerFromJson,
  type JsonObject,
  jsonInt,
  jsonList,
  jsonObject,
  jsonText,
  validatorFromJson,
} from '../comet/json.ts'
import type { Validator } from '../comet/types.ts'
import { STATE_PROOF_TYPE } from '../state/proof.ts'
import { askCapped } from './ask.ts'
import type { Endpoint, QueryAnswer, SignedHeader } from './endpoint.ts'

const PAGE = 100
const PROOF_OPS_MAX = 8
const REASON_MAX = 300

/**
 * @param url `http:` or `https:` address of the JSON-RPC root. @param clock times the deadlines.
 * @param deadlineMs of each question but a transaction's.
 * @returns the endpoint that speaks CometBFT's JSON-RPC there. @throws XcareError USAGE when `url` is not an HTTP address.
 */
export function rpcProvider(url: string, clock: Clock, deadlineMs = RPC_DEADLINE_MS): Endpoint {
  return new RpcEndpoint(url, clock, deadlineMs)
}

class RpcEndpoint implements Endpoint {
  readonly name: string
  readonly #url: string
  readonly #clock: Clock
  readonly #deadlineMs: number
  #requests = 0

  constructor(url: string, clock: Clock, deadlineMs: number) {
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
      throw new XcareError('USAGE', `"${url.slice(0, 100)}" is not an http or https address`)
    const { href, host } = new URL(url)
    this.#url = href
    this.#clock = clock
    this.#deadlineMs = deadlineMs
    this.name = host
  }

  async signedHeader(height: number | null): Promise<SignedHeader> {
    const { signed_header } = await this.#call('commit', height === null ? {} : { height: String(height) })
    const { header, commit } = signed_header == null ? {} : jsonObject(signed_header)
    if (header == null || commit == null)
      throw new XcareError('NOT_FOUND', `${this.name} has no such block yet`)
    return { header: headerFromJson(header), commit: commitFromJson(commit) }
  }

  async validators(height: number): Promise<Validator[]> {
    const found: Validator[] = []
    for (let page = 1; ; page++) {
      const params = { height: String(height), page: String(page), per_page: String(PAGE) }
      const { validators, total } = await this.#call('validators', params)
      const members = jsonList(validators, PAGE).map(validatorFromJson)
      found.push(...members)
      const wanted = jsonInt(total)
      if (found.length === wanted) return found
      if (members.length === 0 || wanted < found.length || wanted > VALIDATORS_MAX)
        throw new XcareError('MALFORMED', `${this.name} gave an incomplete validator set`)
    }
  }

  async query(path: string, data: Uint8Array, height: number): Promise<QueryAnswer> {
    const params = { path, data: toHex(data), height: String(height), prove: height > 0 }
    const answer = jsonObject((await this.#call('abci_query', params)).response)
    if (jsonInt(answer.code) !== 0)
      throw new XcareError('NOT_FOUND', `${this.name} has no answer: ${readable(answer.log)}`)
    return {
      value: answer.value == null ? null : fromBase64(jsonText(answer.value), RPC_ANSWER_BYTES_MAX),
      proof: proofIn(answer.proofOps),
    }
  }

  async submit(tx: Uint8Array): Promise<{ height: number }> {
    const answer = await this.#call('broadcast_tx_commit', { tx: toBase64(tx) }, TX_DEADLINE_MS)
    for (const verdict of [answer.check_tx, answer.tx_result]) {
      const { code, log } = verdict == null ? {} : jsonObject(verdict)
      if (jsonInt(code) !== 0) throw new XcareError('REFUSED', readable(log))
    }
    const height = jsonInt(answer.height)
    if (height < 1) throw new XcareError('MALFORMED', `${this.name} gave no height for a transaction`)
    return { height }
  }

  async #call(method: string, params: JsonObject, deadlineMs = this.#deadlineMs): Promise<JsonObject> {
    const id = ++this.#requests
    const body = JSON.stringify({ jsonrpc: '2.0', id, method, params })
    const text = await askCapped(this.#clock, { url: this.#url, name: this.name, body, deadlineMs })
    const answer = jsonObject(parse(text, this.name))
    if (answer.error != null) throw refusal(jsonObject(answer.error), this.name)
    if (answer.id !== id) throw new XcareError('MALFORMED', `${this.name} answered another question`)
    return jsonObject(answer.result)
  }
}

function parse(text: string, name: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new XcareError('MALFORMED', `${name} did not answer in JSON`, { cause })
  }
}

function proofIn(ops: unknown): Uint8Array | null {
  if (ops == null) return null
  for (const op of jsonList(jsonObject(ops).ops ?? [], PROOF_OPS_MAX).map(jsonObject))
    if (op.type === STATE_PROOF_TYPE) return fromBase64(jsonText(op.data), STATE_PROOF_BYTES_MAX)
  return null
}

/** Upstream tells the kinds of error apart by their text alone. */
function refusal(error: JsonObject, name: string): XcareError {
  const text = readable(`${error.data ?? ''}` || error.message)
  if (/must be less than or equal to|is not available/.test(text))
    return new XcareError('NOT_FOUND', `${name}: ${text}`)
  if (/timed? ?out|timeout exceeded/i.test(text)) return new XcareError('TIMEOUT', `${name}: ${text}`)
  if (/mempool is full/i.test(text))
    return new XcareError('BUSY', `${name}: ${text}`, { next: 'try again in a minute' })
  if (/disk of the anchoring chain is full/i.test(text))
    return new XcareError('NO_SPACE', `${name}: ${text}`, {
      next: 'whoever runs the chain must free some space there; it goes on by itself then',
    })
  return new XcareError('REFUSED', text)
}

/** A remote text fit for a terminal: one line, no control characters, not too long. */
function readable(text: unknown): string {
  const line = typeof text === 'string' ? text.replace(/\p{C}+/gu, ' ').trim() : ''
  return line === '' ? 'no reason given' : cutText(line, REASON_MAX)
}
