import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { build, type Rolldown } from 'vite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../../src/bytes.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { PROFILES } from '../../src/fragment/profile.ts'
import { type ObjectId, objectIdToBytes } from '../../src/ids.ts'
import { openRecord } from '../../src/light-node/get-record.ts'
import { putRecord } from '../../src/light-node/put-record.ts'
import type { NetworkFile } from '../../src/sdk/network/network-folder.ts'
import type { LightNode } from '../../src/sdk/open-light-node.ts'
import { inMemory } from '../../src/sdk/sample/sample-patient.ts'
import { CHROMIUM, inChromium } from '../browser/chromium.ts'
import type { Task, Told } from '../browser/page.ts'
import { startWithLightNode } from './light-node.ts'
import { TestNetwork } from './network.ts'

const PAGE = fileURLToPath(new URL('../browser/page.ts', import.meta.url))
const PUT_BYTES = 3_000_000

/** @returns the page's scripts by path, and the path of the first. */
async function bundle(): Promise<{ files: Map<string, string>; entry: string }> {
  const built = (await build({
    configFile: false,
    logLevel: 'error',
    build: { write: false, minify: false, target: 'es2024', rolldownOptions: { input: PAGE } },
  })) as Rolldown.RolldownOutput
  const chunks = built.output.filter((one) => one.type === 'chunk')
  const files = new Map(chunks.map((chunk) => [`/${chunk.fileName}`, chunk.code]))
  return { files, entry: `/${chunks.find(({ isEntry }) => isEntry)!.fileName}` }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer<ArrayBuffer>> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

/** What stands before the chain for a page: its own origin. */
async function serve(network: NetworkFile, task: Task, told: PromiseWithResolvers<Told>): Promise<Server> {
  const { files, entry } = await bundle()
  const server = createServer(async (request, response) => {
    const path = request.url ?? '/'
    const send = (type: string, body: string | Buffer) =>
      response.writeHead(200, { 'content-type': type }).end(body)
    if (path === '/told') {
      told.resolve(JSON.parse((await bodyOf(request)).toString()))
      send('text/plain', 'thanks')
    } else if (path === '/rpc') {
      const headers = { 'content-type': 'application/json' }
      const answer = await fetch(network.rpc[0]!, { method: 'POST', headers, body: await bodyOf(request) })
      send('application/json', Buffer.from(await answer.arrayBuffer()))
    } else if (path === '/task') send('application/json', JSON.stringify(task))
    else if (path === '/') send('text/html', `<!doctype html><script type="module" src="${entry}"></script>`)
    else if (files.has(path)) send('text/javascript', files.get(path)!)
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

describe.skipIf(CHROMIUM === undefined)('a light node in a browser (needs Chromium)', () => {
  const net = new TestNetwork()
  let network: NetworkFile
  let node: LightNode

  beforeAll(async () => {
    ;({ network, node } = await startWithLightNode(net))
  }, 120_000)

  afterAll(async () => {
    await node?.close()
    await net.end()
  }, 60_000)

  test('stores a record through WebSockets and reads it back; a process reads it, and it reads what a process stored', async () => {
    const content = systemRandom.bytes(60_000)
    const ours = await putRecord(
      node.ports,
      inMemory('ours', 'application/octet-stream', content),
      PROFILES.grid,
    )
    const { custodyKey } = node.ports.vault.get(objectIdToBytes(ours.objectId))!
    const told = Promise.withResolvers<Told>()
    const server = await serve(
      network,
      {
        ...{ network: network.network, trust: network.trust, putBytes: PUT_BYTES },
        get: { objectId: ours.objectId, custodyKey: toHex(custodyKey) },
      },
      told,
    )
    try {
      const found = await inChromium(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, told)
      expect(found.error).toBeUndefined()
      if (process.env.SHOW) console.log(found)
      expect(found.stored.weakest).toMatchObject({ columns: 12, custodians: 4 })
      expect(found.back).toBe(found.stored.sha256)
      expect(found.got).toBe(toHex(sha256(content)))
      const theirs = await openRecord(node.ports, found.stored.objectId as ObjectId, async () =>
        fromHex(found.stored.custodyKey),
      )
      const parts: Uint8Array[] = []
      for await (const part of theirs.content) parts.push(part.slice())
      expect(toHex(sha256(...parts))).toBe(found.stored.sha256)
    } finally {
      server.closeAllConnections()
      server.close()
    }
  }, 120_000)
})
