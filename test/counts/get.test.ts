import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { fragmentBytesOf, type Layout, layoutOf } from '../../src/fragment/layout.ts'
import { profileFor } from '../../src/fragment/profile.ts'
import type { ObjectId } from '../../src/ids.ts'
import { locateObject } from '../../src/light-node/locate.ts'
import { CREDIT_BYTES_MAX } from '../../src/limits.ts'
import { seededBytes } from '../storage-node/made-object.ts'
import { bytesOf, type Cost, CountedNetwork, ofOp } from './counted-network.ts'

const NODES = 12
const BYTES = seededBytes(8, 8 * 1024 * 1024 - 8)
/** Bytes of one request for fragments, and of one to each node: node-download.ts. */
const WINDOW_BYTES = CREDIT_BYTES_MAX / 2
const WINDOWS_BYTES = 9 * 1024 * 1024
/** Locating takes three round trips, then manifest and key shares. */
const BEFORE_FRAGMENTS = 5

const net = await CountedNetwork.start(NODES)
afterAll(() => net.stop())
afterEach(() => net.net.reset())

const sum = (numbers: Iterable<number>) => [...numbers].reduce((total, number) => total + number, 0)

/** Which fragments came, as `stripe column`. */
function fragmentsOf({ sent, received, streams }: Cost<unknown>, layout: Layout): string[] {
  const size = fragmentBytesOf(layout)
  return [...new Set(streams)].flatMap((peer) => {
    const columns = ofOp(sent, 'GET', peer)[0]?.message.columns ?? []
    return ofOp(received, 'FRAG', peer).flatMap(({ bodyBytes, message: { stripe, first } }) =>
      Array.from({ length: bodyBytes / size }, (_, at) => `${stripe} ${columns[first + at]}`),
    )
  })
}

/** Requests that `columns` of every stripe take, when each asks for as many whole stripes as fit and `nodes` are read from. */
function windowsOf(columns: number, nodes: number, layout: Layout): number {
  const bytes = Math.min(WINDOW_BYTES, WINDOWS_BYTES / nodes)
  return Math.ceil(layout.stripes / Math.floor(bytes / (columns * fragmentBytesOf(layout))))
}

describe.each([
  ['6/12', 6, 12],
  ['20/40', 20, 40],
])('a get of 8 MiB at %s', (_, k, n) => {
  const layout = layoutOf(BYTES.length, k, n)
  let objectId: ObjectId
  let whole: Cost<number>
  const readers = () => new Set(ofOp(whole.sent, 'GET').map(({ peer }) => peer)).size
  beforeAll(async () => {
    const put = await net.put(BYTES, profileFor(k, n))
    objectId = put.result.objectId
    whole = await net.get(objectId, BYTES)
  })

  test('one stream a node that keeps a data column, one for the manifest', async () => {
    const { holders } = await locateObject(net.net.chain, objectId)
    const keepers = new Set(holders.slice(0, k).map((holder) => holder!.nodeId))
    expect(whole.streams.length).toBe(keepers.size + 1)
    expect(new Set(ofOp(whole.sent, 'GET').map(({ peer }) => peer))).toEqual(keepers)
  })

  test('k data fragments a stripe, each once, and no parity: what more is read is read in vain', () => {
    const wanted = Array.from({ length: layout.stripes }, (_, stripe) =>
      Array.from({ length: k }, (_, column) => `${stripe} ${column}`),
    )
    expect(fragmentsOf(whole, layout).sort()).toEqual(wanted.flat().sort())
    expect(whole.result).toBe(BYTES.length)
  })

  test('a byte read for a byte of the user, but for heads, hashes and key shares', () => {
    const bodies = sum(ofOp(whole.received, 'FRAG').map(({ bodyBytes }) => bodyBytes))
    expect(bodies).toBe(k * layout.stripes * fragmentBytesOf(layout))
    expect(bytesOf(whole.received)).toBeLessThan(BYTES.length * 1.025)
    // The hashes of a column come once, however many requests its fragments take.
    expect(sum(ofOp(whole.received, 'HASHES').map(({ bodyBytes }) => bodyBytes))).toBe(
      k * layout.stripes * 32,
    )
  })

  test('requests of half a MiB and more, and neighbouring columns in one frame: else the node answers fragment by fragment', () => {
    for (const { peer, message } of ofOp(whole.sent, 'GET')) {
      const requests = ofOp(whole.sent, 'GET', peer).length
      expect(requests).toBeLessThanOrEqual(windowsOf(message.columns.length, readers(), layout))
      expect(ofOp(whole.sent, 'GET_HEADS', peer).length).toBe(1)
      expect(ofOp(whole.received, 'FRAG', peer).length).toBe(layout.stripes)
    }
    expect(ofOp(whole.sent, 'GET_MANIFEST').length).toBe(1)
  })

  test('five round trips before the first fragment, and two requests under way from then on', () => {
    const windows = Math.max(
      ...ofOp(whole.sent, 'GET').map(({ message }) => windowsOf(message.columns.length, readers(), layout)),
    )
    expect(whole.roundTrips).toBeLessThanOrEqual(BEFORE_FRAGMENTS + Math.max(1, windows - 1))
  })

  test('each fragment is hashed once by its node and once by the client', () => {
    const bodies = k * layout.stripes * fragmentBytesOf(layout)
    expect(whole.client.blake3Bytes).toBe(bodies)
    expect(whole.node.blake3Bytes).toBe(0)
    const hashed = sum([...whole.disks.values()].map(({ blake3Bytes }) => blake3Bytes))
    expect(hashed - bodies).toBeLessThan(4096)
  })

  test('each byte is opened once, and one signature is checked: the owner on the manifest', () => {
    expect(whole.client.openedBytes).toBe(layout.bodyLength)
    expect(whole.client.verifications).toBe(1)
    expect(whole.client.signatures + whole.node.signatures).toBe(0)
  })

  test('JavaScript copies the plaintext to where it is handed out, and the quarter that lies across shards once more', () => {
    expect(whole.client.copiedBytes / BYTES.length).toBeLessThan(1.4)
  })

  test('nothing is written or synced, and neighbouring fragments are read in one go', () => {
    for (const [nodeId, { syncs, writes, transactions, reads, verifications }] of whole.disks) {
      expect([syncs, writes, transactions, verifications]).toEqual([0, 0, 0, 0])
      const gets = ofOp(whole.sent, 'GET', nodeId)
      const manifests = ofOp(whole.sent, 'GET_MANIFEST', nodeId).length
      // A node with one column has its fragments side by side; with more, those that nobody asked for lie between.
      const runs = n === NODES ? gets.length : ofOp(whole.received, 'FRAG', nodeId).length
      expect(reads).toBeLessThanOrEqual(runs + manifests)
    }
    const read = sum([...whole.disks.values()].map(({ readBytes }) => readBytes))
    expect(read).toBeLessThan(bytesOf(whole.received) * 1.01)
  })

  test('six questions to the ledger, none to a guardian while the owner reads, no transaction', () => {
    expect(whole.ledger.filter((name) => name === 'read').length).toBeLessThanOrEqual(3)
    expect(whole.ledger.filter((name) => name === 'blob').length).toBeLessThanOrEqual(3)
    expect(whole.ledger.length).toBeLessThanOrEqual(6)
    expect(whole.sent.filter(({ op }) => op === 'custody')).toEqual([])
  })

  test('with as many columns lost as may be, as little is read, still nothing twice', async () => {
    const { holders } = await locateObject(net.net.chain, objectId)
    let lost = 0
    for (const node of net.net.nodes) {
      const columns = holders.filter((holder) => holder!.nodeId === node.nodeId).length
      if (lost + columns > n - k) continue
      node.isDown = true
      lost += columns
    }
    expect(lost).toBeGreaterThan((n - k) / 2)
    const partly = await net.get(objectId, BYTES)
    const fragments = fragmentsOf(partly, layout)
    expect(fragments.length).toBe(k * layout.stripes)
    expect(new Set(fragments).size).toBe(fragments.length)
    expect(partly.client.blake3Bytes).toBe(whole.client.blake3Bytes)
    expect(bytesOf(partly.received)).toBeLessThan(BYTES.length * 1.025)
    expect(partly.roundTrips).toBeLessThanOrEqual(whole.roundTrips + 1)
  })

  test('a node that hangs up in the middle costs what it had under way, and nobody else a byte', async () => {
    const { holders } = await locateObject(net.net.chain, objectId)
    const lost = net.net.nodes.find(({ nodeId }) => nodeId === holders[0]!.nodeId)!
    let frames = 0
    lost.lie = (message) => (message.op === 'FRAG' && ++frames > layout.stripes / 2 ? 'hang up' : message)
    const broken = await net.get(objectId, BYTES)
    expect(broken.result).toBe(BYTES.length)
    const more = bytesOf(broken.received) - bytesOf(whole.received)
    expect(more).toBeGreaterThan(0)
    expect(more).toBeLessThan(2 * WINDOW_BYTES)
    const columns = holders.slice(0, k).filter((holder) => holder!.nodeId === lost.nodeId).length
    expect(broken.streams.length).toBeLessThanOrEqual(whole.streams.length + columns)
  })
})
