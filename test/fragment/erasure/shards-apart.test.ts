import { describe, expect, it } from 'vitest'
import {
  decodeShards,
  decodeStripe,
  encodeShards,
  encodeStripe,
} from '../../../src/fragment/erasure/erasure.ts'
import { seeded } from '../sample-object.ts'

/** A stripe whose shards lie in one buffer with gaps between them, as fragments do. */
function apart(
  k: number,
  n: number,
  shardBytes: number,
): { data: Uint8Array; shards: Uint8Array[]; all: Uint8Array } {
  const data = seeded(k * n).bytes(k * shardBytes)
  const all = new Uint8Array(n * (shardBytes + 1024)).fill(0xee)
  const shards = Array.from({ length: n }, (_, at) =>
    all.subarray(at * (shardBytes + 1024) + 1024, (at + 1) * (shardBytes + 1024)),
  )
  for (let at = 0; at < k; at++) shards[at]!.set(data.subarray(at * shardBytes, (at + 1) * shardBytes))
  return { data, shards, all }
}

describe.each([
  [2, 3, 64],
  [6, 12, 704],
  [20, 40, 4096],
  [10, 90, 640],
  [60, 300, 128],
])('shards apart, %i of %i, %i bytes', (k, n, shardBytes) => {
  it('are coded in place as the whole stripe is, and nothing between them changes', () => {
    const { data, shards, all } = apart(k, n, shardBytes)
    encodeShards(shards.slice(0, k), shards.slice(k))
    const parity = encodeStripe(data, k, n, shardBytes)
    shards.slice(k).forEach((shard, at) => {
      expect(shard).toEqual(parity.subarray(at * shardBytes, (at + 1) * shardBytes))
    })
    for (let at = 0; at < n; at++)
      expect(
        all
          .subarray(at * (shardBytes + 1024), at * (shardBytes + 1024) + 1024)
          .every((byte) => byte === 0xee),
      ).toBe(true)
  })

  it('are decoded without copying those that are there', () => {
    const { data, shards } = apart(k, n, shardBytes)
    encodeShards(shards.slice(0, k), shards.slice(k))
    const some = shards.map((shard, at) => (at === 0 || (at > 1 && at < k - 1) || at >= n - 2 ? shard : null))
    const room = new Uint8Array(k * shardBytes)
    const decoded = decodeShards(some, k, n, shardBytes, room)
    decoded.forEach((shard, at) => {
      expect(shard).toEqual(data.subarray(at * shardBytes, (at + 1) * shardBytes))
      expect(shard.buffer === room.buffer).toBe(some[at] === null)
    })
    expect(decodeStripe(some, k, n, shardBytes)).toEqual(data)
  })
})

describe('shards apart', () => {
  it('of different sizes are refused', () => {
    const malformed = expect.objectContaining({ code: 'MALFORMED' })
    const [short, long] = [new Uint8Array(64), new Uint8Array(128)]
    expect(() => encodeShards([short, long], [short])).toThrow(malformed)
    expect(() => encodeShards([short, short], [long])).toThrow(malformed)
    expect(() => encodeShards([new Uint8Array(65), new Uint8Array(65)], [new Uint8Array(65)])).toThrow(
      malformed,
    )
  })
})
