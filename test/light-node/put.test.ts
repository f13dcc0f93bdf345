import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { signingKeyFromSeed } from '../../src/crypto/sign.ts'
import { PROFILES, profileFor } from '../../src/fragment/profile.ts'
import { objectIdToBytes } from '../../src/ids.ts'
import { locateObject } from '../../src/light-node/locate.ts'
import { putBundle, putRecord } from '../../src/light-node/put-record.ts'
import {
  type MessageOf,
  STORAGE_RECEIPT_DOMAIN,
  storageReceiptBytes,
} from '../../src/wire/fragment-protocol.ts'
import { seededBytes } from '../storage-node/made-object.ts'
import { MemoryNetwork, type MemoryNode, sourceOf } from './memory-network.ts'
import { HASTE, type Lie } from './tapped-stream.ts'

const BYTES = seededBytes(1, 900_000)
let net: MemoryNetwork
beforeAll(async () => {
  net = await MemoryNetwork.start()
})
afterAll(() => net.stop())
afterEach(async () => {
  await expect.poll(() => net.openStreams.map(({ remote }) => remote)).toEqual([])
  net.reset()
})

const dropped = () => net.events.filter(({ type }) => type === 'node-dropped')
const refusing =
  (code: 'QUOTA_FULL' | 'REFUSED' | 'BUSY'): Lie =>
  (message) =>
    message.op === 'HAVE' ? { op: 'ERR', code, message: 'no room for this' } : message
const from =
  (op: string, lie: 'silence' | 'hang up'): Lie =>
  (message) =>
    message.op === op ? lie : message

/** Changes what is said in receipts, signed again with the node's own key unless told otherwise. */
const receipts =
  (node: MemoryNode, change: Partial<MessageOf<'RECEIPT'>>, key = node.key): Lie =>
  (message) => {
    if (message.op !== 'RECEIPT') return message
    const told = { ...message, ...change }
    return { ...told, signature: key.sign(STORAGE_RECEIPT_DOMAIN, storageReceiptBytes(told)) }
  }

async function storesOn(columns: number, atMost = columns): Promise<void> {
  const { objectId, weakest } = await net.put(BYTES)
  expect(weakest.columns).toBeGreaterThanOrEqual(columns)
  expect(weakest.columns).toBeLessThanOrEqual(atMost)
  const anchored = net.chain.anchored.find(({ type }) => type === 'record.anchor') as { columns: Uint8Array }
  const bits = [...anchored.columns].reduce(
    (sum, byte) => sum + byte.toString(2).replaceAll('0', '').length,
    0,
  )
  expect(bits).toBe(weakest.columns)
  for (const node of net.nodes) node.lie = null
  expect(Buffer.from(await net.get(objectId)).equals(BYTES)).toBe(true)
}

async function refuses(code: string, words: RegExp): Promise<void> {
  const known = net.vault.list().length
  const failing = net.put(BYTES)
  await expect(failing).rejects.toMatchObject({ code })
  await expect(failing).rejects.toThrow(words)
  expect(net.chain.anchored).toEqual([])
  expect(net.vault.list()).toHaveLength(known)
}

describe('a put with nodes that do not do their part', () => {
  test('one refuses, one is away: the other ten are enough', async () => {
    net.nodes[3]!.lie = refusing('QUOTA_FULL')
    net.nodes[4]!.isDown = true
    await storesOn(10)
    expect(
      dropped()
        .map(({ code }) => code)
        .sort(),
    ).toEqual(['OFFLINE', 'QUOTA_FULL'])
  })

  const once =
    (op: string, node: MemoryNode): Lie =>
    (message) => {
      if (message.op !== op) return message
      node.lie = null
      return 'hang up'
    }

  test.each(['HAVE', 'ACK', 'RECEIPT'])(
    'two hang up once instead of %s: they get their columns after all',
    async (op) => {
      for (const node of [net.nodes[0]!, net.nodes[11]!]) node.lie = once(op, node)
      await storesOn(12)
      expect(dropped()).toHaveLength(2)
      expect(net.events.filter(({ type }) => type === 'node-caught-up')).toHaveLength(2)
    },
  )

  test('a node that keeps several columns hangs up once: all of them are made again, and alone they can be read', async () => {
    const late = net.nodes[7]!
    late.lie = once('ACK', late)
    const { objectId, weakest } = await net.put(BYTES, profileFor(12, 36))
    expect(weakest.columns).toBe(36)
    const { holders } = await locateObject(net.chain, objectId)
    expect(holders.filter((holder) => holder?.nodeId === late.nodeId)).toHaveLength(3)
    const readers = holders.map((holder) => holder?.nodeId as string)
    // Only the four nodes that are needed stay, the late one among them.
    const kept = new Set([late.nodeId as string, ...readers.filter((id) => id !== late.nodeId)])
    for (const node of net.nodes) node.isDown = ![...kept].slice(0, 4).includes(node.nodeId)
    expect(Buffer.from(await net.get(objectId)).equals(BYTES)).toBe(true)
  })

  test.each(['HAVE', 'ACK', 'RECEIPT'])('one says nothing instead of %s: it is left behind', async (op) => {
    net.haste = HASTE
    net.nodes[5]!.lie = from(op, 'silence')
    // One that stored everything and only forgot to say so is found out when it is asked again.
    await storesOn(11, op === 'ACK' ? 12 : 11)
    expect(dropped()).toMatchObject([{ code: 'TIMEOUT', node: net.nodes[5]!.nodeId }])
  })

  test.each(['HAVE', 'ACK', 'RECEIPT'])('two hang up instead of %s', async (op) => {
    for (const at of [0, 11]) net.nodes[at]!.lie = from(op, 'hang up')
    // Those that stored everything before they hung up are found out.
    await storesOn(10, op === 'ACK' ? 12 : 10)
    expect(dropped()).toHaveLength(2)
  })

  test('one answers garbage, one acknowledges what was never sent', async () => {
    net.nodes[1]!.lie = () => new Uint8Array(9)
    net.nodes[2]!.lie = (message) => (message.op === 'ACK' ? { op: 'ACK', count: 900 } : message)
    await storesOn(10)
    expect(dropped().map(({ code }) => code)).toEqual(['MALFORMED', 'MALFORMED'])
  })

  test('a receipt before its time is none', async () => {
    const node = net.nodes[6]!
    const early = { objectId: new Uint8Array(32), version: 1, columns: [0], root: new Uint8Array(32) }
    const receipt = { nodeId: node.nodeId, network: 'xcare-test', ...early, bytes: 1 }
    node.lie = (message) =>
      message.op === 'ACK' ? { op: 'RECEIPT', ...receipt, signature: new Uint8Array(64) } : message
    await storesOn(11)
  })

  test('three away: refused before anything is anchored', async () => {
    for (const at of [0, 6, 7]) net.nodes[at]!.isDown = true
    await refuses(
      'TOO_FEW_NODES',
      /only 9 of 12 columns find a storage node that takes them, and 10 are needed/,
    )
  })

  test('three fall away in the middle', async () => {
    for (const at of [0, 6, 7]) net.nodes[at]!.lie = from('ACK', 'hang up')
    await refuses('TOO_FEW_NODES', /only 9 of 12/)
  })

  test('three without room: the error says that it is room', async () => {
    for (const at of [0, 6, 7]) net.nodes[at]!.lie = refusing('QUOTA_FULL')
    await refuses('QUOTA_FULL', /only 9 of 12 .*node-\d\d: no room for this/)
  })

  test('all twelve without room: none of them is counted as one that takes its part', async () => {
    for (const node of net.nodes) node.lie = refusing('QUOTA_FULL')
    await refuses('QUOTA_FULL', /only 0 of 12 .*no room for this.*; 9 more/)
  })

  test('all silent', async () => {
    net.haste = HASTE
    for (const node of net.nodes) node.lie = () => 'silence'
    await refuses('TOO_FEW_NODES', /only \d of 12/)
  })
})

describe('storage receipts', () => {
  const wrong: [string, (node: MemoryNode) => Lie][] = [
    ['signed by another key', (node) => receipts(node, {}, signingKeyFromSeed(seededBytes(9, 32)))],
    ['for another column root', (node) => receipts(node, { root: new Uint8Array(32) })],
    ['for fewer bytes', (node) => receipts(node, { bytes: 5 })],
    ['for another object', (node) => receipts(node, { objectId: new Uint8Array(32) })],
    ['for another version', (node) => receipts(node, { version: 2 })],
    ['for another column', (node) => receipts(node, { columns: [77] })],
    ['for another network', (node) => receipts(node, { network: 'elsewhere' })],
    ['of another node', (node) => receipts(node, { nodeId: 'node-00' })],
  ]
  test.each(wrong)('%s: not counted, and the node is named', async (_, lie) => {
    const node = net.nodes[8]!
    node.lie = lie(node)
    await storesOn(11)
    expect(dropped()).toMatchObject([{ code: 'INTEGRITY', node: node.nodeId }])
  })

  test('three wrong ones: INTEGRITY, and nothing is anchored', async () => {
    for (const node of net.nodes.slice(0, 3)) node.lie = receipts(node, { bytes: 5 })
    await refuses('INTEGRITY', /signed a wrong receipt/)
  })
})

describe('what is refused before it costs anything', () => {
  test('a profile with more nines than these nodes are worth', async () => {
    const deeper = { ...PROFILES.grid, nines: 50 }
    await expect(net.put(BYTES, deeper)).rejects.toThrow(/12 columns on these nodes reach .* nines/)
    expect(net.streams).toEqual([])
  })

  test('a put that ends with too few columns for the nines promised is not anchored', async () => {
    net.nodes[2]!.isDown = true
    const nearly = { ...PROFILES.grid, nines: 10 }
    await expect(net.put(BYTES, nearly)).rejects.toThrow(/^11 columns on these nodes reach \d\.\d nines/)
    expect(net.chain.anchored).toEqual([])
    net.reset()
    expect((await net.put(BYTES, nearly)).weakest.durability.nines).toBeGreaterThan(10)
  })

  test('a profile with more columns than institutions, or more guardians than there are', async () => {
    await expect(net.put(BYTES, PROFILES.open)).rejects.toMatchObject({ code: 'TOO_FEW_GUARDIANS' })
    await expect(net.put(BYTES, { ...PROFILES.grid, n: 13 })).rejects.toMatchObject({ code: 'TOO_FEW_NODES' })
    expect(net.streams).toEqual([])
  })

  test('a name that no folder may hold, a type that is none, more parts than a record may have', async () => {
    for (const name of ['', 'a/../b', 'x'.repeat(256), 'tab\there'])
      await expect(putRecord(net.ports, sourceOf(BYTES, name), PROFILES.grid)).rejects.toMatchObject({
        code: 'USAGE',
      })
    const typeless = { ...sourceOf(BYTES), mediaType: 'none' }
    await expect(putRecord(net.ports, typeless, PROFILES.grid)).rejects.toMatchObject({ code: 'USAGE' })
    await expect(putBundle(net.ports, 'a\nb', [sourceOf(BYTES)], PROFILES.grid)).rejects.toMatchObject({
      code: 'USAGE',
    })
    await expect(net.put(BYTES, PROFILES.grid, 100)).rejects.toThrow(/a record at most 307200/)
    expect(net.streams).toEqual([])
  })
})

describe('a bundle of sources that do not keep their word', () => {
  test.each([
    ['less', 40],
    ['more', 30],
  ])(
    'gives %s than promised: refused, where zeros would have been stored for what is missing',
    async (_, length) => {
      const source = { ...sourceOf(BYTES, 'b'), length, read: () => sourceOf(BYTES).read(0, 35) }
      const records = [sourceOf(BYTES.slice(0, 50), 'a'), source]
      const failing = putBundle(net.ports, 'both', records, PROFILES.grid)
      await expect(failing).rejects.toMatchObject({ code: 'USAGE' })
      await expect(failing).rejects.toThrow(/"b" gave .* of the|"b" gave more than the/)
      expect(net.streams).toEqual([])
    },
  )
})

describe('what is left behind', () => {
  test('a source that fails in the middle leaves no stream and no anchor', async () => {
    const source = {
      ...sourceOf(BYTES),
      async *read() {
        yield BYTES.slice(0, 500_000)
        throw new Error('the disk went away')
      },
    }
    await expect(putRecord(net.ports, source, PROFILES.grid)).rejects.toThrow('the disk went away')
    expect(net.chain.anchored).toEqual([])
  })

  test('a coder that cannot start leaves no stream', async () => {
    const coder = { ...net.ports.coder, seal: () => Promise.reject(new Error('no thread')) }
    const failing = putRecord({ ...net.ports, coder }, sourceOf(BYTES), PROFILES.grid)
    await expect(failing).rejects.toThrow('no thread')
  })

  test('the key of a stored record is in the vault, and nowhere on the way there', async () => {
    const { objectId } = await net.put(BYTES)
    const kept = net.vault.get(objectIdToBytes(objectId))!
    const column = await net.fragment(objectId, 0, 0)
    expect(Buffer.from(column).includes(Buffer.from(kept.custodyKey))).toBe(false)
    expect(kept).toMatchObject({ name: 'record.bin', bytes: BYTES.length, kind: 'record' })
  })
})
