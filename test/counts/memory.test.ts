import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Layout, layoutOf } from '../../src/fragment/layout.ts'
import { profileFor } from '../../src/fragment/profile.ts'
import type { ObjectId } from '../../src/ids.ts'
import { seededBytes } from '../storage-node/made-object.ts'
import { type Cost, CountedNetwork } from './counted-network.ts'

const MIB = 1024 * 1024

/** Few columns on few nodes: bursts are over soon, so that an object of some MiB has many of them. */
const [K, N] = [2, 3]
/** Stripes of three bursts: one being filled, two under way. */
const THREE_BURSTS = 3 * 17

interface Both {
  layout: Layout
  user: number
  put: Cost<{ objectId: ObjectId }>
  get: Cost<number>
}

async function putAndGet(net: CountedNetwork, mib: number, k: number, n: number): Promise<Both> {
  const bytes = seededBytes(mib, mib * MIB - 8)
  const put = await net.put(bytes, profileFor(k, n))
  const get = await net.get(put.result.objectId, bytes)
  return { layout: layoutOf(bytes.length, k, n), user: bytes.length, put, get }
}

describe('an object four times as large', () => {
  let net: CountedNetwork
  let small: Both
  let large: Both
  beforeAll(async () => {
    net = await CountedNetwork.start(N)
    small = await putAndGet(net, 12, K, N)
    large = await putAndGet(net, 48, K, N)
    expect(large.layout.stripes).toBeGreaterThan(THREE_BURSTS * 7)
  })
  afterAll(() => net.stop())

  test('is put from as few stripe buffers: a new one a stripe is fresh memory for all that is stored, and work for the collector', () => {
    for (const { put } of [small, large]) expect(put.client.largeBuffers).toBeLessThan(THREE_BURSTS + 9)
    const { allocatedBytes } = large.put.client
    expect(allocatedBytes).toBeLessThan(((THREE_BURSTS + 9) / large.layout.stripes) * 1.5 * large.user + MIB)
  })

  test('is read into as few buffers, whatever its length', () => {
    for (const { get } of [small, large]) expect(get.client.largeBuffers).toBeLessThan(8)
    expect(large.get.client.allocatedBytes).toBeLessThan(2 * MIB)
  })

  test('asks the chain and the guardians as little, and signs as little', () => {
    for (const how of ['put', 'get'] as const) {
      expect(large[how].ledger).toEqual(small[how].ledger)
      expect(large[how].streams.length).toBe(small[how].streams.length)
      expect(large[how].client.signatures).toBe(small[how].client.signatures)
      expect(large[how].client.verifications).toBe(small[how].client.verifications)
    }
    expect(large.put.roundTrips).toBe(small.put.roundTrips)
  })
})

describe.each([
  ['6/12', 6, 12],
  ['20/40', 20, 40],
])('of every byte of the user, at %s', (_, k, n) => {
  let net: CountedNetwork
  let both: Both
  beforeAll(async () => {
    net = await CountedNetwork.start(12)
    both = await putAndGet(net, 8, k, n)
  })
  afterAll(() => net.stop())

  test('a put copies the data into the coder, the parity out of it, and little more: each further copy is a pass through memory', () => {
    // Sealing copies each byte to its place, and the quarter that lies across two shards once more.
    const { client } = both.put
    expect(client.copiedBytes / both.user).toBeLessThan(n / k + 1.4)
  })

  test('a get copies the plaintext to where it is handed out, and a quarter across shards', () => {
    const { client } = both.get
    expect(client.copiedBytes / both.user).toBeLessThan(1.4)
  })
})
