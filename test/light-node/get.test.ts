import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { decodeManifest } from '../../src/fragment/manifest.ts'
import { PROFILES } from '../../src/fragment/profile.ts'
import { type NodeId, type ObjectId, objectIdToBytes } from '../../src/ids.ts'
import { openRecord } from '../../src/light-node/get-record.ts'
import { putRecord } from '../../src/light-node/put-record.ts'
import { CREDIT_BYTES_MAX, READ_STALL_MS } from '../../src/limits.ts'
import { seededBytes } from '../storage-node/made-object.ts'
import { collected, MemoryNetwork, type MemoryNode, sourceOf } from './memory-network.ts'
import { HASTE } from './tapped-stream.ts'

let net: MemoryNetwork
beforeAll(async () => {
  net = await MemoryNetwork.start()
})
afterAll(() => net.stop())
afterEach(() => {
  expect(net.openStreams.map(({ remote }) => remote)).toEqual([])
  net.reset()
})

describe('what is put is got back', () => {
  test.each([0, 1, 4 * 1024, 1024 * 1024, 3 * 1024 * 1024 + 7])('%i bytes', async (length) => {
    const bytes = seededBytes(length + 1, length)
    const { objectId, weakest } = await net.put(bytes)
    expect(weakest).toMatchObject({ columns: 12, columnsOf: 12, custodians: 4 })
    expect(net.chain.anchored.map(({ type }) => type)).toEqual(['record.anchor', 'custody.record'])
    expect(Buffer.from(await net.get(objectId)).equals(bytes)).toBe(true)
    expect(net.named).toEqual([])
  })

  test('columns larger than the credit of a stream, there and back, decoded', async () => {
    const bytes = seededBytes(4, 15_000_000)
    const { objectId } = await net.put(bytes)
    for (const column of [0, 2, 4, 6, 8, 10]) (await net.keeper(objectId, column)).isDown = true
    expect(Buffer.from(await net.get(objectId)).equals(bytes)).toBe(true)
    const most = Math.max(...net.streams.map(({ bytes: read }) => read))
    expect(most).toBeGreaterThan(CREDIT_BYTES_MAX)
  })

  test('a record of several objects, by the id of the first', async () => {
    const bytes = seededBytes(5, 250_001)
    const { objectId, parts } = await net.put(bytes, PROFILES.grid, 100_000)
    expect(parts).toHaveLength(2)
    expect(net.vault.get(objectIdToBytes(parts[1]!))).toMatchObject({ kind: 'part', bytes: 50_001 })
    expect(Buffer.from(await net.get(objectId)).equals(bytes)).toBe(true)
  })

  test('two gets of one record at a time do not disturb each other', async () => {
    const bytes = seededBytes(6, 500_000)
    const { objectId } = await net.put(bytes)
    const both = await Promise.all([net.get(objectId), net.get(objectId)])
    for (const read of both) expect(Buffer.from(read).equals(bytes)).toBe(true)
  })

  test('a source that gives less or more than it promised stores nothing', async () => {
    for (const length of [999, 1001]) {
      const source = { ...sourceOf(seededBytes(7, length)), length: 1000 }
      const read = (offset: number) => sourceOf(seededBytes(7, length)).read(offset, length)
      await expect(putRecord(net.ports, { ...source, read }, PROFILES.grid)).rejects.toMatchObject({
        code: 'USAGE',
      })
    }
    expect(net.chain.anchored).toEqual([])
  })
})

describe('storage nodes that are away', () => {
  let bytes: Uint8Array
  let objectId: ObjectId
  beforeAll(async () => {
    bytes = seededBytes(8, 800_000)
    objectId = (await net.put(bytes)).objectId
  })
  const take = async (columns: number[], change: (node: MemoryNode) => void) => {
    for (const column of columns) change(await net.keeper(objectId, column))
  }
  const down = (node: MemoryNode) => {
    node.isDown = true
  }
  const mute = (node: MemoryNode) => {
    node.lie = () => 'silence'
  }

  test.each([[[0, 1, 2, 3, 4, 5]], [[6, 7, 8, 9, 10, 11]], [[0, 2, 4, 6, 8, 10]]])(
    '6 of 12 away, %j: read all the same',
    async (columns) => {
      await take(columns, down)
      expect(Buffer.from(await net.get(objectId)).equals(bytes)).toBe(true)
      const away = net.events
        .filter(({ type }) => type === 'node-away')
        .flatMap(({ columns }) => columns as number[])
      expect(columns).toEqual(expect.arrayContaining(away))
      expect(net.named).toEqual([])
    },
  )

  test('7 of 12 away: one clear error, exit code 17', async () => {
    await take([0, 1, 2, 3, 4, 5, 11], down)
    const failing = net.get(objectId)
    await expect(failing).rejects.toMatchObject({ code: 'TOO_FEW_FRAGMENTS', exitCode: 17 })
    await expect(failing).rejects.toThrow(
      'only 5 of the 12 columns of this record can be had from the storage nodes that answer, and 6 are needed',
    )
  })

  test('6 silent from the start: each is given up after a few seconds, and named', async () => {
    net.haste = HASTE
    await take([0, 1, 2, 3, 4, 5], mute)
    expect(Buffer.from(await net.get(objectId)).equals(bytes)).toBe(true)
    expect(Math.max(...net.streams.map(({ grantedMs }) => grantedMs))).toBe(READ_STALL_MS)
    expect(net.named).toEqual(await namesOf([0, 1, 2, 3, 4, 5]))
  })

  test('all silent: a clear error that counts nobody as good', async () => {
    net.haste = HASTE
    for (const node of net.nodes) mute(node)
    const failing = net.get(objectId)
    await expect(failing).rejects.toMatchObject({ code: 'TOO_FEW_FRAGMENTS' })
    await expect(failing).rejects.toThrow('only 0 of the 12')
  })

  test('7 fall silent after the key shares: a clear error, and what was read so far was right', async () => {
    net.haste = HASTE
    for (const node of net.nodes.slice(0, 7))
      node.lie = (message) => (message.op === 'FRAG' && message.stripe === 1 ? 'silence' : message)
    const { content } = await openRecord(net.ports, objectId, net.custodyKeyOf)
    const read: Uint8Array[] = []
    const failing = (async () => {
      for await (const piece of content) read.push(piece.slice())
    })()
    await expect(failing).rejects.toMatchObject({ code: 'TOO_FEW_FRAGMENTS' })
    const got = Buffer.concat(read)
    expect(got.equals(bytes.subarray(0, got.length))).toBe(true)
  })

  test('each of 12 has lost another fragment: any 6 of each stripe are enough', async () => {
    const { stripes } = decodeManifest(await net.manifestBytes(objectId))
    expect(stripes).toBe(3)
    for (const [at, node] of net.nodes.entries())
      node.lie = (message) => (message.op === 'FRAG' && message.stripe === at % 2 ? 'nothing' : message)
    expect(Buffer.from(await net.get(objectId)).equals(bytes)).toBe(true)
  })

  const namesOf = async (columns: number[]) => {
    const nodes = await Promise.all(columns.map((column) => net.keeper(objectId, column)))
    return nodes.map(({ nodeId }) => nodeId).sort()
  }
})

describe('storage nodes that are somewhere else now', () => {
  const bytes = seededBytes(90, 400_000)
  let objectId: ObjectId
  let asked: NodeId[]
  beforeAll(async () => {
    objectId = (await net.put(bytes)).objectId
  })

  async function getKnowing(knows: (nodeId: NodeId) => boolean): Promise<Buffer> {
    asked = []
    const locate = async (nodeId: NodeId) => {
      asked.push(nodeId)
      return knows(nodeId) ? { nodeId, addresses: [`/dns4/new/${nodeId}`] } : null
    }
    const directory = { locate, find: async () => [], announce: async () => {} }
    const { content } = await openRecord({ ...net.ports, directory }, objectId, net.custodyKeyOf)
    return Buffer.from(await collected(content))
  }

  async function move(columns: number[]): Promise<void> {
    for (const column of columns) {
      const node = await net.keeper(objectId, column)
      node.movedTo = `/dns4/new/${node.nodeId}`
    }
  }

  test('while others are enough, nobody waits for the DHT', async () => {
    await move([0, 1, 2, 3, 4, 5])
    expect((await getKnowing(() => true)).equals(bytes)).toBe(true)
    expect(asked).toEqual([])
  })

  test.each([7, 12])('%i of 12: found through the DHT', async (count) => {
    await move(Array.from({ length: count }, (_, at) => at))
    expect((await getKnowing(() => true)).equals(bytes)).toBe(true)
    expect(asked.length).toBeGreaterThan(0)
  })

  test('7 of 12, and the DHT knows of one only: that one is enough', async () => {
    await move([0, 1, 2, 3, 4, 5, 6])
    const { nodeId } = await net.keeper(objectId, 3)
    expect((await getKnowing((id) => id === nodeId)).equals(bytes)).toBe(true)
  })

  test('7 of 12, and the DHT knows nothing: a clear error', async () => {
    await move([0, 1, 2, 3, 4, 5, 6])
    await expect(getKnowing(() => false)).rejects.toMatchObject({ code: 'TOO_FEW_FRAGMENTS' })
  })
})

describe('streams to nodes', () => {
  test('are given back after a whole get: opening one costs both sides more than a small record does', async () => {
    const { objectId } = await net.put(seededBytes(21, 4096))
    const before = net.streams.length
    await net.get(objectId)
    const used = net.streams.slice(before)
    expect(used.length).toBe(PROFILES.grid.k + 1)
    expect(used.filter(({ isReleased }) => isReleased)).toHaveLength(used.length)
  })

  test('on which something is still under way are torn down', async () => {
    const { objectId } = await net.put(seededBytes(22, 4_000_000))
    const before = net.streams.length
    const { content } = await openRecord(net.ports, objectId, net.custodyKeyOf)
    for await (const _ of content) break
    expect(net.streams.slice(before).some(({ isReleased }) => !isReleased)).toBe(true)
  })
})

describe('a reader that stops early', () => {
  test('leaves no stream open and accuses nobody, also while a stripe is under way', async () => {
    const { objectId } = await net.put(seededBytes(9, 3_000_000))
    const late = await net.keeper(objectId, 3)
    late.lie = (message) => (message.op === 'FRAG' && message.stripe === 1 ? 'silence' : message)
    const { content } = await openRecord(net.ports, objectId, net.custodyKeyOf)
    for await (const _ of content) break
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(net.openStreams).toEqual([])
    expect(net.events.filter(({ type }) => type === 'node-failed')).toEqual([])
  })

  test('before it began: close is enough', async () => {
    const { objectId } = await net.put(seededBytes(10, 3000))
    const opened = await openRecord(net.ports, objectId, net.custodyKeyOf)
    expect(opened.sealed.length).toBe(3000)
    opened.close()
  })
})
