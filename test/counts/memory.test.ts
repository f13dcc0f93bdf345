import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bestKernel } from '../../src/fragment/erasure/pick-kernel.ts'
import { fragmentBytesOf, type Layout, layoutOf } from '../../src/fragment/layout.ts'
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
  /** Memory of the kernel afterwards. It never shrinks. */
  kernelBytes: number
}

function kernelBytes(): number {
  const held = bestKernel().hold(64)!
  bestKernel().release(held)
  return held.buffer.byteLength
}

async function putAndGet(net: CountedNetwork, mib: number, k: number, n: number): Promise<Both> {
  const bytes = seededBytes(mib, mib * MIB - 8)
  const put = await net.put(bytes, profileFor(k, n))
  const get = await net.get(put.result.objectId, bytes)
  return { layout: layoutOf(bytes.length, k, n), user: bytes.length, put, get, kernelBytes: kernelBytes() }
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

  test('is put from as few stripes of the kernel’s memory, and nothing beside it: a new one a stripe is fresh memory for all that is stored', () => {
    const stripeBytes = N * fragmentBytesOf(large.layout)
    expect(small.kernelBytes).toBeLessThan((THREE_BURSTS + 9) * stripeBytes + 4 * MIB)
    expect(large.kernelBytes - small.kernelBytes).toBeLessThan(9 * stripeBytes)
    for (const { put } of [small, large]) expect(put.client.largeBuffers).toBeLessThan(9)
    expect(large.put.client.allocatedBytes).toBeLessThan(0.2 * large.user + MIB)
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
