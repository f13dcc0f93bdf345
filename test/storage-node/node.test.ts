import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { systemRandom } from '../../src/crypto/random.ts'
import { signingKeyFromSeed } from '../../src/crypto/sign.ts'
import { openDirectory } from '../../src/dht/directory.ts'
import { kadService } from '../../src/dht/service.ts'
import { objectIdFromBytes } from '../../src/ids.ts'
import { type Peer, startPeer } from '../../src/net/peer.ts'
import type { Clock } from '../../src/ports.ts'
import { type RunningStorageNode, startStorageNode } from '../../src/storage-node/node.ts'
import { FRAGMENT_PROTOCOL } from '../../src/wire/fragment-protocol.ts'
import { AUDIENCE, makeObject, seededBytes } from './made-object.ts'
import { MemoryLedger } from './memory-ledger.ts'
import { TestClient } from './served-node.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const clock: Clock = {
  nowMs: () => Date.now(),
  sleep: (durationMs, signal) => wait(durationMs, undefined, { signal }),
}
const institution = { instId: 'operator', signing: signingKeyFromSeed(seededBytes(70, 32)) }
const listen = ['/ip4/127.0.0.1/tcp/0']
const root = mkdtempSync(join(tmpdir(), 'xcare-nodes-'))
const ledger = new MemoryLedger()
const events: unknown[] = []

const start = (name: string, more: { listen?: string[]; ledger?: MemoryLedger } = {}) =>
  startStorageNode({
    ...{
      dir: join(root, name),
      network: AUDIENCE.network,
      ledger,
      institution,
      quotaBytes: 1e9,
      clock,
      listen,
    },
    ...{
      random: systemRandom,
      location: { network: name, region: 'north' },
      log: (event) => events.push(event),
    },
    ...more,
  })

let nodes: RunningStorageNode[]
let client: Peer
beforeAll(async () => {
  nodes = await Promise.all(['a', 'b', 'c'].map((name) => start(name)))
  client = await startPeer({
    seed: seededBytes(71, 32),
    listen: [],
    services: { kad: kadService({ serverMode: false }) },
  })
})
afterAll(async () => {
  await client.stop()
  await Promise.all(nodes.map((node) => node.stop()))
  rmSync(root, { recursive: true, force: true })
})

const open = async ({ nodeId, addresses }: RunningStorageNode) =>
  new TestClient(await client.open({ nodeId, addresses }, FRAGMENT_PROTOCOL, AbortSignal.timeout(10_000)))

test('a node registers once, under its own key, and a restart keeps identity and port', async () => {
  expect(nodes.every(({ registered }) => registered)).toBe(true)
  expect(ledger.nodes.get(nodes[0]!.nodeId)).toMatchObject({
    instId: 'operator',
    capacityBytes: 1e9,
    network: 'a',
    addresses: nodes[0]!.addresses,
  })
  const before = ledger.submitted
  const { nodeId, addresses } = nodes[0]!
  await nodes[0]!.stop()
  nodes[0] = await start('a', { listen: addresses })
  expect(nodes[0]!.nodeId).toBe(nodeId)
  expect(nodes[0]!.registered).toBe(true)
  expect(ledger.submitted).toBe(before)
})

test('two processes never share a folder', async () => {
  await expect(start('a')).rejects.toMatchObject({ code: 'LOCKED', exitCode: 11 })
})

test('a chain that is away keeps no node from serving', async () => {
  const away = new MemoryLedger()
  away.isAway = true
  const node = await start('away', { ledger: away })
  expect(node.registered).toBe(false)
  expect(await (await open(node)).ask({ op: 'GET_STATUS' })).toMatchObject({ op: 'STATUS', fragments: 0 })
  await node.stop()
})

test('an object put over the network is found through the DHT and read back', async () => {
  const object = makeObject({ seed: 40, length: 3_000_000, shardBytesMax: 65_536, columns: [1] })
  const target = nodes[1]!
  const stream = await open(target)
  const shifted = { ...AUDIENCE, nodeId: target.nodeId }
  expect(await stream.putColumn(object, 1, object.fragments[0], shifted)).toMatchObject({
    op: 'RECEIPT',
    nodeId: target.nodeId,
  })
  const directory = openDirectory(client)
  // It is told after 7.5 s at the latest.
  const deadline = Date.now() + 30_000
  let holders = await directory.find(objectIdFromBytes(object.objectId), 8, AbortSignal.timeout(5_000))
  while (holders.length === 0 && Date.now() < deadline)
    holders = await directory.find(objectIdFromBytes(object.objectId), 8, AbortSignal.timeout(5_000))
  expect(holders.map(({ nodeId }) => nodeId)).toEqual([target.nodeId])
  // Somebody who knows another node alone finds it too: the nodes have met, and told each other.
  const stranger = await startPeer({
    seed: seededBytes(72, 32),
    listen: [],
    services: { kad: kadService({ serverMode: false }) },
  })
  const { nodeId, addresses } = nodes[2]!
  await stranger.connect({ nodeId, addresses }, AbortSignal.timeout(10_000))
  const found = await openDirectory(stranger).find(
    objectIdFromBytes(object.objectId),
    8,
    AbortSignal.timeout(5_000),
  )
  expect(found.map((holder) => holder.nodeId)).toEqual([target.nodeId])
  await stranger.stop()
  const key = { objectId: object.objectId, version: 1, columns: [1] }
  const answers = await (await open(target)).collect({
    op: 'GET',
    ...key,
    from: 0,
    to: object.layout.stripes,
    hashes: false,
  })
  expect(answers.slice(0, -1)).toEqual(
    object.fragments[0]!.map((body, stripe) => ({ op: 'FRAG', stripe, first: 0, body })),
  )
})
