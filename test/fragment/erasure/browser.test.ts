import { existsSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { stripTypeScriptTypes } from 'node:module'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeStripe } from '../../../src/fragment/erasure/erasure.ts'
import { plainKernel } from '../../../src/fragment/erasure/plain-kernel.ts'
import { CHROMIUM, inChromium } from '../../browser/chromium.ts'

const SHAPES = [
  [6, 12, 704],
  [20, 40, 4096],
  [200, 400, 192],
] as const

/** What a page tells: the kernel it took, and for each shape the parity and the data decoded from parity alone. */
interface Told {
  kernel: string
  isolated: boolean
  parity: string[]
  decoded: boolean[]
}

const dataOf = (k: number, shardBytes: number) =>
  Uint8Array.from({ length: k * shardBytes }, (_, at) => (at * 31 + (at >> 7)) & 0xff)

const PAGE = `<!doctype html><title>kernel</title><script type="module">
import { decodeStripe, encodeStripe } from '/src/fragment/erasure/erasure.ts'
import { bestKernel } from '/src/fragment/erasure/pick-kernel.ts'
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
const told = { kernel: bestKernel().name, isolated: self.crossOriginIsolated, parity: [], decoded: [] }
for (const [k, n, shardBytes] of ${JSON.stringify(SHAPES)}) {
  const data = Uint8Array.from({ length: k * shardBytes }, (_, at) => (at * 31 + (at >> 7)) & 0xff)
  const parity = encodeStripe(data, k, n, shardBytes)
  const shards = Array.from({ length: n }, (_, at) =>
    at < n - k ? null : parity.subarray((at - k) * shardBytes, (at - k + 1) * shardBytes))
  told.parity.push(hex(parity))
  told.decoded.push(hex(decodeStripe(shards, k, n, shardBytes)) === hex(data))
}
await fetch('/told', { method: 'POST', body: JSON.stringify(told) })
</script>`

let server: Server
let policy: Record<string, string> = {}
let told: PromiseWithResolvers<Told>

/** Serves the sources as they are, without their types. */
function serve(): Server {
  return createServer((request, response) => {
    const path = request.url ?? '/'
    if (request.method === 'POST') {
      let text = ''
      request.on('data', (piece) => {
        text += piece
      })
      request.on('end', () => {
        told.resolve(JSON.parse(text))
        response.end()
      })
    } else if (path === '/') response.writeHead(200, { 'content-type': 'text/html', ...policy }).end(PAGE)
    else if (/^\/src\/[\w/.-]+\.ts$/.test(path) && !path.includes('..') && existsSync(`.${path}`))
      response
        .writeHead(200, { 'content-type': 'text/javascript' })
        .end(stripTypeScriptTypes(readFileSync(`.${path}`, 'utf8')))
    else response.writeHead(404).end()
  })
}

async function open(headers: Record<string, string>): Promise<Told> {
  policy = headers
  told = Promise.withResolvers()
  return inChromium(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, told)
}

describe.skipIf(CHROMIUM === undefined)('the erasure code in a browser (needs Chromium)', () => {
  beforeAll(async () => {
    server = serve()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })

  test.each([
    ['simd', 'an ordinary page', {}],
    [
      'simd',
      'an isolated page',
      { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' },
    ],
    [
      'plain',
      'a page that may not compile WebAssembly',
      { 'content-security-policy': "script-src 'self' 'unsafe-inline'" },
    ],
  ])(
    'runs on the %s kernel in %s, and gives the same bytes as here',
    async (kernel, page, headers) => {
      const found = await open(headers as Record<string, string>)
      expect(found.kernel).toBe(kernel)
      expect(found.isolated).toBe(page === 'an isolated page')
      expect(found.decoded).toEqual(SHAPES.map(() => true))
      for (const [at, [k, n, shardBytes]] of SHAPES.entries()) {
        const parity = encodeStripe(dataOf(k, shardBytes), k, n, shardBytes, plainKernel())
        expect(found.parity[at]).toBe(Buffer.from(parity).toString('hex'))
      }
    },
    60_000,
  )
})
