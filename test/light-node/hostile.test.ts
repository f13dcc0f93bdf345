import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { recordKey } from '../../src/chain-anchor/app/keys.ts'
import { recordValue } from '../../src/chain-anchor/app/values.ts'
import { type ObjectId, objectIdToBytes } from '../../src/ids.ts'
import { openRecord } from '../../src/light-node/get-record.ts'
import { FRAME_BYTES_MAX } from '../../src/limits.ts'
import type { NodeMessage } from '../../src/wire/fragment-protocol.ts'
import { seededBytes } from '../storage-node/made-object.ts'
import { MemoryNetwork, type MemoryNode } from './memory-network.ts'
import { HASTE, type Lie } from './tapped-stream.ts'

const LIAR = 1
let net: MemoryNetwork
let bytes: Uint8Array
let objectId: ObjectId
let other: ObjectId
let liar: MemoryNode
beforeAll(async () => {
  net = await MemoryNetwork.start()
  bytes = seededBytes(1, 1_000_000)
  objectId = (await net.put(bytes)).objectId
  other = (await net.put(seededBytes(2, 1_000_000))).objectId
  liar = await net.keeper(objectId, LIAR)
})
afterAll(() => net.stop())
afterEach(async () => {
  await expect.poll(() => net.openStreams.map(({ remote }) => remote)).toEqual([])
  net.reset()
})

const on =
  (op: NodeMessage['op'], lie: Lie): Lie =>
  (message) =>
    message.op === op ? lie(message) : message

/** Another body in place of the true one. */
const swapped =
  (body: (message: NodeMessage & { body: Uint8Array }) => Uint8Array): Lie =>
  (message) =>
    'body' in message ? ({ ...message, body: body(message) } as NodeMessage) : message

const flipped = (at: (length: number) => number) =>
  swapped(({ body }) => {
    const copy = body.slice()
    copy[at(body.length)]! ^= 1
    return copy
  })

const events = () => net.events.filter(({ type }) => /^(node|manifest)-(failed|refused|late)/.test(type))

async function readsRightAndNames(node: MemoryNode): Promise<void> {
  expect(Buffer.from(await net.get(objectId)).equals(bytes)).toBe(true)
  expect(net.named).toEqual([node.nodeId])
}

describe('one storage node lies: the record is right and the node is named', () => {
  test.each<[string, (length: number) => number]>([
    ['in the first byte of a head', () => 0],
    ['in a key share', () => 64],
    ['in the zeros behind it', () => 1023],
    ['in the first byte of a shard', () => 1024],
    ['in the last byte', (length) => length - 1],
  ])('a bit of a fragment flipped %s', async (_, at) => {
    liar.lie = on('FRAG', flipped(at))
    await readsRightAndNames(liar)
    expect(events()).toHaveLength(1)
    expect(events()[0]).toMatchObject({ type: 'node-failed', columns: [LIAR], code: 'INTEGRITY' })
  })

  test('only the last stripe altered: the stripes before it are kept', async () => {
    liar.lie = on('FRAG', (message) =>
      message.op === 'FRAG' && message.stripe === 2 ? flipped(() => 2000)(message) : message,
    )
    await readsRightAndNames(liar)
  })

  test("another object's fragment", async () => {
    const foreign = await net.fragment(other, 0, LIAR)
    liar.lie = on(
      'FRAG',
      swapped(() => foreign),
    )
    await readsRightAndNames(liar)
  })

  test('the fragment of another stripe, and of another column', async () => {
    for (const [stripe, column] of [
      [1, LIAR],
      [0, 4],
    ] as const) {
      const foreign = await net.fragment(objectId, stripe, column)
      liar.lie = on(
        'FRAG',
        swapped(() => foreign),
      )
      await readsRightAndNames(liar)
      net.reset()
    }
  })

  test('fragments in another order, or numbered wrong', async () => {
    liar.lie = on('FRAG', (message) => (message.op === 'FRAG' ? { ...message, stripe: 2 } : message))
    await readsRightAndNames(liar)
  })

  test('hashes of another column, too few and too many', async () => {
    const { store } = await net.keeper(objectId, 4)
    const key = { objectId: objectIdToBytes(objectId), version: 1 }
    const foreign = (await store.call('hashes', key, [4]))[0]!.hashes[0]!
    const bodies: ((body: Uint8Array) => Uint8Array)[] = [
      () => foreign,
      (body) => body.slice(32),
      (body) => new Uint8Array(Buffer.concat([body, body])),
    ]
    for (const body of bodies) {
      liar.lie = on(
        'HASHES',
        swapped((message) => body(message.body)),
      )
      await readsRightAndNames(liar)
      net.reset()
    }
  })

  test('fragments of another size', async () => {
    liar.lie = on(
      'FRAG',
      swapped(({ body }) => body.slice(0, body.length - 64)),
    )
    await readsRightAndNames(liar)
  })

  test('an answer that ends early, and one that never ends', async () => {
    liar.lie = on('FRAG', () => ({ op: 'END' }))
    await readsRightAndNames(liar)
    net.reset()
    liar.lie = on('END', () => ({
      ...{ op: 'HEADS', first: 0, from: 3, to: 4 },
      body: new Uint8Array(33).fill(LIAR + 1),
    }))
    await readsRightAndNames(liar)
  })

  test.each<[string, Lie]>([
    ['garbage', () => new Uint8Array(100).fill(0xff)],
    ['an empty frame', () => new Uint8Array(0)],
    ['a frame of a client', () => new Uint8Array([0x02, 0, 0, 0, 1, 0xa0])],
    ['a huge frame', () => new Uint8Array(FRAME_BYTES_MAX + 1)],
    ['the end of the stream', () => 'hang up'],
    ['its refusal', () => ({ op: 'ERR', code: 'REFUSED', message: 'not today' })],
    ['a failure of its own', () => ({ op: 'ERR', code: 'INTERNAL', message: 'the node failed' })],
    ['acknowledgements', () => ({ op: 'ACK', count: 7 })],
  ])('%s instead of key shares, or of fragments', async (_, lie) => {
    for (const op of ['HEADS', 'FRAG'] as const) {
      liar.lie = on(op, lie)
      await readsRightAndNames(liar)
      net.reset()
    }
  })

  test('silence in the middle of a column', async () => {
    net.haste = HASTE
    liar.lie = on('FRAG', (message) => (message.op === 'FRAG' && message.stripe === 1 ? 'silence' : message))
    await readsRightAndNames(liar)
    expect(events()[0]).toMatchObject({ code: 'TIMEOUT' })
  })
})

describe('key shares', () => {
  test('wrong ones are found by the proofs of their fragments, the liar is named and its fragments still serve', async () => {
    liar.lie = on(
      'HEADS',
      flipped(() => 5),
    )
    await readsRightAndNames(liar)
    expect(events()[0]).toMatchObject({
      code: 'INTEGRITY',
      message: expect.stringContaining('told key shares'),
    })
    const served = net.streams.filter(({ remote, bytes: read }) => remote === liar.nodeId && read > 100_000)
    expect(served.length).toBeGreaterThan(0)
  })

  test('seven liars of twelve, and still right', async () => {
    const liars = net.nodes.slice(0, 7)
    // Each alters another byte: lies about the same one can cancel each other out.
    for (const [at, node] of liars.entries())
      node.lie = on(
        'HEADS',
        flipped(() => 40 + at),
      )
    expect(Buffer.from(await net.get(objectId)).equals(bytes)).toBe(true)
    const lied = new Set(liars.map(({ nodeId }) => nodeId as string))
    expect(net.named.every((node) => lied.has(node))).toBe(true)
    expect(net.named.length).toBeGreaterThan(0)
  })

  test('a liar about shares that alters their leaves as well is left out', async () => {
    liar.lie = (message) =>
      message.op === 'HEADS' || message.op === 'LEAVES' ? flipped(() => 70)(message) : message
    await readsRightAndNames(liar)
  })

  test("shares at another column's place are refused at once", async () => {
    liar.lie = on(
      'HEADS',
      swapped(({ body }) => {
        const copy = body.slice()
        for (let at = 32; at < copy.length; at += 33) copy[at] = 5
        return copy
      }),
    )
    await readsRightAndNames(liar)
  })

  test('too few, and more than there are stripes', async () => {
    for (const body of [
      (all: Uint8Array) => all.slice(33),
      (all: Uint8Array) => new Uint8Array(Buffer.concat([all, all])),
    ]) {
      liar.lie = on(
        'HEADS',
        swapped((message) => body(message.body)),
      )
      await readsRightAndNames(liar)
      net.reset()
    }
  })
})

describe('manifests', () => {
  const everyManifest = async (body: Uint8Array, nodes: MemoryNode[]) => {
    for (const node of nodes)
      node.lie = on(
        'MANIFEST',
        swapped(() => body),
      )
  }

  test('of another object, altered, or cut short: refused, named, and had from the next node', async () => {
    const own = await net.manifestBytes(objectId)
    const foreign = await net.manifestBytes(other)
    const altered = own.slice()
    altered[200]! ^= 1
    const first = await net.keeper(objectId, 0)
    for (const body of [foreign, altered, own.slice(0, 300), new Uint8Array([0xa0])]) {
      await everyManifest(body, [first])
      await readsRightAndNames(first)
      expect(events()[0]).toMatchObject({ type: 'manifest-refused' })
      net.reset()
    }
  })

  test('an older version than the anchored one', async () => {
    const key = recordKey(objectIdToBytes(objectId))
    const anchored = net.chain.get(key)!
    const record = recordValue.decode(anchored)
    net.chain.set(
      key,
      recordValue.encode({ ...record, version: 2, manifestHash: new Uint8Array(32).fill(9) }),
    )
    const failing = net.get(objectId)
    await expect(failing).rejects.toMatchObject({ code: 'TOO_FEW_FRAGMENTS', exitCode: 17 })
    expect(net.named).toHaveLength(12)
    expect(events().every(({ message }) => String(message).includes('not the anchored one'))).toBe(true)
    net.chain.set(key, anchored)
  })

  test('eleven of twelve serve another manifest: the twelfth is enough', async () => {
    const foreign = await net.manifestBytes(other)
    const honest = await net.keeper(objectId, 11)
    await everyManifest(
      foreign,
      net.nodes.filter((node) => node !== honest),
    )
    expect(Buffer.from(await net.get(objectId)).equals(bytes)).toBe(true)
    expect(net.named).not.toContain(honest.nodeId)
  })

  test('an anchored manifest of something else is the owner’s fault, and nothing is opened', async () => {
    const key = recordKey(objectIdToBytes(objectId))
    const anchored = net.chain.get(key)!
    const record = recordValue.decode(anchored)
    net.chain.set(key, recordValue.encode({ ...record, version: 2 }))
    await expect(net.get(objectId)).rejects.toMatchObject({ code: 'INTEGRITY' })
    expect(net.named).toEqual([])
    net.chain.set(key, anchored)
  })
})

describe('more liars than the code can bear', () => {
  test('seven alter their fragments: a clear error, every one named, not one wrong byte', async () => {
    const liars = net.nodes.slice(0, 7)
    for (const node of liars)
      node.lie = on(
        'FRAG',
        flipped(() => 5000),
      )
    const { content } = await openRecord(net.ports, objectId, net.custodyKeyOf)
    const read: Uint8Array[] = []
    const failing = (async () => {
      for await (const piece of content) read.push(piece.slice())
    })()
    await expect(failing).rejects.toMatchObject({ code: 'TOO_FEW_FRAGMENTS', exitCode: 17 })
    expect(net.named).toEqual(liars.map(({ nodeId }) => nodeId))
    expect(read).toEqual([])
  })

  test('a wrong custody key opens nothing and blames no node', async () => {
    const wrong = async () => seededBytes(3, 32)
    await expect(openRecord(net.ports, objectId, wrong)).rejects.toMatchObject({ code: 'INTEGRITY' })
    expect(net.streams).toEqual([])
  })
})
