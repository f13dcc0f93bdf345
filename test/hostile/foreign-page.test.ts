import { request } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Engine } from '../../src/chain-anchor/engine/engine.ts'
import { type RpcServer, startRpc } from '../../src/chain-anchor/rpc/server.ts'
import { RPC_CONNECTIONS } from '../../src/limits.ts'
import { mayUpgrade } from '../../src/net/web/_origin.ts'
import { ourPeer, stopAll } from '../net/_stock.ts'
import { Stranger } from './stranger.ts'

afterEach(stopAll)

/** Asks for a WebSocket as a browser does. @returns the status of the answer. */
function upgrade(port: number, headers: Record<string, string>): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const key = { 'sec-websocket-version': '13', 'sec-websocket-key': Buffer.alloc(16).toString('base64') }
  const asked = { connection: 'Upgrade', upgrade: 'websocket', ...key, ...headers }
  const call = request({ port, host: '127.0.0.1', headers: asked })
  call.on('upgrade', (_, socket) => {
    socket.destroy()
    resolve(101)
  })
  call.on('response', (response) => {
    response.resume()
    resolve(response.statusCode!)
  })
  call.on('error', reject)
  call.end()
  return promise
}

describe('a node on loopback and a page that its user opens', () => {
  test('are kept apart: neither the page nor a name pointed at loopback gets a WebSocket', async () => {
    const server = await ourPeer(1, { listen: ['/ip4/127.0.0.1/tcp/0/ws'] })
    const port = Number(/tcp\/(\d+)/.exec(server.addresses()[0]!)![1])
    const own = `127.0.0.1:${port}`
    expect(await upgrade(port, { host: own })).toBe(101)
    expect(await upgrade(port, { host: own, origin: 'http://localhost:8080' })).toBe(101)
    expect(await upgrade(port, { host: own, origin: 'https://evil.example' })).toBe(403)
    expect(await upgrade(port, { host: own, origin: 'null' })).toBe(403)
    expect(await upgrade(port, { host: `evil.example:${port}` })).toBe(403)
    expect(await upgrade(port, { host: 'evil.example', origin: 'http://evil.example' })).toBe(403)
  })

  test.each([
    ['127.0.0.1', [], 'localhost.evil.example', undefined, false],
    ['127.0.0.1', [], '127.0.0.1', 'http://127.0.0.1.evil.example', false],
    ['::1', [], '[::1]:80', 'http://[::1]:3000', true],
    ['::ffff:127.0.0.1', ['records.example'], 'records.example', 'https://records.example', true],
    ['::ffff:127.0.0.1', ['records.example'], 'records.example', 'https://other.example', false],
    ['192.0.2.7', [], 'anything', 'https://anywhere.example', true],
    ['192.0.2.7', ['records.example'], 'anything', 'https://anywhere.example', false],
    ['192.0.2.7', ['records.example'], 'anything', undefined, true],
  ])(
    'listening on %s with the names %j, called as %s from %s: %s',
    (localAddress, names, host, origin, may) => {
      const call = { headers: { host, origin }, socket: { localAddress } }
      expect(mayUpgrade(call as never, names)).toBe(may)
    },
  )
})

describe('the RPC of a chain on loopback', () => {
  let rpc: RpcServer
  const asked: string[] = []
  // Only what a page can reach is looked at: no method gets as far as the engine.
  const engine = new Proxy({} as Engine, {
    get: (_, name) => () => {
      asked.push(String(name))
      throw new Error('not here')
    },
  })
  beforeAll(async () => {
    rpc = await startRpc({ engine, port: 0, origins: ['https://wallet.example'] })
  })
  afterAll(() => rpc.close())

  function get(path: string, headers: Record<string, string> = {}): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    const call = request({ port: rpc.port, host: '127.0.0.1', path, headers }, (response) => {
      response.resume()
      resolve(response.statusCode!)
    })
    call.on('error', reject)
    call.end()
    return promise
  }

  test.each(['broadcast_tx_sync', 'broadcast_tx_async', 'broadcast_tx_commit'])(
    'takes no %s from a link or an image',
    async (method) => {
      expect(await get(`/${method}?tx=0x00`)).toBe(405)
      expect(asked).toEqual([])
    },
  )

  test('answers programs and its own pages, and no others, with or without an origin', async () => {
    expect(await get('/health')).toBe(200)
    expect(await get('/health', { 'sec-fetch-site': 'none' })).toBe(200)
    expect(await get('/health', { origin: 'https://wallet.example', 'sec-fetch-site': 'cross-site' })).toBe(
      200,
    )
    expect(await get('/health', { 'sec-fetch-site': 'cross-site' })).toBe(403)
    expect(await get('/health', { 'sec-fetch-site': 'same-site' })).toBe(403)
  })

  test('with all its connections taken by somebody silent, it answers who comes', async () => {
    const stranger = new Stranger()
    const first = (await stranger.bareConnections(rpc.port, 1))[0]!
    const isCut = new Promise<void>((resolve) => first.once('close', () => resolve()))
    await stranger.bareConnections(rpc.port, RPC_CONNECTIONS.total - RPC_CONNECTIONS.reserved.owner)
    expect(await get('/health')).toBe(200)
    await isCut
    await stranger.leave()
  })
})
