import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { concat } from '../../src/bytes.ts'
import { verifyLeaves } from '../../src/crypto/blake3-tree.ts'
import { merkleRoot } from '../../src/crypto/merkle.ts'
import { verifySignature } from '../../src/crypto/sign.ts'
import { CREDIT_BYTES_MAX, LEAF_BYTES, NODE_STREAMS_PER_PEER_MAX } from '../../src/limits.ts'
import {
  type ClientMessage,
  type MessageOf,
  STORAGE_RECEIPT_DOMAIN,
  storageReceiptBytes,
} from '../../src/wire/fragment-protocol.ts'
import { AUDIENCE, deleteOf, hashesOf, makeObject, openPutOf } from './made-object.ts'
import { NODE_KEY, ServedNode } from './served-node.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

let node: ServedNode
beforeAll(async () => {
  node = await ServedNode.start()
})
afterAll(async () => {
  for (const end of await node.hangUp()) if (end) expect(end).toHaveProperty('name', 'XcareError')
  await node.stop()
})

const versionOf = ({ objectId, version }: { objectId: Uint8Array; version: number }) => ({
  objectId,
  version,
})
const columnOf = ({ objectId, version }: { objectId: Uint8Array; version: number }, column = 0) => ({
  objectId,
  version,
  columns: [column],
})

test('a column that was put comes back byte for byte, with a receipt that the node signed', async () => {
  const object = makeObject({ seed: 1, length: 20_000 })
  const client = node.connect()
  const receipt = (await client.putColumn(object)) as MessageOf<'RECEIPT'>
  expect(receipt).toMatchObject({
    op: 'RECEIPT',
    ...AUDIENCE,
    ...columnOf(object),
    root: merkleRoot([object.columnRoots[0]!]),
  })
  expect(receipt.bytes).toBe(object.fragments[0]!.reduce((sum, { length }) => sum + length, 0))
  expect(
    verifySignature(
      NODE_KEY.publicKey,
      STORAGE_RECEIPT_DOMAIN,
      storageReceiptBytes(receipt),
      receipt.signature,
    ),
  ).toBe(true)

  const stripes = object.layout.stripes
  expect(stripes).toBeGreaterThan(15)
  const answers = await client.collect({ op: 'GET', ...columnOf(object), from: 0, to: stripes, hashes: true })
  expect(answers[0]).toEqual({ op: 'HASHES', first: 0, count: 1, body: hashesOf(object.fragments[0]!) })
  expect(answers.slice(1, -1)).toEqual(
    object.fragments[0]!.map((body, stripe) => ({ op: 'FRAG', stripe, first: 0, body })),
  )
  expect(answers.at(-1)).toEqual({ op: 'END' })
  expect(await client.ask({ op: 'GET_MANIFEST', objectId: object.objectId })).toEqual({
    op: 'MANIFEST',
    body: object.manifest,
  })
  expect(node.completed.at(-1)).toMatchObject({ objectId: object.objectId, column: 0, k: 4, n: 8 })
})

test('a put under a name that is not its owner key\u2019s is refused, unless the chain says who owns it', async () => {
  const named = makeObject({ seed: 310, length: 3_000, owner: 311 })
  expect(await node.connect().putColumn(named)).toMatchObject({ op: 'ERR', code: 'REFUSED' })
  node.anchoredOwner = makeObject({ seed: 312 }).owner.publicKey
  expect(await node.connect().putColumn(named)).toMatchObject({ op: 'ERR', code: 'REFUSED' })
  node.anchoredOwner = named.owner.publicKey
  expect(await node.connect().putColumn(named)).toMatchObject({ op: 'RECEIPT' })
  node.anchoredOwner = null
})

test('one stream serves puts and gets of one object after another, in any order', async () => {
  const client = node.connect()
  for (const seed of [301, 302, 303]) {
    const object = makeObject({ seed, length: 5_000 })
    expect(await client.putColumn(object)).toMatchObject({ op: 'RECEIPT', ...columnOf(object) })
    const request = { op: 'GET' as const, ...columnOf(object), from: 0, to: object.layout.stripes }
    for (let again = 0; again < 2; again++) {
      const answers = await client.collect({ ...request, hashes: true })
      expect(answers[0]).toMatchObject({ op: 'HASHES' })
      const bodies = answers.flatMap((answer) => (answer.op === 'FRAG' ? [answer.body] : []))
      expect(Buffer.concat(bodies)).toEqual(Buffer.concat(object.fragments[0]!))
    }
  }
})

test('every PUT is acknowledged by a cumulative count before the receipt', async () => {
  const object = makeObject({ seed: 2, length: 10_000 })
  const client = node.connect()
  await client.send(openPutOf(object))
  for (const [stripe, body] of object.fragments[0]!.entries())
    await client.send({ op: 'PUT', stripe, first: 0, body })
  await client.send({ op: 'DONE', body: object.manifest })
  let acked = 0
  for (let message = await client.next(); message?.op === 'ACK'; message = await client.next()) {
    expect(message.count).toBeGreaterThan(acked)
    acked = message.count
  }
  expect(acked).toBe(object.layout.stripes)
})

test('a put that broke off goes on where it stopped, over another stream', async () => {
  const object = makeObject({ seed: 3, length: 10_000 })
  const first = node.connect()
  await first.send(openPutOf(object))
  for (const stripe of [0, 3, 4])
    await first.send({ op: 'PUT', stripe, first: 0, body: object.fragments[0]![stripe]! })
  while (((await first.next()) as MessageOf<'ACK'>).count < 3);
  first.stream.abort(new Error('power cut'))

  const second = node.connect()
  await second.send(openPutOf(object))
  const have = (await second.ask({ op: 'GET_HAVE' })) as MessageOf<'HAVE'>
  expect(have).toMatchObject({ objectKnown: false })
  expect([...have.body].map((byte) => byte.toString(2))[0]).toBe('11001')
  for (const [stripe, body] of object.fragments[0]!.entries())
    if (((have.body[stripe >> 3]! >> (stripe & 7)) & 1) === 0)
      await second.send({ op: 'PUT', stripe, first: 0, body })
  expect(await second.ask({ op: 'DONE', body: object.manifest })).toMatchObject({ op: 'RECEIPT' })
  // Finishing again is harmless: a client that lost the receipt asks for it once more.
  await second.send(openPutOf(object))
  expect(await second.ask({ op: 'GET_HAVE' })).toMatchObject({ objectKnown: true })
  expect(await second.ask({ op: 'DONE', body: object.manifest })).toMatchObject({ op: 'RECEIPT' })
})

test('an unfinished column is served to nobody', async () => {
  const object = makeObject({ seed: 4 })
  const client = node.connect()
  await client.send(openPutOf(object))
  await client.send({ op: 'PUT', stripe: 0, first: 0, body: object.fragments[0]![0]! })
  expect(await client.next()).toEqual({ op: 'ACK', count: 1 })
  const messages: ClientMessage[] = [
    { op: 'GET', ...columnOf(object), from: 0, to: 1, hashes: false },
    { op: 'GET_HEADS', ...columnOf(object), from: 0, to: 1 },
    {
      op: 'GET_LEAVES',
      ...versionOf(object),
      ranges: [{ column: 0, stripe: 0, first: 0, count: 1 }],
      hashes: [0],
    },
    { op: 'GET_MANIFEST', objectId: object.objectId },
  ]
  for (const message of messages)
    expect(await client.ask(message)).toMatchObject({ op: 'ERR', code: 'NOT_FOUND' })
})

test('shares and proven leaves come without whole fragments', async () => {
  const object = makeObject({ seed: 5, length: 40_000, shardBytesMax: 4096 })
  const client = node.connect()
  await client.putColumn(object)
  const { stripes } = object.layout
  const [heads] = (await client.collect({ op: 'GET_HEADS', ...columnOf(object), from: 1, to: stripes })) as [
    MessageOf<'HEADS'>,
  ]
  expect(heads.from).toBe(1)
  expect(heads.body).toEqual(
    concat(...object.fragments[0]!.slice(1).map((fragment) => fragment.subarray(64, 97))),
  )

  const ranges = [
    { column: 0, stripe: 0, first: 1, count: 2 },
    {
      column: 0,
      stripe: stripes - 1,
      first: 0,
      count: Math.ceil(object.fragments[0]![0]!.length / LEAF_BYTES),
    },
  ]
  const answers = await client.collect({ op: 'GET_LEAVES', ...versionOf(object), ranges, hashes: [0] })
  const hashes = (answers[0] as MessageOf<'HASHES'>).body
  for (const [at, range] of ranges.entries()) {
    const leaves = answers[at + 1] as MessageOf<'LEAVES'>
    expect(leaves).toMatchObject({ op: 'LEAVES', ...range })
    const bytes = leaves.body.subarray(0, leaves.body.length - leaves.proofBytes)
    const fragment = object.fragments[0]![range.stripe]!
    expect(bytes).toEqual(
      fragment.subarray(range.first * LEAF_BYTES, (range.first + range.count) * LEAF_BYTES),
    )
    const hash = hashes.subarray(range.stripe * 32, range.stripe * 32 + 32)
    const proof = leaves.body.subarray(bytes.length)
    expect(verifyLeaves(hash, fragment.length, range.first, bytes, proof)).toBe(true)
  }
  const far = { ...versionOf(object), ranges: [{ column: 0, stripe: 0, first: 60, count: 1 }], hashes: [] }
  expect(await client.ask({ op: 'GET_LEAVES', ...far })).toMatchObject({ op: 'ERR', code: 'MALFORMED' })
})

test('an answer is never larger than the credit, and requests may follow each other without waiting', async () => {
  const object = makeObject({ seed: 6, length: 12_000_000, shardBytesMax: 65_536 })
  const client = node.connect()
  await node.connect().putColumn(object)
  const { stripes } = object.layout
  const most = Math.floor(CREDIT_BYTES_MAX / object.fragments[0]![0]!.length)
  expect(stripes).toBeGreaterThan(most)
  const get = (from: number, to: number) =>
    client.send({ op: 'GET', ...columnOf(object), from, to, hashes: false })
  await get(0, most + 1)
  expect(await client.next()).toMatchObject({ op: 'ERR', code: 'MALFORMED' })
  const next = node.connect()
  for (let from = 0; from < stripes; from += most)
    await next.send({
      op: 'GET',
      ...columnOf(object),
      from,
      to: Math.min(from + most, stripes),
      hashes: false,
    })
  for (let stripe = 0; stripe < stripes; stripe++) {
    expect(await next.next()).toMatchObject({ op: 'FRAG', stripe })
    if ((stripe + 1) % most === 0 || stripe === stripes - 1) expect(await next.next()).toEqual({ op: 'END' })
  }
})

test('several columns of an object go over one stream: together in frames, in the receipt, and back', async () => {
  const columns = [1, 4, 5]
  const object = makeObject({ seed: 16, length: 60_000, shardBytesMax: 1024, columns, k: 12, n: 16 })
  const { stripes } = object.layout
  expect(stripes).toBeGreaterThan(3)
  const client = node.connect()
  await client.send(openPutOf(object, columns))
  const body = (stripe: number, ...places: number[]) =>
    concat(...places.map((place) => object.fragments[place]![stripe]!))
  await client.send({ op: 'PUT', stripe: 0, first: 1, body: body(0, 1, 2) })
  expect(await client.next()).toEqual({ op: 'ACK', count: 1 })
  const have = (await client.ask({ op: 'GET_HAVE' })) as MessageOf<'HAVE'>
  expect([...have.body]).toEqual([0, 1, 1])
  await client.send({ op: 'PUT', stripe: 0, first: 0, body: body(0, 0) })
  for (let stripe = 1; stripe < stripes; stripe++)
    await client.send({ op: 'PUT', stripe, first: 0, body: body(stripe, 0, 1, 2) })
  const receipt = (await client.ask({ op: 'DONE', body: object.manifest })) as MessageOf<'RECEIPT'>
  const roots = columns.map((column) => object.columnRoots[column]!)
  expect(receipt).toMatchObject({ op: 'RECEIPT', columns, root: merkleRoot(roots) })

  const version = versionOf(object)
  const all = await client.collect({ op: 'GET', ...version, columns, from: 0, to: stripes, hashes: true })
  expect(all[0]).toEqual({ op: 'HASHES', first: 0, count: 1, body: hashesOf(object.fragments[0]!) })
  expect(all[1]).toEqual({
    ...{ op: 'HASHES', first: 1, count: 2 },
    body: concat(...object.fragments.slice(1).map(hashesOf)),
  })
  expect(all.slice(2, -1)).toEqual(
    Array.from({ length: stripes }, (_, stripe) => ({
      ...{ op: 'FRAG', stripe, first: 0 },
      body: body(stripe, 0, 1, 2),
    })),
  )
  // Columns that are not here are left out of the answer; the others come all the same.
  const some = await client.collect({ op: 'GET_HEADS', ...version, columns: [0, 1, 4], from: 0, to: stripes })
  expect(some[0]).toMatchObject({ op: 'HEADS', first: 1, from: 0, to: stripes })
  expect((some[0] as MessageOf<'HEADS'>).body).toHaveLength(2 * stripes * 33)
})

test('a frame may go on with the next stripes, from any place of the first to any of the last', async () => {
  const columns = [1, 4, 5]
  const object = makeObject({ seed: 26, length: 60_000, shardBytesMax: 1024, columns, k: 12, n: 16 })
  const { stripes } = object.layout
  const inOrder = Array.from({ length: stripes }, (_, stripe) =>
    object.fragments.map((column) => column[stripe]!),
  ).flat()
  const client = node.connect()
  await client.send(openPutOf(object, columns))
  // The cuts lie within stripes; what is sent out of turn is as good.
  const cuts = [0, 2, 7, 8, inOrder.length]
  for (const at of [2, 0, 3, 1])
    await client.send({
      ...{ op: 'PUT', stripe: Math.floor(cuts[at]! / 3), first: cuts[at]! % 3 },
      body: concat(...inOrder.slice(cuts[at], cuts[at + 1])),
    })
  const receipt = (await client.ask({ op: 'DONE', body: object.manifest })) as MessageOf<'RECEIPT'>
  const roots = columns.map((column) => object.columnRoots[column]!)
  expect(receipt).toMatchObject({ op: 'RECEIPT', columns, root: merkleRoot(roots) })
  const range = { ...versionOf(object), columns, from: 0, to: stripes }
  const read = await client.collect({ op: 'GET', ...range, hashes: false })
  expect(concat(...read.flatMap((answer) => (answer.op === 'FRAG' ? [answer.body] : [])))).toEqual(
    concat(...inOrder),
  )
})

test('a frame that is no whole number of fragments, or reaches beyond the columns or the stripes of its put, ends the put', async () => {
  const object = makeObject({ seed: 17, length: 30_000, shardBytesMax: 1024, columns: [0, 1], k: 12, n: 16 })
  const last = object.layout.stripes - 1
  expect(last).toBeGreaterThan(1)
  const [one, two] = object.fragments.map(([fragment]) => fragment!)
  const [lastOne, lastTwo] = object.fragments.map((column) => column[last]!)
  const odd: [number, number, Uint8Array][] = [
    [0, 0, concat(one!, one!.subarray(0, 512))],
    [0, 2, two!],
    [last, 1, concat(lastTwo!, lastOne!)],
    [last + 1, 0, lastOne!],
    // A fragment of another column, or of another stripe, in its place.
    [0, 0, concat(two!, one!)],
    [0, 1, concat(two!, lastOne!)],
  ]
  for (const [stripe, first, body] of odd) {
    const client = node.connect()
    await client.send(openPutOf(object, [0, 1]))
    await client.send({ op: 'PUT', stripe, first, body })
    expect(await client.answer()).toMatchObject({ op: 'ERR', code: 'MALFORMED' })
  }
})

test('a client that sends above its credit is cut off with a reason', async () => {
  const object = makeObject({ seed: 7, length: 40_000_000, shardBytesMax: 65_536, k: 2, n: 4 })
  const client = node.connect()
  await client.send(openPutOf(object))
  for (const [stripe, body] of object.fragments[0]!.entries())
    await client.send({ op: 'PUT', stripe, first: 0, body })
  expect(await client.answer()).toMatchObject({ op: 'ERR', code: 'MALFORMED' })
  expect(await client.answer()).toBe(null)
})

test('fragments that are not those of the manifest give no receipt, and the column can be put anew', async () => {
  const object = makeObject({ seed: 8, length: 9_000 })
  const other = makeObject({ seed: 8, length: 9_000, content: 1234 })
  const client = node.connect()
  expect(await client.putColumn(object, 0, other.fragments[0]!)).toMatchObject({
    op: 'ERR',
    code: 'INTEGRITY',
  })
  expect(await client.next()).toBe(null)
  expect(await node.connect().putColumn(object)).toMatchObject({ op: 'RECEIPT' })
})

test('only the owner deletes, again is harmless, and a deleted version does not come back', async () => {
  const object = makeObject({ seed: 9 })
  const client = node.connect()
  await client.putColumn(object)
  const stranger = makeObject({ seed: 9, owner: 77 })
  expect(await client.ask(deleteOf(stranger))).toEqual({ op: 'END' })
  expect(await client.ask({ ...deleteOf(object), ownerKey: stranger.owner.publicKey })).toMatchObject({
    op: 'ERR',
    code: 'REFUSED',
  })
  expect(await client.ask(deleteOf(object, 1, 'other-network'))).toMatchObject({ op: 'ERR', code: 'REFUSED' })
  expect(await client.ask({ op: 'GET_MANIFEST', objectId: object.objectId })).toMatchObject({
    op: 'MANIFEST',
  })
  for (const _ of [1, 2]) expect(await client.ask(deleteOf(object))).toEqual({ op: 'END' })
  expect(await client.ask({ op: 'GET_MANIFEST', objectId: object.objectId })).toMatchObject({
    op: 'ERR',
    code: 'NOT_FOUND',
  })
  await client.send(openPutOf(object))
  expect(await client.answer()).toMatchObject({ op: 'ERR', code: 'REFUSED' })
  const next = makeObject({ seed: 9, version: 2 })
  expect(await node.connect().putColumn(next)).toMatchObject({ op: 'RECEIPT' })
})

test('the newest manifest wins, older columns stay readable, and nobody else takes over an object', async () => {
  const [first, second] = [makeObject({ seed: 10 }), makeObject({ seed: 10, version: 2 })]
  const client = node.connect()
  await client.putColumn(second)
  await client.putColumn(first)
  expect(await client.ask({ op: 'GET_MANIFEST', objectId: first.objectId })).toEqual({
    op: 'MANIFEST',
    body: second.manifest,
  })
  const [fragment] = await client.collect({ op: 'GET', ...columnOf(first), from: 0, to: 1, hashes: false })
  expect(fragment).toEqual({ op: 'FRAG', stripe: 0, first: 0, body: first.fragments[0]![0] })
  const thief = makeObject({ seed: 10, version: 3, owner: 5 })
  await client.send(openPutOf(thief))
  expect(await client.answer()).toMatchObject({ op: 'ERR', code: 'REFUSED' })
})

test('orders for another node, another network or more columns than one node may hold are refused', async () => {
  const object = makeObject({ seed: 11, columns: [0, 1], k: 6, n: 12 })
  const refused = async (message: MessageOf<'OPEN_PUT'>) => {
    const client = node.connect()
    await client.send(message)
    expect(await client.answer()).toMatchObject({ op: 'ERR', code: 'REFUSED' })
  }
  await refused(openPutOf(object, 0, { ...AUDIENCE, network: 'other' }))
  await refused(openPutOf(object, 0, { ...AUDIENCE, nodeId: 'another' as typeof AUDIENCE.nodeId }))
  await refused({ ...openPutOf(object), stripes: object.layout.stripes + 1 })
  expect(await node.connect().putColumn(object, 0)).toMatchObject({ op: 'RECEIPT' })
  await refused(openPutOf(object, 1))
  await refused(openPutOf(makeObject({ seed: 18, k: 6, n: 12 }), [0, 1]))
})

test('one peer cannot take every stream', async () => {
  const clients = Array.from({ length: NODE_STREAMS_PER_PEER_MAX }, () => node.connect('greedy'))
  for (const client of clients)
    expect(await client.ask({ op: 'GET_STATUS' })).toMatchObject({ op: 'STATUS', readOnly: false })
  expect(await node.connect('greedy').next()).toMatchObject({ op: 'ERR', code: 'BUSY' })
  expect(await node.connect('modest').ask({ op: 'GET_STATUS' })).toMatchObject({ op: 'STATUS' })
  await Promise.all(clients.map((client) => client.stream.close()))
  for (const client of clients) expect(await client.next()).toBe(null)
  expect(await node.connect('greedy').ask({ op: 'GET_STATUS' })).toMatchObject({ op: 'STATUS' })
})

test('a quota is refused before bytes are accepted, and reading goes on', async () => {
  const small = await ServedNode.start({ quotaBytes: 12e6 })
  const fits = makeObject({ seed: 12, length: 2e6, shardBytesMax: 65_536 })
  const large = makeObject({ seed: 13, length: 40e6, shardBytesMax: 65_536 })
  expect(await small.connect().putColumn(fits)).toMatchObject({ op: 'RECEIPT' })
  const client = small.connect()
  await client.send(openPutOf(large))
  expect(await client.answer()).toMatchObject({ op: 'ERR', code: 'QUOTA_FULL' })
  expect(await small.connect().ask({ op: 'GET_MANIFEST', objectId: fits.objectId })).toMatchObject({
    op: 'MANIFEST',
  })
  const status = (await small.connect().ask({ op: 'GET_STATUS' })) as MessageOf<'STATUS'>
  expect(status.usedBytes).toBeLessThan(12e6)
  expect(status.fragments).toBe(fits.layout.stripes)
  await small.stop()
})

test('VERIFY reads the disk itself: what rotted unseen is missing from the answer, gives no receipt, and may be put again', async () => {
  const own = await ServedNode.start()
  const object = makeObject({ seed: 81, length: 30_000, shardBytesMax: 1024, columns: [0] })
  const { stripes } = object.layout
  await own.connect().putColumn(object)
  const folder = join(own.path, 'volumes')
  const name = readdirSync(folder).find((each) => each.endsWith('.vol'))!
  const volume = readFileSync(join(folder, name))
  volume[volume.indexOf(object.fragments[0]![2]!) + 1500]! ^= 1
  writeFileSync(join(folder, name), volume)
  const client = own.connect()
  await client.send(openPutOf(object))
  const bit = async (message: ClientMessage) =>
    ((await client.ask(message)) as MessageOf<'HAVE'>).body[0]! & 4
  expect(await bit({ op: 'GET_HAVE' })).toBe(4)
  expect(await bit({ op: 'VERIFY', from: 3, to: stripes })).toBe(4)
  expect(await bit({ op: 'VERIFY', from: 0, to: stripes })).toBe(0)
  const health = { op: 'HEALTH', damaged: 1, unanchored: 1, lostVolumes: 0, registered: false }
  expect(await own.connect().ask({ op: 'GET_HEALTH' })).toMatchObject(health)
  const hasty = own.connect()
  await hasty.send(openPutOf(object))
  expect(await hasty.ask({ op: 'DONE', body: object.manifest })).toMatchObject({ code: 'TOO_FEW_FRAGMENTS' })
  await client.send({ op: 'PUT', stripe: 2, first: 0, body: object.fragments[0]![2]! })
  expect(await client.ask({ op: 'DONE', body: object.manifest })).toMatchObject({ op: 'RECEIPT' })
  expect(await own.parts.store.call('health')).toMatchObject({ damaged: 0 })
  await client.send(openPutOf(object))
  expect(await client.ask({ op: 'VERIFY', from: 0, to: stripes + 1 })).toMatchObject({ code: 'MALFORMED' })
  await own.stop()
})
