import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { toHex, utf8 } from '../../../src/bytes.ts'
import { toBase64 } from '../../../src/chain-anchor/comet/base64.ts'
import { commitToJson, headerToJson, validatorToJson } from '../../../src/chain-anchor/comet/json.ts'
import type { Endpoint } from '../../../src/chain-anchor/light/endpoint.ts'
import { rpcProvider } from '../../../src/chain-anchor/light/rpc-provider.ts'
import { RPC_ANSWER_BYTES_MAX } from '../../../src/limits.ts'
import { freshTlsIdentity } from '../../../src/net/tls/raw-tls.ts'
import type { Clock } from '../../../src/ports.ts'
import { shared } from '../../shared-data.ts'
import { FakeChain, members } from './fake-chain.ts'

interface Request {
  id: number
  method: string
  params: Record<string, string>
}

/** The answer of a server that is killed while it gives one. */
const CUT = Symbol('cut')
const code = (name: string) => expect.objectContaining({ code: name })
const chain = new FakeChain(members(130)).grow(2)
const dir = shared('vectors/chain/rpc-v0_38')

/** A clock whose sleeps end only when a test says so. */
class HeldClock implements Clock {
  wake: () => void = () => {}
  nowMs = () => 0
  sleep(_durationMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.wake = resolve
      signal?.addEventListener('abort', () => reject(signal.reason))
    })
  }
}

let server: Server
let clock: HeldClock
let connections: number
let endpoint: Endpoint
let asked: Request[]
/** Whole answer to a request, or its result, or null for silence. */
let answer: (request: Request) => unknown

beforeEach(async () => {
  asked = []
  clock = new HeldClock()
  server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const question = JSON.parse(Buffer.concat(parts).toString()) as Request
    asked.push(question)
    const result = answer(question)
    if (result === null) return
    if (result === CUT) {
      response.write('{"jsonrpc":')
      setTimeout(() => response.destroy(), 20)
      return
    }
    if (typeof result === 'number') response.writeHead(result, { location: '/elsewhere' })
    response.end(
      typeof result === 'string'
        ? result
        : JSON.stringify({ jsonrpc: '2.0', id: question.id, ...(result as object) }),
    )
  })
  connections = 0
  server.on('connection', () => connections++)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  endpoint = rpcProvider(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, clock)
})

afterEach(() => {
  server.closeAllConnections()
  server.close()
})

describe('questions and answers', () => {
  it('asks for headers by height or for the newest', async () => {
    const { header, commit } = chain.at(2)
    answer = () => ({
      result: { signed_header: { header: headerToJson(header), commit: commitToJson(commit) } },
    })
    expect(await endpoint.signedHeader(null)).toEqual({ header, commit })
    await endpoint.signedHeader(2)
    expect(asked.map(({ method, params }) => [method, params])).toEqual([
      ['commit', {}],
      ['commit', { height: '2' }],
    ])
  })

  it('collects validators page by page', async () => {
    const { validators } = chain.at(2)
    answer = ({ params }) => {
      const page = validators.slice((Number(params.page) - 1) * 100, Number(params.page) * 100)
      return { result: { validators: page.map(validatorToJson), count: String(page.length), total: '130' } }
    }
    expect(await endpoint.validators(2)).toEqual(validators)
    expect(asked.length).toBe(2)
  })

  it('queries with hex keys and finds the native proof', async () => {
    const ops = [
      { type: 'other', key: null, data: 'AAAA' },
      { type: 'xcare:smt', key: null, data: toBase64(utf8('proof')) },
    ]
    answer = () => ({
      result: { response: { code: 0, value: toBase64(utf8('value')), proofOps: { ops }, height: '7' } },
    })
    expect(await endpoint.query('/key', utf8('k'), 7)).toEqual({ value: utf8('value'), proof: utf8('proof') })
    expect(asked[0]!.params).toEqual({ path: '/key', data: toHex(utf8('k')), height: '7', prove: true })
  })

  it('submits and reports the block, or the reason of a refusal', async () => {
    answer = () => ({ result: { check_tx: { code: 0 }, tx_result: { code: 0 }, hash: 'AB', height: '9' } })
    expect(await endpoint.submit(utf8('tx'))).toEqual({ height: 9 })
    answer = () => ({ result: { check_tx: { code: 4, log: 'not\u001b[31m allowed' }, height: '0' } })
    const refused = expect.objectContaining({ code: 'REFUSED', message: 'not [31m allowed' })
    await expect(endpoint.submit(utf8('tx'))).rejects.toThrow(refused)
    answer = () => ({ result: { check_tx: { code: 0 }, tx_result: { code: 2, log: 'late' }, height: '9' } })
    await expect(endpoint.submit(utf8('tx'))).rejects.toThrow(code('REFUSED'))
  })

  it.each([
    ['height 9 must be less than or equal to the current blockchain height 3', 'NOT_FOUND'],
    ['height 1 is not available, lowest height is 5', 'NOT_FOUND'],
    ['timed out waiting for tx to be included in a block', 'TIMEOUT'],
    ['mempool is full: number of txs 5000', 'BUSY'],
    ['something else', 'REFUSED'],
  ])('understands the error "%s"', async (data, expected) => {
    answer = () => ({ error: { code: -32603, message: 'Internal error', data } })
    await expect(endpoint.signedHeader(9)).rejects.toThrow(code(expected))
  })

  it('asks one question after the other over one connection', async () => {
    answer = () => ({ result: { signed_header: { header: null, commit: null }, canonical: false } })
    for (let at = 0; at < 5; at++) await endpoint.signedHeader(null).catch(() => {})
    expect(asked).toHaveLength(5)
    expect(connections).toBe(1)
  })

  it('a node without blocks has none yet', async () => {
    answer = () => ({ result: { signed_header: { header: null, commit: null }, canonical: false } })
    await expect(endpoint.signedHeader(null)).rejects.toThrow(code('NOT_FOUND'))
  })
})

describe('hostile and broken endpoints', () => {
  it.each<[string, unknown]>([
    ['text that is not JSON', 'hello'],
    ['another id', { id: 77, result: {} }],
    ['no result', {}],
    ['a wrong shape', { result: { signed_header: 7 } }],
    [
      'a header of wrong lengths',
      {
        result: {
          signed_header: {
            header: { chain_id: 'x', time: '2020-01-01T00:00:00Z', data_hash: 'AB' },
            commit: {},
          },
        },
      },
    ],
    [
      'too many lines',
      {
        result: {
          signed_header: {
            header: headerToJson(chain.at(1).header),
            commit: { signatures: new Array(10_001).fill({}) },
          },
        },
      },
    ],
  ])('%s is malformed', async (_, body) => {
    answer = () => body
    await expect(endpoint.signedHeader(1)).rejects.toThrow(code('MALFORMED'))
  })

  it('an endless validator set is malformed', async () => {
    const [one] = chain.at(1).validators.map(validatorToJson)
    answer = () => ({ result: { validators: [one], total: '1000000' } })
    await expect(endpoint.validators(1)).rejects.toThrow(code('MALFORMED'))
    answer = () => ({ result: { validators: [], total: '5' } })
    await expect(endpoint.validators(1)).rejects.toThrow(code('MALFORMED'))
  })

  it('an answer above the cap is cut off', async () => {
    answer = () => ' '.repeat(RPC_ANSWER_BYTES_MAX + 1)
    await expect(endpoint.signedHeader(1)).rejects.toThrow(code('MALFORMED'))
  })

  it('silence ends at the deadline', async () => {
    const heard = new Promise<void>((resolve) => {
      answer = () => {
        resolve()
        return null
      }
    })
    const asking = endpoint.signedHeader(1)
    const outcome = expect(asking).rejects.toThrow(code('TIMEOUT'))
    await heard
    clock.wake()
    await outcome
  })

  it('a server that is not there, or a page that is not ours, is offline with a next step', async () => {
    answer = () => 404
    await expect(endpoint.signedHeader(1)).rejects.toThrow(code('OFFLINE'))
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    const offline = expect.objectContaining({ code: 'OFFLINE', next: expect.any(String) })
    await expect(endpoint.signedHeader(1)).rejects.toThrow(offline)
  })

  it('every 2xx is an answer', async () => {
    answer = () => 202
    // Its body has no result, which is another fault.
    await expect(endpoint.signedHeader(1)).rejects.toThrow(code('MALFORMED'))
  })

  it.each([301, 302, 307, 308])('is not sent elsewhere by status %i', async (status) => {
    answer = () => status
    await expect(endpoint.submit(utf8('tx'))).rejects.toThrow(code('OFFLINE'))
    expect(asked).toHaveLength(1)
  })

  it('an answer that is cut off is offline', async () => {
    answer = () => CUT
    await expect(endpoint.signedHeader(1)).rejects.toThrow(code('OFFLINE'))
  })

  it('a server over https that nobody vouches for is offline, and hears no question', async () => {
    const { key, cert } = await freshTlsIdentity()
    const questions: unknown[] = []
    const secure = createSecureServer({ key, cert }, (request, response) => {
      questions.push(request.url)
      response.end()
    })
    await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve))
    const stranger = rpcProvider(`https://127.0.0.1:${(secure.address() as AddressInfo).port}`, clock)
    await expect(stranger.signedHeader(1)).rejects.toThrow(code('OFFLINE'))
    expect(questions).toEqual([])
    await new Promise((resolve) => secure.close(resolve))
  })

  it('other addresses are a mistake of the caller', () => {
    expect(() => rpcProvider('file:///etc', clock)).toThrow(code('USAGE'))
    expect(() => rpcProvider('nowhere', clock)).toThrow(code('USAGE'))
  })
})

describe.skipIf(dir === null)('answers of a real 0.38 node (needs ../shared/vectors)', () => {
  const replay = (name: string) => {
    const recorded = JSON.parse(readFileSync(`${dir}/incoming-${name}.json`, 'utf8'))
    answer = () => ({ result: recorded.result, error: recorded.error })
  }

  it('reads commit, query and errors', async () => {
    replay('commit_at_height_10')
    expect((await endpoint.signedHeader(10)).header.height).toBe(10)
    replay('abci_query_with_existing_key')
    expect((await endpoint.query('', utf8('abc'), 0)).proof).toBeNull()
    replay('block_at_height_0')
    await expect(endpoint.signedHeader(0)).rejects.toThrow(code('REFUSED'))
    replay('broadcast_tx_commit')
    expect((await endpoint.submit(utf8('tx'))).height).toBeGreaterThan(0)
  })
})
