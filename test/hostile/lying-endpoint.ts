import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fromUtf8 } from '../../src/bytes.ts'
import { decodeTx } from '../../src/chain-anchor/app/tx.ts'
import { sha256 } from '../../src/crypto/hash.ts'

/** One question to the endpoint, as JSON-RPC has it. */
export interface Asked {
  id: number
  method: string
  params: Record<string, unknown>
}

/**
 * What a lie makes of a question: `null` for silence, `honest` for the truth, text for these very bytes, else
 * a result.
 */
export type Said = 'honest' | null | { text: string } | { result: unknown }

/** A chain endpoint on loopback in front of a real one, which lies where it is asked to. */
export class LyingEndpoint {
  /** Everything it was asked, in order. */
  readonly heard: Asked[] = []
  /** What it says instead; the truth until it is set. */
  lie: (asked: Asked) => Said | Promise<Said> = () => 'honest'
  readonly #honestUrl: string
  readonly #server: Server

  private constructor(honestUrl: string) {
    this.#honestUrl = honestUrl
    this.#server = createServer((request, response) => void this.#serve(request, response))
  }

  /** Starts to serve in front of `honestUrl`. */
  static async start(honestUrl: string): Promise<LyingEndpoint> {
    const endpoint = new LyingEndpoint(honestUrl)
    await new Promise<void>((resolve) => endpoint.#server.listen(0, '127.0.0.1', resolve))
    return endpoint
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Ends it, with every question it kept waiting. */
  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  /** @returns the honest endpoint's result. */
  async truth(method: string, params: Record<string, unknown>): Promise<unknown> {
    const answer = await this.#pass(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }))
    return (JSON.parse(answer) as { result: unknown }).result
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const body = fromUtf8(Buffer.concat(parts))
    const asked = JSON.parse(body) as Asked
    this.heard.push(asked)
    const said = await this.lie(asked)
    if (said === null) return
    response.setHeader('content-type', 'application/json')
    if (said === 'honest') response.end(await this.#pass(body))
    else if ('text' in said) response.end(said.text)
    else response.end(JSON.stringify({ jsonrpc: '2.0', id: asked.id, result: said.result }))
  }

  async #pass(body: string): Promise<string> {
    const headers = { 'content-type': 'application/json' }
    return (await fetch(this.#honestUrl, { method: 'POST', headers, body })).text()
  }
}

const SUBMIT = 'broadcast_tx_commit'

/** @returns the types of the messages in a submitted transaction, none for another question. */
export function submittedIn({ method, params }: Asked): string[] {
  if (method !== SUBMIT) return []
  return decodeTx(new Uint8Array(Buffer.from(String(params.tx), 'base64'))).body.messages.map(
    ({ type }) => type,
  )
}

/**
 * @returns a lie that says yes to every transaction with a message of `type`, names block `height`, and drops
 * it.
 */
export function swallows(type: string, height = 1): LyingEndpoint['lie'] {
  const ok = {
    code: 0,
    data: null,
    log: '',
    info: '',
    gas_wanted: '0',
    gas_used: '0',
    events: [],
    codespace: '',
  }
  return (asked) => {
    if (!submittedIn(asked).includes(type)) return 'honest'
    const tx = new Uint8Array(Buffer.from(String(asked.params.tx), 'base64'))
    const hash = Buffer.from(sha256(tx)).toString('hex').toUpperCase()
    return { result: { check_tx: ok, tx_result: ok, hash, height: String(height) } }
  }
}

/** @returns a lie that keeps every transaction with a message of `type` waiting for ever. */
export function stalls(type: string): LyingEndpoint['lie'] {
  return (asked) => (submittedIn(asked).includes(type) ? null : 'honest')
}

/** @returns a lie that takes no transaction and shows the chain as it was when this was called. */
export async function standsStill(endpoint: LyingEndpoint): Promise<LyingEndpoint['lie']> {
  const frozen = await endpoint.truth('commit', {})
  const swallow = swallows('grant.revoke')
  return (asked) =>
    asked.method === 'commit' && asked.params.height === undefined ? { result: frozen } : swallow(asked)
}
