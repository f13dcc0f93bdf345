import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { PROFILES } from '../../src/fragment/profile.ts'
import type { ObjectId } from '../../src/ids.ts'
import { openObject } from '../../src/light-node/get.ts'
import { readRange } from '../../src/light-node/range-read.ts'
import { repairObject } from '../../src/light-node/repair/repair-object.ts'
import { HEDGE_MS, READ_STALL_MS } from '../../src/limits.ts'
import type { NodeMessage } from '../../src/wire/fragment-protocol.ts'
import { MemoryNetwork, type MemoryNode } from '../light-node/memory-network.ts'
import { HASTE, type Lie } from '../light-node/tapped-stream.ts'
import { seededBytes } from '../storage-node/made-object.ts'
import { changes, drips, neverEnds, repeats, saysTwice } from './lying-node.ts'

/** A dozen stripes, so that an answer has several parts. */
const PROFILE = { ...PROFILES.grid, shardBytes: 16_384 }
const BYTES = seededBytes(1, 1_000_000)
const LIAR = 2

let net: MemoryNetwork
let objectId: ObjectId
let liar: MemoryNode
beforeAll(async () => {
  net = await MemoryNetwork.start()
  objectId = (await net.put(BYTES, PROFILE)).objectId
  liar = await net.keeper(objectId, LIAR)
})
afterAll(() => net.stop())
afterEach(async () => {
  await expect.poll(() => net.openStreams.map(({ remote }) => remote)).toEqual([])
  net.reset()
})

const isRight = (bytes: Uint8Array) => expect(Buffer.from(bytes).equals(BYTES)).toBe(true)
const blamed = () => net.events.filter(({ node }) => node === liar.nodeId).map(({ code }) => code)

/**
 * Resolves when the other data columns have said all they were asked for in answers of kind `op`: only the
 * liar is waited for.
 */
async function othersSay(op: NodeMessage['op']): Promise<void> {
  const said = [0, 1, 3, 4, 5].map(async (column) => {
    const node = await net.keeper(objectId, column)
    const all = Promise.withResolvers<void>()
    let hasBegun = false
    node.lie = (message) => {
      hasBegun ||= message.op === op
      if (hasBegun && message.op === 'END') all.resolve()
      return message
    }
    return all.promise
  })
  await Promise.all(said)
  // They are taken in before time passes.
  await new Promise((resolve) => setImmediate(resolve))
}

async function read(): Promise<void> {
  isRight(await net.get(objectId))
}

async function readPart(): Promise<void> {
  const object = await openObject(net.ports, objectId, net.custodyKeyOf)
  try {
    const part = await readRange(object, 34_000, 4_000)
    expect(Buffer.from(part).equals(BYTES.subarray(34_000, 38_000))).toBe(true)
  } finally {
    object.close()
  }
}

/** Another node lost its disk, so that the liar's column is read. */
async function repair(): Promise<void> {
  await (await net.keeper(objectId, 0)).loseDisk()
  await repairObject(net.ports, objectId)
  const { columns } = await repairHonestly()
  expect(columns).toBe(12)
}

async function repairHonestly() {
  liar.lie = null
  return repairObject(net.ports, objectId)
}

const always: [string, Lie][] = [
  ['its key shares again and again', repeats('HEADS')],
  ['its key shares twice', saysTwice('HEADS')],
  [
    'key shares of stripes beyond the last',
    changes('HEADS', (message) => ({ ...message, ...later(message) })),
  ],
  ['its hashes again and again', repeats('HASHES')],
  ['its hashes twice', saysTwice('HASHES')],
  ['a fragment again and again', repeats('FRAG')],
  ['each fragment twice', saysTwice('FRAG')],
  [
    'acknowledgements for ever',
    (message) => (message.op === 'HEADS' ? { forEver: { op: 'ACK', count: 1 } } : message),
  ],
]

function later({ from, to }: { from: number; to: number }) {
  return { from: from + 1, to: to + 1 }
}

describe('a storage node that says true things and comes to no end, while a record is read', () => {
  test.each(always)('%s: cut off at once, named and replaced', async (_, lie) => {
    liar.lie = lie
    await read()
    expect(blamed()).toHaveLength(1)
    expect(['INTEGRITY', 'MALFORMED']).toContain(blamed()[0])
  })

  test.each<[string, Lie]>([
    ['its leaves again and again', repeats('LEAVES')],
    ['its hashes again and again', repeats('HASHES')],
  ])('%s, when a part of it is read', async (_, lie) => {
    liar.lie = lie
    await readPart()
    expect(blamed()).toHaveLength(1)
  })

  test.each<[string, () => Promise<void>]>([
    ['read', read],
    ['read in part', readPart],
  ])(
    'never the end: another is asked in its place, long before it is given up, when the record is %s',
    async (_, run) => {
      const others = othersSay('HEADS')
      liar.lie = async (message) => {
        if (message.op !== 'END') return message
        await others
        net.pass(HEDGE_MS + 1)
        return 'silence'
      }
      await run()
      expect(net.events.filter(({ type }) => type === 'node-late')).toMatchObject([{ node: liar.nodeId }])
      expect(net.streams.every(({ grantedMs }) => grantedMs <= READ_STALL_MS)).toBe(true)
    },
  )

  test('a fragment whenever patience would be over: replaced after the first, not waited for each time', async () => {
    let dripped = 0
    const others = othersSay('FRAG')
    const over = Promise.withResolvers<void>()
    liar.lie = drips('FRAG', async () => {
      await others
      // The next one would come as late again.
      if (dripped++ > 0) await over.promise
      net.pass(READ_STALL_MS - 100)
    })
    const beganMs = net.ports.clock.nowMs()
    await read()
    expect(net.ports.clock.nowMs() - beganMs).toBeLessThan(2 * READ_STALL_MS)
    over.resolve()
    expect(net.named).toEqual([liar.nodeId])
  })

  test('nobody else is there: one that comes to no end is an error, not a wait', async () => {
    liar.lie = repeats('HEADS')
    for (const at of [6, 7, 8, 9, 10, 11]) (await net.keeper(objectId, at)).isDown = true
    await expect(net.get(objectId)).rejects.toMatchObject({ code: 'TOO_FEW_FRAGMENTS' })
  })
})

describe('while a record is repaired', () => {
  test.each<[string, Lie]>([
    ['its hashes again and again', repeats('HASHES')],
    ['a fragment again and again', repeats('FRAG')],
    ['acknowledgements of nothing', changes('RECEIPT', () => ({ op: 'ACK', count: 0 }))],
  ])('%s: the lost column is made again from the others', async (_, lie) => {
    liar.lie = lie
    await repair()
  })

  test('what it has, and never the end', async () => {
    net.haste = HASTE
    liar.lie = neverEnds
    await repair()
  })
})

describe('while a record is stored', () => {
  const columns = async () => (await net.put(BYTES, PROFILE)).weakest.columns

  test.each<[string, Lie]>([
    ['the same acknowledgement again and again', repeats('ACK')],
    ['each acknowledgement twice', saysTwice('ACK')],
    [
      'that it has everything, of more columns than it was asked for',
      changes('HAVE', (message) => ({ ...message, body: new Uint8Array(1_000_000) })),
    ],
    ['what it has, again and again', repeats('HAVE')],
    [
      'acknowledgements instead of a receipt',
      (message) => (message.op === 'RECEIPT' ? { forEver: { op: 'ACK', count: 1 } } : message),
    ],
  ])('%s: left out and named, and stored on the others', async (_, lie) => {
    liar.lie = lie
    expect(await columns()).toBeGreaterThanOrEqual(11)
    const dropped = net.events.filter(({ type }) => type === 'node-dropped')
    expect(dropped).toMatchObject([{ node: liar.nodeId, code: 'MALFORMED' }])
  })
})
