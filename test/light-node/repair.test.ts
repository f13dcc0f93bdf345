import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { blake3 } from '../../src/crypto/hash.ts'
import { signingKeyFromSeed } from '../../src/crypto/sign.ts'
import { fragmentBytesOf } from '../../src/fragment/layout.ts'
import { decodeManifest } from '../../src/fragment/manifest.ts'
import { PROFILES, type Profile, profileFor } from '../../src/fragment/profile.ts'
import { type NodeId, type ObjectId, objectIdToBytes } from '../../src/ids.ts'
import { locateObject } from '../../src/light-node/locate.ts'
import { repairObject } from '../../src/light-node/repair/repair-object.ts'
import { signedOrder } from '../../src/light-node/storage-orders.ts'
import { CREDIT_BYTES_MAX } from '../../src/limits.ts'
import type { FrameStream } from '../../src/ports.ts'
import {
  decodeClientFrame,
  decodeNodeFrame,
  type MessageOf,
  STORAGE_RECEIPT_DOMAIN,
  storageReceiptBytes,
} from '../../src/wire/fragment-protocol.ts'
import { seededBytes } from '../storage-node/made-object.ts'
import { MemoryNetwork, type MemoryNode } from './memory-network.ts'
import { HASTE, type Lie, type TappedStream } from './tapped-stream.ts'

const BYTES = seededBytes(1, 900_000)
/** Ten stripes or so. */
const SMALL_SHARDS: Profile = { ...PROFILES.grid, shardBytes: 16_384 }
const [K, N] = [PROFILES.grid.k, PROFILES.grid.n]

let net: MemoryNetwork
let objectId: ObjectId
let stripes: number
let size: number
/** Hashes of all fragments as they were put, by column and stripe. */
let before: string[][]
/** What clients sent, by node. */
let sent: { node: string; op: string; stripe?: number; fragments?: number }[] = []
/** Fragments that came, by node. */
let read: { node: string; fragments: number }[] = []

async function begin(profile: Profile, nodes = 12, bytes = BYTES): Promise<void> {
  net = await MemoryNetwork.start({ nodes })
  objectId = (await net.put(bytes, profile)).objectId
  const manifest = decodeManifest(await net.manifestBytes(objectId))
  stripes = manifest.stripes
  size = fragmentBytesOf(manifest)
  before = await hashes(profile.n)
  net.reset()
}

async function hashes(n: number): Promise<string[][]> {
  const { holders } = await locateObject(net.chain, objectId)
  const key = { objectId: objectIdToBytes(objectId), version: 1 }
  const hashOf = async (stripe: number, column: number) => {
    const { store } = net.nodes.find(({ nodeId }) => nodeId === holders[column]!.nodeId)!
    const { bytes, parts } = await store.call('fragments', key, [column], stripe, stripe + 1)
    const [{ at, length }] = parts as [(typeof parts)[number]]
    return Buffer.from(blake3(bytes.subarray(at, at + length))).toString('hex')
  }
  return Promise.all(
    from(n).map((column) => Promise.all(from(stripes).map((stripe) => hashOf(stripe, column)))),
  )
}

/** Repairs as the owner, every frame noted. */
function repair(id = objectId) {
  sent = []
  read = []
  const { ports } = net
  const open: typeof ports.transport.open = async (...args) => noted(await ports.transport.open(...args))
  return repairObject({ ...ports, transport: { open } }, id)
}

function noted(stream: FrameStream): FrameStream {
  return {
    remote: stream.remote,
    write(...parts) {
      const message = decodeClientFrame(Buffer.concat(parts))
      const isPut = message.op === 'PUT'
      const put = isPut ? { stripe: message.stripe, fragments: message.body.length / size } : {}
      sent.push({ node: stream.remote, op: message.op, ...put })
      return stream.write(...parts)
    },
    async read(maxBytes, idleMs) {
      const frame = await stream.read(maxBytes, idleMs)
      const message = frame && decodeNodeFrame(frame)
      if (message?.op === 'FRAG') read.push({ node: stream.remote, fragments: message.body.length / size })
      return frame
    },
    close: () => stream.close(),
    release: () => stream.release(),
    abort: (reason) => stream.abort(reason),
  }
}

const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0)
const fragmentsRead = () => sum(read.map(({ fragments }) => fragments))
const fragmentsSent = () => sum(sent.map(({ fragments }) => fragments ?? 0))
const sentTo = () => [...new Set(sent.filter(({ op }) => op === 'PUT').map(({ node }) => node))].sort()
const keepers = (columns: number[]) => Promise.all(columns.map((column) => net.keeper(objectId, column)))
const from = (count: number, first = 0) => Array.from({ length: count }, (_, at) => first + at)

/** The record is there without any of the nodes that were not repaired. */
async function isReadFrom(columns: number[]): Promise<void> {
  const kept = new Set(await keepers(columns))
  for (const node of net.nodes) node.isDown = !kept.has(node)
  expect(Buffer.from(await net.get(objectId)).equals(BYTES)).toBe(true)
  for (const node of net.nodes) node.isDown = false
}

/** Flips a bit of a fragment where it lies on the disk of its node. */
async function rot(column: number, stripe: number): Promise<void> {
  const node = await net.keeper(objectId, column)
  const fragment = await net.fragment(objectId, stripe, column)
  await node.restart(() => {
    const folder = join(node.path, 'volumes')
    for (const name of readdirSync(folder)) {
      const volume = readFileSync(join(folder, name))
      const at = volume.indexOf(fragment)
      if (at < 0) continue
      volume[at + 2_000]! ^= 4
      writeFileSync(join(folder, name), volume)
      return
    }
    throw new Error(`fragment (${stripe}, ${column}) is not on the disk`)
  })
}

/** Puts a fragment back to its node, as its owner has a copy of it. */
async function putBack(column: number, stripe: number, body: Uint8Array): Promise<void> {
  const { store, nodeId } = await net.keeper(objectId, column)
  const raw = objectIdToBytes(objectId)
  const { k, n, shardBytes, version } = decodeManifest(await net.manifestBytes(objectId))
  const layout = { k, n, shardBytes, stripes }
  const place = { network: net.ports.network, nodeId }
  const order = signedOrder(
    place,
    { objectId: raw, version, columns: [column], ...layout },
    net.ports.ownerKeyOf(raw),
  )
  const handle = store.newHandle()
  await store.call('openPut', { op: 'OPEN_PUT', ...order }, handle)
  await store.put(handle, stripe, 0, 1, body.slice())
  await store.call('closePut', handle)
}

/** As a node that reads its own disk again finds it. */
async function isFound(column: number, stripe: number): Promise<void> {
  const { store } = await net.keeper(objectId, column)
  const key = { objectId: objectIdToBytes(objectId), version: 1 }
  const { parts } = await store.call('fragments', key, [column], stripe, stripe + 1)
  expect(parts).toEqual([])
}

afterEach(async () => {
  await expect.poll(() => net.openStreams.map(({ remote }) => remote)).toEqual([])
  net.reset()
})

describe('repair of an object at 6/12', () => {
  beforeAll(() => begin(SMALL_SHARDS))
  afterEach(async () => {
    net.reset()
    expect((await repair()).columns).toBe(N)
  })
  afterAll(() => net.stop())

  test('with nothing lost: twelve signed receipts, and not a fragment read or sent', async () => {
    const { intact, ...rest } = await repair()
    expect(rest).toEqual({
      ...{
        objectId,
        columns: N,
        columnsOf: N,
        stripes,
        repaired: [],
        away: [],
        unread: [],
        unkept: [],
        bytes: 0,
      },
    })
    expect(intact.flatMap(({ columns }) => columns).sort((a, b) => a - b)).toEqual(from(N))
    expect(fragmentsRead() + fragmentsSent()).toBe(0)
    expect(sent.filter(({ op }) => op === 'DONE')).toHaveLength(N)
    // One stream a node, and one for the manifest.
    expect(net.streams).toHaveLength(N + 1)
  })

  test.each([[0], [3], [11]])(
    'a node that lost its whole disk has column %i again, byte for byte',
    async (column) => {
      const node = await net.keeper(objectId, column)
      await node.loseDisk()
      await expect(net.fragment(objectId, 0, column)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      const { columns, repaired, bytes } = await repair()
      expect(columns).toBe(N)
      expect(repaired).toEqual([{ node: node.nodeId, columns: [column], fragments: stripes }])
      expect(bytes).toBe(stripes * size)
      expect(await hashes(N)).toEqual(before)
      expect(sentTo()).toEqual([node.nodeId])
      expect(fragmentsSent()).toBe(stripes)
      expect(fragmentsRead()).toBe(K * stripes)
      const others = from(N).filter((other) => other !== column)
      await isReadFrom([column, ...others.slice(0, K - 1)])
    },
  )

  test('six disks lost: as little is read as for one, and the six alone give the record back', async () => {
    const lost = from(6, 6)
    await Promise.all((await keepers(lost)).map((node) => node.loseDisk()))
    const { repaired } = await repair()
    expect(repaired.map(({ columns }) => columns[0]).sort((a, b) => a! - b!)).toEqual(lost)
    expect(fragmentsRead()).toBe(K * stripes)
    expect(fragmentsSent()).toBe(6 * stripes)
    // One to each keeper, one for each of the k columns read, one for the manifest.
    expect(net.streams.length).toBe(N + K + 1)
    await isReadFrom(lost)
  })

  test('rotten fragments that the node knows of: only those are made again, from k of their stripes alone', async () => {
    for (const [column, stripe] of [
      [2, 1],
      [2, 7],
      [9, 7],
    ] as const) {
      await rot(column, stripe)
      await isFound(column, stripe)
    }
    const [two, nine] = await keepers([2, 9])
    const { repaired, columns } = await repair()
    expect(columns).toBe(N)
    expect(repaired).toHaveLength(2)
    expect(repaired).toContainEqual({ node: two!.nodeId, columns: [2], fragments: 2 })
    expect(repaired).toContainEqual({ node: nine!.nodeId, columns: [9], fragments: 1 })
    expect(sent.filter(({ op }) => op === 'PUT').map(({ stripe }) => stripe)).toEqual([1, 7, 7])
    expect(fragmentsRead()).toBe(2 * K)
    expect(await hashes(N)).toEqual(before)
  })

  test('rot that nobody knew of is found, because every node reads what it has before it says so', async () => {
    for (const column of from(6)) await rot(column, 4)
    const { repaired, columns } = await repair()
    expect(columns).toBe(N)
    const nodes = (await keepers(from(6))).map(({ nodeId }) => nodeId)
    const expected = nodes.map((node, at) => ({ node, columns: [at], fragments: 1 }))
    expect([...repaired].sort((a, b) => a.columns[0]! - b.columns[0]!)).toEqual(expected)
    expect(fragmentsRead()).toBe(K)
    expect(await hashes(N)).toEqual(before)
  })

  test('rot in one stripe of seven nodes: the truth, and nothing is sent or promised', async () => {
    const rotten = from(7)
    const images = await Promise.all(rotten.map((column) => net.fragment(objectId, 4, column)))
    for (const column of rotten) await rot(column, 4)
    const failing = repair()
    await expect(failing).rejects.toMatchObject({
      code: 'TOO_FEW_FRAGMENTS',
      message: expect.stringContaining('only 5 of the 12'),
      next: expect.not.stringMatching(/not lost|try again/),
    })
    await expect(failing).rejects.toThrow('7 are damaged or gone')
    expect(sent.filter(({ op }) => op === 'PUT' || op === 'DONE')).toEqual([])
    const counts = await Promise.all(net.nodes.map(({ store }) => store.call('status')))
    expect(sum(counts.map(({ damaged }) => damaged))).toBe(7)
    // A disk that comes back brings it back.
    await putBack(0, 4, images[0]!)
    expect((await repair()).columns).toBe(N)
    expect(await hashes(N)).toEqual(before)
  })

  test('a node of an older version looks up what it has, and is named for it', async () => {
    const node = await net.keeper(objectId, 2)
    let asked = 0
    node.lie = (message) =>
      message.op === 'HAVE' && asked++ === 0
        ? { op: 'ERR', code: 'MALFORMED', message: 'unknown op 0x5' }
        : message
    const { columns, unread } = await repair()
    expect(columns).toBe(N)
    expect(unread).toEqual([{ node: node.nodeId, columns: [2] }])
  })

  test('every node lost another fragment, so that no six columns are whole', async () => {
    for (const column of from(N)) {
      await rot(column, column % stripes)
      await isFound(column, column % stripes)
    }
    const { repaired, columns } = await repair()
    expect(columns).toBe(N)
    expect(repaired).toHaveLength(N)
    expect(fragmentsSent()).toBe(N)
    expect(fragmentsRead()).toBe(K * stripes)
    expect(await hashes(N)).toEqual(before)
  })

  test('a damaged manifest is brought back', async () => {
    const node = await net.keeper(objectId, 5)
    const manifest = await net.manifestBytes(objectId)
    await node.restart(() => {
      const folder = join(node.path, 'volumes')
      const [name] = readdirSync(folder)
      const volume = readFileSync(join(folder, name!))
      volume[volume.indexOf(manifest) + 100]! ^= 1
      writeFileSync(join(folder, name!), volume)
    })
    const asked = node.store.call('manifest', objectIdToBytes(objectId))
    await expect(asked).rejects.toMatchObject({ code: 'INTEGRITY' })
    expect((await repair()).columns).toBe(N)
    expect(await node.store.call('manifest', objectIdToBytes(objectId))).toEqual(manifest)
  })

  test('a node that is away is named and left out; the others are repaired', async () => {
    const [away, lost] = await keepers([0, 8])
    await lost!.loseDisk()
    away!.isDown = true
    const result = await repair()
    expect(result.columns).toBe(N - 1)
    expect(result.away).toEqual([
      { node: away!.nodeId, columns: [0], code: 'OFFLINE', message: expect.stringContaining('reached') },
    ])
    expect(result.repaired).toEqual([{ node: lost!.nodeId, columns: [8], fragments: stripes }])
  })

  test('a node that answers somewhere else now is found through the DHT and repaired', async () => {
    const [moved] = await keepers([4])
    await moved!.loseDisk()
    moved!.movedTo = '/dns4/new/home'
    const locate = async (nodeId: NodeId) =>
      nodeId === moved!.nodeId ? { nodeId, addresses: ['/dns4/new/home'] } : null
    const directory = { locate, find: async () => [], announce: async () => {} }
    const { columns, repaired, away } = await repairObject({ ...net.ports, directory }, objectId)
    expect({ columns, away }).toEqual({ columns: N, away: [] })
    expect(repaired).toEqual([{ node: moved!.nodeId, columns: [4], fragments: stripes }])
  })

  test('one that says nothing is waited for ten seconds, and one that refuses is told with its reason', async () => {
    net.haste = HASTE
    const [mute, full, lost] = await keepers([1, 2, 9])
    await lost!.loseDisk()
    mute!.lie = (message) => (message.op === 'HAVE' ? 'silence' : message)
    full!.lie = (message) =>
      message.op === 'HAVE' ? { op: 'ERR', code: 'QUOTA_FULL', message: 'no room' } : message
    const { away, repaired } = await repair()
    expect(away.map(({ node, code }) => [node, code]).sort()).toEqual(
      [
        [mute!.nodeId, 'TIMEOUT'],
        [full!.nodeId, 'QUOTA_FULL'],
      ].sort(),
    )
    expect(repaired.map(({ node }) => node)).toEqual([lost!.nodeId])
  })

  test('seven lost: a clear error, and nothing is sent to anybody', async () => {
    const lost = await keepers(from(7))
    await Promise.all(lost.slice(0, 1).map((node) => node.loseDisk()))
    for (const node of lost.slice(1)) node.isDown = true
    const failing = repair()
    await expect(failing).rejects.toMatchObject({ code: 'TOO_FEW_FRAGMENTS' })
    await expect(failing).rejects.toThrow('only 5 of the 12')
    expect(sent.filter(({ op }) => op === 'PUT' || op === 'DONE')).toEqual([])
    expect((await lost[0]!.store.call('status')).fragments).toBe(0)
  })

  test('a node that broke off is given the rest, not what it has', async () => {
    const node = await net.keeper(objectId, 4)
    await node.loseDisk()
    node.lie = (message) => (message.op === 'ACK' || message.op === 'RECEIPT' ? 'hang up' : message)
    expect((await repair()).away).toMatchObject([{ node: node.nodeId, columns: [4], code: 'OFFLINE' }])
    const { fragments } = await node.store.call('status')
    expect(fragments).toBeGreaterThan(0)
    node.lie = null
    expect((await repair()).columns).toBe(N)
    expect(fragmentsSent()).toBe(stripes - fragments)
  })

  test('columns that were never finished are finished', async () => {
    const node = await net.keeper(objectId, 7)
    await node.loseDisk()
    node.lie = (message) => (message.op === 'RECEIPT' ? 'hang up' : message)
    const first = await repair()
    expect(first.columns).toBe(N - 1)
    expect(first.away[0]).toMatchObject({ node: node.nodeId, columns: [7], code: 'OFFLINE' })
    node.lie = null
    expect((await repair()).columns).toBe(N)
    expect(fragmentsSent()).toBe(0)
  })

  test.each<[string, Lie]>([
    [
      'a bit of a fragment',
      (message) => ('body' in message && message.op === 'FRAG' ? flipped(message, 3000) : message),
    ],
    [
      'the hashes of its column',
      (message) => ('body' in message && message.op === 'HASHES' ? flipped(message, 5) : message),
    ],
    ['no fragment at all', (message) => (message.op === 'FRAG' ? 'nothing' : message)],
    [
      'the stream, half way',
      (message) => (message.op === 'FRAG' && message.stripe === 4 ? 'hang up' : message),
    ],
  ])('a keeper that spoils %s is replaced by another, and what is made again is right', async (_, lie) => {
    const [liar, lost] = await keepers([2, 6])
    await lost!.loseDisk()
    liar!.lie = lie
    const { repaired } = await repair()
    expect(repaired).toEqual([{ node: lost!.nodeId, columns: [6], fragments: stripes }])
    expect(net.named).toEqual([liar!.nodeId])
    liar!.lie = null
    expect(await hashes(N)).toEqual(before)
  })

  test('a receipt for something else does not count', async () => {
    const node = await net.keeper(objectId, 3)
    node.lie = (message) => (message.op === 'RECEIPT' ? signedAnew(node, { ...message, bytes: 1 }) : message)
    const { columns, away } = await repair()
    expect(columns).toBe(N - 1)
    expect(away).toMatchObject([{ node: node.nodeId, columns: [3], code: 'INTEGRITY' }])
  })

  test('nobody else can repair it: no node is asked', async () => {
    const stranger = signingKeyFromSeed(seededBytes(9, 32))
    const failing = repairObject({ ...net.ports, ownerKeyOf: () => stranger }, objectId)
    await expect(failing).rejects.toMatchObject({ code: 'REFUSED' })
    expect(net.streams).toEqual([])
  })
})

describe.each<[string, number, number]>([
  ['20/40', 20, 40],
  ['100/300', 100, 300],
])('at %s, where a node keeps many columns', (_, k, n) => {
  beforeAll(() => begin({ ...profileFor(k, n), shardBytes: 4096 }))
  afterAll(() => net.stop())

  test('all of them come back from k fragments a stripe', async () => {
    const node = net.nodes[4]!
    const { holders } = await locateObject(net.chain, objectId)
    const columns = from(n).filter((column) => holders[column]?.nodeId === node.nodeId)
    expect(columns.length).toBeGreaterThan(2)
    await node.loseDisk()
    const { repaired } = await repair()
    expect(repaired).toEqual([{ node: node.nodeId, columns, fragments: columns.length * stripes }])
    expect(fragmentsRead()).toBe(k * stripes)
    expect(fragmentsSent()).toBe(columns.length * stripes)
    expect(await hashes(n)).toEqual(before)
  })
})

describe('an object far larger than what may be under way', () => {
  const bytes = seededBytes(3, 24 * 1024 * 1024)
  beforeAll(() => begin({ ...profileFor(2, 3), nines: 0 }, 3, bytes))
  afterAll(() => net.stop())

  test('is not read ahead of a node that acknowledges nothing, and goes on when it does', async () => {
    const node = await net.keeper(objectId, 2)
    await node.loseDisk()
    node.lie = (message) => (message.op === 'ACK' ? 'nothing' : message)
    const repairing = repair()
    await expect.poll(fragmentsSent, { timeout: 20_000 }).toBe(Math.floor(CREDIT_BYTES_MAX / size))
    let seen = -1
    while (seen !== fragmentsRead()) {
      seen = fragmentsRead()
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
    // Under way to the node, being made, and asked for ahead: two requests of a MiB a node.
    const stripesAhead = Math.floor(CREDIT_BYTES_MAX / size) + 2 + 2 * Math.floor(CREDIT_BYTES_MAX / 2 / size)
    expect(fragmentsRead()).toBeLessThanOrEqual(2 * stripesAhead)
    expect(stripes).toBeGreaterThan(2 * stripesAhead)
    node.lie = null
    const stuck = net.streams.filter(({ remote, isOpen }: TappedStream) => remote === node.nodeId && isOpen)
    for (const stream of stuck) stream.abort(new Error('cut'))
    const { repaired } = await repairing
    expect(repaired.map(({ columns }) => columns)).toEqual([[2]])
    expect(await hashes(3)).toEqual(before)
  })
})

function flipped<M extends { body: Uint8Array }>(message: M, at: number): M {
  const body = message.body.slice()
  body[at % body.length]! ^= 1
  return { ...message, body }
}

function signedAnew(node: MemoryNode, told: MessageOf<'RECEIPT'>): MessageOf<'RECEIPT'> {
  return { ...told, signature: node.key.sign(STORAGE_RECEIPT_DOMAIN, storageReceiptBytes(told)) }
}
