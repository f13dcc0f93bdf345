import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fragmentBytesOf, type Layout, layoutOf } from '../../src/fragment/layout.ts'
import { type Profile, profileFor } from '../../src/fragment/profile.ts'
import { BATCH_BYTES_MAX } from '../../src/wire/fragment-protocol.ts'
import { seededBytes } from '../storage-node/made-object.ts'
import { bytesOf, type Cost, CountedNetwork, ofOp } from './counted-network.ts'

const NODES = 12
const MIB = 1024 * 1024
/** What else a node is sent of a put: order, manifest, heads of frames. */
const BESIDE_BYTES = 4096
/** Bytes of a burst to one node, about: put.ts. */
const BURST_BYTES = MIB

const net = await CountedNetwork.start(NODES)
afterAll(() => net.stop())

interface Put extends Cost<unknown> {
  user: number
  layout: Layout
  /** Fragments of the object in bytes. */
  stored: number
}

async function put(mib: number, profile: Profile): Promise<Put> {
  // With its length in front it is exactly as long as its padding allows.
  const bytes = seededBytes(mib, mib * MIB - 8)
  const layout = layoutOf(bytes.length, profile.k, profile.n)
  const stored = profile.n * layout.stripes * fragmentBytesOf(layout)
  return { ...(await net.put(bytes, profile)), user: bytes.length, layout, stored }
}

const sum = (numbers: Iterable<number>) => [...numbers].reduce((total, number) => total + number, 0)

describe.each([
  ['6/12', profileFor(6, 12)],
  ['20/40', profileFor(20, 40)],
])('a put of 2 and of 8 MiB at %s', (_, profile) => {
  const { k, n, m } = profile
  let small: Put
  let large: Put
  beforeAll(async () => {
    // Every store makes its first volume once in its life.
    await put(1, profile)
    small = await put(2, profile)
    large = await put(8, profile)
  })
  const both = () => [small, large]

  test('one stream a node and guardian: with one a column a user waits for more handshakes than nodes', () => {
    for (const { streams } of both()) {
      expect(streams.length).toBe(NODES + m)
      expect(new Set(streams).size).toBe(NODES + m)
    }
  })

  test('the columns of a node go together: else each is an order, a receipt and signatures of its own', () => {
    for (const { sent, received } of both())
      for (const op of ['OPEN_PUT', 'GET_HAVE', 'DONE'] as const) {
        expect(ofOp(sent, op).length).toBe(NODES)
        expect(ofOp(received, 'RECEIPT').length).toBe(NODES)
      }
  })

  test('one PUT frame a burst and node, with all its columns of several stripes: else every fragment costs the wire and the disk thread a message', () => {
    for (const { sent, layout } of both()) {
      // The burst ends where the node with the most columns would be sent more than a frame takes.
      const most = Math.max(...ofOp(sent, 'OPEN_PUT').map(({ message: { columns } }) => columns.length))
      const burst = Math.floor(BATCH_BYTES_MAX / (most * fragmentBytesOf(layout)))
      expect(burst).toBeGreaterThan(1)
      for (const { peer, message } of ofOp(sent, 'OPEN_PUT')) {
        const frames = ofOp(sent, 'PUT', peer)
        const starts = Array.from({ length: Math.ceil(layout.stripes / burst) }, (_, at) => at * burst)
        expect(frames.map(({ message: { stripe, first } }) => [stripe, first])).toEqual(
          starts.map((stripe) => [stripe, 0]),
        )
        const stripe = message.columns.length * fragmentBytesOf(layout)
        expect(frames.map(({ bodyBytes }) => bodyBytes)).toEqual(
          starts.map((from) => Math.min(burst, layout.stripes - from) * stripe),
        )
      }
    }
  })

  test('every fragment is sent once, and hardly anything else: what more is sent is taken from the uplink', () => {
    for (const { sent, user, stored } of both()) {
      const bodies = sum(ofOp(sent, 'PUT').map(({ bodyBytes }) => bodyBytes))
      expect(bodies).toBe(stored)
      expect(bodies).toBeLessThan((n / k) * user * 1.025)
      const toNodes = bytesOf(sent.filter(({ op }) => op !== 'custody'))
      expect(toNodes - bodies).toBeLessThan(NODES * BESIDE_BYTES)
    }
  })

  test('seven round trips at any size: each further one is a fifth of a second across an ocean', () => {
    // Epoch, network view, order and bitmap, manifest and receipt, chain head, transaction, deposits.
    for (const { roundTrips } of both()) expect(roundTrips).toBeLessThanOrEqual(7)
  })

  test('one ACK a commit at most: one a fragment is a wake-up of the client for each', () => {
    for (const { received, disks } of both())
      for (const [nodeId, { syncs }] of disks)
        expect(ofOp(received, 'ACK', nodeId).length).toBeLessThanOrEqual(syncs)
  })

  test('one sync, write and transaction a burst and one for DONE: with one a fragment the disk decides how fast a put is', () => {
    for (const { disks, sent } of both())
      for (const [nodeId, { syncs, writes, transactions }] of disks) {
        const bodies = sum(ofOp(sent, 'PUT', nodeId).map(({ bodyBytes }) => bodyBytes))
        const commits = Math.ceil(bodies / BURST_BYTES) + 1
        expect(syncs).toBeLessThanOrEqual(commits)
        expect(transactions).toBeLessThanOrEqual(syncs)
        expect(writes).toBe(syncs)
      }
  })

  test('the disk is woken for bursts: order, each burst, DONE', () => {
    for (const { disks, sent } of both())
      for (const [nodeId, { messages }] of disks) {
        const bodies = sum(ofOp(sent, 'PUT', nodeId).map(({ bodyBytes }) => bodyBytes))
        expect(messages).toBeLessThanOrEqual(Math.ceil(bodies / BURST_BYTES) + 2)
      }
  })

  test('what is written is what was sent: heads of records and whole blocks add a hundredth', () => {
    for (const { disks, stored } of both()) {
      const written = sum([...disks.values()].map(({ writtenBytes }) => writtenBytes))
      expect(written).toBeGreaterThan(stored)
      expect(written).toBeLessThan(stored * 1.01 + NODES * 4 * 4096)
    }
  })

  test('each fragment is hashed once by the client and once by its node: hashing again is the largest part of their CPU time', () => {
    for (const { client, node, disks, stored } of both()) {
      expect(client.blake3Bytes).toBe(stored)
      expect(node.blake3Bytes).toBe(0)
      const hashed = sum([...disks.values()].map(({ blake3Bytes }) => blake3Bytes))
      expect(hashed).toBeGreaterThanOrEqual(stored)
      // Beside the fragments only manifests.
      expect(hashed - stored).toBeLessThan(NODES * BESIDE_BYTES)
    }
  })

  test('each byte is sealed once, by the client', () => {
    for (const { client, node, layout } of both()) {
      expect(client.sealedBytes).toBe(layout.paddedLength)
      expect(node.sealedBytes).toBe(0)
    }
  })

  test('JavaScript copies each byte where it is sealed, and none of data or parity after that: each further copy is a pass through memory', () => {
    // The quarter that lies across two shards is copied once more.
    for (const { client, user } of both()) expect(client.copiedBytes / user).toBeLessThan(1.5)
  })

  test('signatures are for nodes and objects, not for columns, stripes or fragments', () => {
    for (const { client, node, disks } of both()) {
      // An order a node, a deposit a guardian, manifest and transaction.
      expect(client.signatures).toBeLessThanOrEqual(NODES + m + 2)
      // A receipt a node, one a guardian, the manifest before it is used and before it is anchored.
      expect(client.verifications).toBeLessThanOrEqual(NODES + m + 2)
      expect(node.signatures).toBe(NODES)
      // Order and manifest.
      for (const { verifications } of disks.values()) expect(verifications).toBeLessThanOrEqual(2)
    }
  })

  test('one transaction, and five questions to the ledger before it: the chain is slower than any node', () => {
    for (const { ledger } of both()) {
      expect(ledger.filter((name) => name === 'submit').length).toBe(1)
      expect(ledger.length).toBeLessThanOrEqual(6)
    }
  })

  test('one question and one answer a guardian', () => {
    for (const { sent, received } of both()) {
      expect(sent.filter(({ op }) => op === 'custody').length).toBe(m)
      expect(received.filter(({ op }) => op === 'custody').length).toBe(m)
    }
  })
})

describe('a put of 4 KiB', () => {
  let tiny: Put
  beforeAll(async () => {
    await put(1, profileFor(6, 12))
    const bytes = seededBytes(7, 4096)
    const layout = layoutOf(bytes.length, 6, 12)
    const stored = 12 * layout.stripes * fragmentBytesOf(layout)
    tiny = { ...(await net.put(bytes, profileFor(6, 12))), user: bytes.length, layout, stored }
  })

  test('says everything to a node at once and hears the receipt: each further round trip is most of what it takes', () => {
    for (const op of ['OPEN_PUT', 'PUT', 'DONE'] as const) expect(ofOp(tiny.sent, op).length).toBe(NODES)
    expect(ofOp(tiny.sent, 'GET_HAVE')).toEqual([])
    expect(ofOp(tiny.received, 'RECEIPT').length).toBe(NODES)
    // Epoch, network view, everything to the nodes, chain head, transaction, deposits.
    expect(tiny.roundTrips).toBeLessThanOrEqual(6)
  })

  test('wakes the disk once and syncs once on each node: a sync is what a disk is slowest at', () => {
    for (const { messages, syncs, writes } of tiny.disks.values())
      expect([messages, syncs, writes]).toEqual([1, 1, 1])
  })
})
