import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { PROFILES } from '../../src/fragment/profile.ts'
import type { ObjectId } from '../../src/ids.ts'
import { type OpenedObject, openObject } from '../../src/light-node/get.ts'
import { putBundle } from '../../src/light-node/put-record.ts'
import { readBundleEntries, readBundleRecord, readRange } from '../../src/light-node/range-read.ts'
import { seededBytes } from '../storage-node/made-object.ts'
import { MemoryNetwork, type MemoryNode, sourceOf } from './memory-network.ts'
import { HASTE } from './tapped-stream.ts'

const RECORDS = Array.from({ length: 512 }, (_, at) => sourceOf(seededBytes(at + 1, 2048), `obs/${at}.json`))
const TOTAL = 512 * 2048
const recordBytes = (at: number) => Buffer.from(seededBytes(at + 1, 2048))
/** A record far from the start, so that its leaves lie in other columns than the index. */
const FAR = 230

let net: MemoryNetwork
let bundle: ObjectId
let large: ObjectId
const largeBytes = seededBytes(99, 5_000_000)
beforeAll(async () => {
  net = await MemoryNetwork.start()
  bundle = (await putBundle(net.ports, 'observations', RECORDS, PROFILES.grid)).objectId
  large = (await net.put(largeBytes)).objectId
})
afterAll(() => net.stop())
afterEach(async () => {
  await expect.poll(() => net.openStreams.map(({ remote }) => remote)).toEqual([])
  net.reset()
})

async function opened<T>(objectId: ObjectId, use: (object: OpenedObject) => Promise<T>): Promise<T> {
  const object = await openObject(net.ports, objectId, net.custodyKeyOf)
  try {
    return await use(object)
  } finally {
    object.close()
  }
}

const record = (at: number) =>
  opened(bundle, async (object) => {
    const entry = (await readBundleEntries(object)).find(({ name }) => name === `obs/${at}.json`)!
    return Buffer.from(await readBundleRecord(object, entry))
  })

/** A node that sends leaves of record `at`, and none of the bundle's first bytes. */
async function columnOf(at: number): Promise<MemoryNode> {
  const asked = new Map<string, number>()
  for (const node of net.nodes)
    node.lie = (message) => {
      if (message.op === 'LEAVES') asked.set(node.nodeId, (asked.get(node.nodeId) ?? 0) + 1)
      return message
    }
  await record(at)
  const first = await net.keeper(bundle, 0)
  net.reset()
  return net.nodes.find((node) => node !== first && asked.has(node.nodeId))!
}

describe('one record of a bundle', () => {
  test('costs a small part of the bundle', async () => {
    for (const at of [0, 1, FAR, 511]) {
      expect((await record(at)).equals(recordBytes(at))).toBe(true)
      expect(net.bytesRead).toBeLessThan(TOTAL / 10)
      net.reset()
    }
    await net.get(bundle)
    expect(net.bytesRead).toBeGreaterThan(TOTAL)
  })

  test('a name that is not there, or an object that is no bundle, is told apart', async () => {
    const names = await opened(bundle, async (object) =>
      (await readBundleEntries(object)).map(({ name }) => name),
    )
    expect(names).toHaveLength(512)
    await expect(opened(large, readBundleEntries)).rejects.toMatchObject({ code: 'MALFORMED' })
  })

  test('the node of its column is away: rebuilt from six others, still without the rest', async () => {
    const node = await columnOf(FAR)
    node.isDown = true
    expect((await record(FAR)).equals(recordBytes(FAR))).toBe(true)
    expect(net.bytesRead).toBeLessThan(TOTAL * 0.75)
  })

  test.each([
    ['flips a bit of a leaf', 0],
    ['flips a bit of a proof', -1],
  ])('the node of its column %s: named, and rebuilt from the others', async (_, at) => {
    const node = await columnOf(FAR)
    node.lie = (message) => {
      if (message.op !== 'LEAVES') return message
      const body = message.body.slice()
      body[at < 0 ? body.length + at : at]! ^= 1
      return { ...message, body }
    }
    expect((await record(FAR)).equals(recordBytes(FAR))).toBe(true)
    expect(net.named).toEqual([node.nodeId])
    expect(net.events.find(({ type }) => type === 'node-failed')).toMatchObject({ code: 'INTEGRITY' })
  })

  test('the node of its column sends other leaves, none, or nothing at all', async () => {
    const node = await columnOf(FAR)
    net.haste = HASTE
    const lies = [
      (message) => (message.op === 'LEAVES' ? { ...message, first: message.first + 1 } : message),
      (message) => (message.op === 'LEAVES' ? { ...message, stripe: message.stripe ^ 1 } : message),
      (message) => (message.op === 'LEAVES' ? 'nothing' : message),
      (message) => (message.op === 'LEAVES' ? 'hang up' : message),
      (message) => (message.op === 'HASHES' ? 'silence' : message),
    ] as NonNullable<MemoryNode['lie']>[]
    for (const lie of lies) {
      net.reset()
      net.haste = HASTE
      node.lie = lie
      expect((await record(FAR)).equals(recordBytes(FAR))).toBe(true)
      expect(net.named).toEqual([node.nodeId])
    }
  })

  test('every node flips its leaves: whole fragments still prove it', async () => {
    for (const node of net.nodes)
      node.lie = (message) => {
        if (message.op !== 'LEAVES') return message
        const body = message.body.slice()
        body[17]! ^= 1
        return { ...message, body }
      }
    expect((await record(FAR)).equals(recordBytes(FAR))).toBe(true)
  })

  test('seven nodes away: a clear error', async () => {
    for (const node of net.nodes.slice(0, 7)) node.isDown = true
    await expect(record(FAR)).rejects.toMatchObject({ code: 'TOO_FEW_FRAGMENTS', exitCode: 17 })
  })
})

describe('ranges of a large object', () => {
  const SLICE = 4 * 1024 * 1024
  const CHUNK = 16 * 1024
  test.each([
    [0, 1],
    [0, CHUNK - 8],
    [CHUNK - 9, 2],
    [393_000, 1000],
    [1_234_567, 700_000],
    [4_999_999, 1],
    [5_000_000, 0],
    [100, SLICE],
    [3, SLICE + 500_000],
    [0, 5_000_000],
  ])('from %i, %i bytes', async (offset, length) => {
    const read = await opened(large, (object) => readRange(object, offset, length))
    expect(Buffer.from(read).equals(largeBytes.subarray(offset, offset + length))).toBe(true)
    expect(net.named).toEqual([])
  })

  test('many from one opening, some while columns fall away', async () => {
    await opened(large, async (object) => {
      for (let turn = 0; turn < 24; turn++) {
        if (turn % 4 === 3) (await net.keeper(large, (turn - 3) / 4)).lie = () => 'hang up'
        const [offset, length] = [turn * 190_000, 1 + turn * 3000]
        const read = await readRange(object, offset, length)
        expect(Buffer.from(read).equals(largeBytes.subarray(offset, offset + length))).toBe(true)
      }
    })
    expect(net.named.length).toBeGreaterThan(3)
  })

  test('beyond the end is an error', async () => {
    const beyond = opened(large, (object) => readRange(object, 4_999_000, 1001))
    await expect(beyond).rejects.toMatchObject({ code: 'USAGE' })
  })
})
