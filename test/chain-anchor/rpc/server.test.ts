import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { toHex } from '../../../src/bytes.ts'
import { grantKey } from '../../../src/chain-anchor/app/keys.ts'
import { txHash } from '../../../src/chain-anchor/app/tx.ts'
import { fromBase64, toBase64 } from '../../../src/chain-anchor/comet/base64.ts'
import { type EmbeddedChain, openEmbedded } from '../../../src/chain-anchor/engine/open-embedded.ts'
import { rpcProvider } from '../../../src/chain-anchor/light/rpc-provider.ts'
import { type RpcServer, startRpc } from '../../../src/chain-anchor/rpc/server.ts'
import { verifyStateProof } from '../../../src/chain-anchor/state/proof.ts'
import { RPC_BODY_BYTES_MAX } from '../../../src/limits.ts'
import { shared } from '../../shared-data.ts'
import { grantOf, make, seeded, tx } from '../app/chain-actors.ts'
import { testGenesis, validatorKeys } from '../engine/chain-folder.ts'
import { ManualClock, settle } from '../engine/manual-clock.ts'

// biome-ignore lint/suspicious/noExplicitAny: answers are looked into as JSON, and a missing member fails the test
type Json = Record<string, any>

const VALIDATORS = 120
const folder = mkdtempSync(join(tmpdir(), 'xcare-rpc-'))
const clock = new ManualClock()
const granted = tx('g', [make.grant('g')], ['revoke g'])
let chain: EmbeddedChain
let rpc: RpcServer

beforeAll(async () => {
  chain = openEmbedded({
    folder,
    genesis: testGenesis(Array(VALIDATORS).fill(1)),
    keys: validatorKeys(VALIDATORS),
    clock,
  })
  rpc = await startRpc({
    engine: chain.engine,
    port: 0,
    hosts: ['chain.test'],
    origins: ['https://wallet.test'],
  })
  const waiting = call('broadcast_tx_commit', { tx: toBase64(granted) })
  for (let at = 0; at < 4; at++) await clock.pass(5000)
  while (chain.engine.find(txHash(granted)) === null) await clock.pass(5000)
  await waiting
  while (chain.engine.height() < 10) await clock.pass(5000)
})

afterAll(async () => {
  await rpc.close()
  await chain.close()
  rmSync(folder, { recursive: true, force: true })
})

async function post(body: string): Promise<Response> {
  return fetch(rpc.url, { method: 'POST', body })
}

async function call(method: string, params: unknown): Promise<Json> {
  const response = await post(JSON.stringify({ jsonrpc: '2.0', id: 7, method, params }))
  expect(response.status).toBe(200)
  return (await response.json()) as Json
}

/** Sends a GET with chosen headers, which fetch does not allow. */
function get(path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    request({ port: rpc.port, path, headers }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
      .on('error', reject)
      .end()
  })
}

/** @returns names and types of a JSON value, lists by their first element; what upstream leaves open is left out. */
function shapeOf(value: unknown): unknown {
  if (value === null) return 'nothing or text'
  if (typeof value === 'string') return value === '' ? 'text' : 'nothing or text'
  if (Array.isArray(value)) return 'list'
  if (typeof value !== 'object') return typeof value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([name, member]) => [name, shapeOf(member)]))
}

const recorded = shared('vectors/chain/rpc-v0_38')

describe.skipIf(recorded === null)(
  'answers have the shape of recorded ones (needs ../shared/vectors)',
  () => {
    const read = (name: string): Json => JSON.parse(readFileSync(join(recorded!, `${name}.json`), 'utf8'))
    const loose = (value: unknown) =>
      JSON.parse(JSON.stringify(shapeOf(value)).replaceAll('"nothing or text"', '"text"'))

    test.each(['status', 'abci_info', 'commit_at_height_10', 'block_at_height_10', 'block_at_height_1'])(
      '%s',
      async (name) => {
        const { id, method, params } = read(`outgoing-${name}`)
        const answer = (await (
          await post(JSON.stringify({ jsonrpc: '2.0', id, method, params }))
        ).json()) as Json
        const { consensus: _, ...result } = answer.result
        const wanted = read(`incoming-${name}`)
        expect(answer.id).toBe(id)
        expect(loose(result)).toEqual(loose(wanted.result))
      },
    )

    test.each(['abci_query_with_existing_key', 'broadcast_tx_commit', 'broadcast_tx_sync'])(
      '%s',
      async (name) => {
        const { method } = read(`outgoing-${name}`)
        const params =
          method === 'abci_query'
            ? { path: '/key', data: toHex(grantKey(grantOf('g'))) }
            : { tx: toBase64(granted) }
        const { result } = await call(method, params)
        expect(loose(result)).toEqual(loose(read(`incoming-${name}`).result))
      },
    )

    test('a height of nothing is refused in the very words', async () => {
      const { method, params } = read('outgoing-block_at_height_0')
      const { error } = await call(method, params)
      expect(error).toEqual(read('incoming-block_at_height_0').error)
    })
  },
)

describe('the chain over RPC', () => {
  test('headers, commits and validator sets of any size arrive whole', async () => {
    const endpoint = rpcProvider(rpc.url, clock)
    const validators = await endpoint.validators(3)
    expect(validators).toHaveLength(VALIDATORS)
    expect(validators).toEqual(chain.engine.block(3)!.validators)
    const { header, commit } = await endpoint.signedHeader(3)
    expect(header).toEqual(chain.engine.block(3)!.block.header)
    expect(commit).toEqual(chain.engine.block(3)!.commit)
    expect((await call('commit', { height: '3' })).result.canonical).toBe(true)
    expect((await call('commit', {})).result.canonical).toBe(false)
  })

  test('a value comes with a proof against the next header, an absent one too', async () => {
    const height = 6
    const { header } = chain.engine.block(height + 1)!.block
    for (const name of ['g', 'none']) {
      const key = grantKey(grantOf(name))
      const { response } = (
        await call('abci_query', { path: '/key', data: toHex(key), height: String(height), prove: true })
      ).result
      const [op] = response.proofOps.ops
      const value = response.value === null ? null : fromBase64(response.value, 10_000)
      expect(value === null).toBe(name === 'none')
      expect(op.type).toBe('xcare:smt')
      expect(fromBase64(op.key, 100)).toEqual(key)
      expect(verifyStateProof(header.appHash, key, value, fromBase64(op.data, 10_000))).toBe(true)
    }
  })

  test('a transaction that is sent again gets the answer it had', async () => {
    const { result } = await call('broadcast_tx_commit', { tx: toBase64(granted) })
    expect(result).toMatchObject({
      check_tx: { code: 0 },
      tx_result: { code: 0 },
      hash: toHex(txHash(granted)).toUpperCase(),
    })
    expect(Number(result.height)).toBeGreaterThan(0)
    const found = await call('tx', { hash: toBase64(txHash(granted)) })
    expect(found.result).toMatchObject({ height: result.height, tx: toBase64(granted) })
    expect((await call('tx', { hash: toBase64(seeded('none')) })).error.data).toMatch(/not found/)
  })

  test('a refused transaction is refused with its reason and height 0', async () => {
    const refused = tx('again', [make.grant('g')], ['revoke g'])
    const { result } = await call('broadcast_tx_commit', { tx: toBase64(refused) })
    expect(result).toMatchObject({
      height: '0',
      check_tx: { code: 8, codespace: 'xcare', log: 'This grant exists already.' },
    })
    expect((await call('broadcast_tx_sync', { tx: toBase64(refused) })).result.code).toBe(8)
  })

  test('GET speaks the same', async () => {
    const ask = async (path: string) => (await fetch(`${rpc.url}/${path}`)).json() as Promise<Json>
    expect((await ask('health')).result).toEqual({})
    expect((await ask('commit?height=2')).result.signed_header.header.height).toBe('2')
    expect((await ask('commit?height="2"')).result.signed_header.header.height).toBe('2')
    const key = toHex(grantKey(grantOf('g')))
    expect((await ask(`abci_query?path="/key"&data=0x${key}`)).result.response.code).toBe(0)
    expect((await fetch(`${rpc.url}/nothing`)).status).toBe(500)
  })
})

describe('what the RPC refuses', () => {
  test('callers that know it by another name, and pages of strange origins', async () => {
    expect(await get('/health', { host: `localhost:${rpc.port}` })).toBe(200)
    expect(await get('/health', { host: 'chain.test' })).toBe(200)
    expect(await get('/health', { host: `evil.example:${rpc.port}` })).toBe(403)
    expect(await get('/health', { host: 'localhost', origin: 'https://evil.example' })).toBe(403)
    expect(await get('/health', { host: 'localhost', origin: 'https://wallet.test' })).toBe(200)
  })

  test('bodies that are too long, not JSON, or of another form', async () => {
    const long = await post(' '.repeat(RPC_BODY_BYTES_MAX + 1)).catch(() => null)
    expect(long === null || long.status === 413).toBe(true)
    const broken = await post('{')
    expect(broken.status).toBe(500)
    expect(((await broken.json()) as Json).error.code).toBe(-32700)
    for (const body of [
      '7',
      '[]',
      '{"jsonrpc":"2.0","id":1}',
      '{"jsonrpc":"2.0","id":{},"method":"health"}',
      `[${Array(33).fill('{}')}]`,
    ]) {
      const answer = (await (await post(body)).json()) as Json
      expect(body === '7' || body === '[]' || answer.error, body).toBeTruthy()
      expect(answer.error.code).toBe(-32600)
    }
    expect((await fetch(rpc.url, { method: 'PUT' })).status).toBe(405)
  })

  test('unknown methods and wrong parameters', async () => {
    expect((await call('dump_secrets', {})).error.code).toBe(-32601)
    for (const [method, params] of [
      ['commit', { height: 'x' }],
      ['commit', { height: 1.5 }],
      ['commit', 7],
      ['abci_query', { path: 7, data: '00' }],
      ['abci_query', { path: '/key', data: 'zz' }],
      ['abci_query', { path: '/key', data: '00', prove: 'yes' }],
      ['abci_query', { path: '/key', data: '00'.repeat(2000) }],
      ['broadcast_tx_sync', { tx: '%%%' }],
      ['broadcast_tx_sync', {}],
    ] as const)
      expect(
        (await call(method, params)).error.code,
        `${method} ${JSON.stringify(params).slice(0, 40)}`,
      ).toBe(-32602)
  })

  test('heights that are not there, in the words that light clients look for', async () => {
    expect((await call('commit', { height: '99999' })).error.data).toMatch(
      /height 99999 must be less than or equal to/,
    )
    expect((await call('validators', { height: '-1' })).error.data).toBe(
      'height must be greater than 0, but got -1',
    )
    expect((await call('validators', { height: '1', page: '9', per_page: '100' })).error.data).toMatch(
      /within \[1, 2\]/,
    )
    const far = await call('abci_query', { path: '/key', data: '00', height: '99999', prove: true })
    expect(far.result.response).toMatchObject({ code: 3, proofOps: null })
    expect((await call('abci_query', { path: '/secret', data: '00' })).result.response.code).toBe(1)
    expect((await call('abci_query', { path: '/blob', data: '00' })).result.response.code).toBe(4)
  })

  test('requests without id are not answered; a batch answers the others', async () => {
    const quiet = await post('{"jsonrpc":"2.0","method":"health"}')
    expect([quiet.status, await quiet.text()]).toEqual([204, ''])
    const batch = await post(
      '[{"jsonrpc":"2.0","method":"health"},{"jsonrpc":"2.0","id":"a","method":"health"}]',
    )
    expect(await batch.json()).toEqual([{ jsonrpc: '2.0', id: 'a', result: {} }])
  })

  test('a port that is taken', async () => {
    await expect(startRpc({ engine: chain.engine, port: rpc.port })).rejects.toMatchObject({
      code: 'PORT_IN_USE',
    })
    await settle()
  })
})
