import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, equalBytes, fromHex, toHex, u32be } from '../../../src/bytes.ts'
import { sha256, sha512 } from '../../../src/crypto/hash.ts'
import {
  decodeShards,
  decodeStripe,
  encodeStripe,
  rebuildShard,
  rebuildShards,
} from '../../../src/fragment/erasure/erasure.ts'
import { plainKernel } from '../../../src/fragment/erasure/plain-kernel.ts'
import { simdKernelOf } from '../../../src/fragment/erasure/simd-kernel.ts'
import vectors from '../../vectors/erasure-code.json' with { type: 'json' }
import { referenceParity, referenceShard } from './reference.ts'

/** Data that looks random and is the same in every run: SHA-512 of counters. */
function sample(length: number, seed = 0): Uint8Array {
  const out = new Uint8Array(length)
  for (let at = 0; at < length; at += 64) out.set(sha512(u32be(seed), u32be(at)).subarray(0, length - at), at)
  return out
}

function shardsOf(data: Uint8Array, parity: Uint8Array, size: number): Uint8Array[] {
  const all = new Uint8Array(data.length + parity.length)
  all.set(data)
  all.set(parity, data.length)
  return Array.from({ length: all.length / size }, (_, at) => all.subarray(at * size, (at + 1) * size))
}

const keep = (shards: Uint8Array[], wanted: Iterable<number>): (Uint8Array | null)[] => {
  const kept: (Uint8Array | null)[] = shards.map(() => null)
  for (const at of wanted) kept[at] = shards[at]
  return kept
}

/** Every subset of `count` of `total` numbers. */
function* subsets(total: number, count: number, from = 0): Generator<number[]> {
  if (count === 0) yield []
  else
    for (let first = from; first <= total - count; first++)
      for (const rest of subsets(total, count - 1, first + 1)) yield [first, ...rest]
}

/** A repeatable shuffle of 0 to count - 1. */
function shuffled(count: number, seed: number): number[] {
  const order = Array.from({ length: count }, (_, at) => at)
  let state = seed + 1
  for (let at = count - 1; at > 0; at--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const other = state % (at + 1)
    ;[order[at], order[other]] = [order[other], order[at]]
  }
  return order
}

/** Losses that have broken codes before: none of the data left, every other shard, ends only, both borders. */
function losses(k: number, n: number): number[][] {
  const all = Array.from({ length: n }, (_, at) => at)
  return [
    all.slice(n - k),
    all
      .filter((at) => at % 2 === 1)
      .concat(all.filter((at) => at % 2 === 0))
      .slice(0, k),
    [...all.slice(0, Math.ceil(k / 2)), ...all.slice(n - Math.floor(k / 2))],
    [...all.slice(1, k), n - 1],
    shuffled(n, 1).slice(0, k),
    shuffled(n, 2).slice(0, k),
  ]
}

describe('every small shape', () => {
  it('has the parity of the definition and survives every loss that leaves k', () => {
    for (let n = 1; n <= 9; n++)
      for (let k = 1; k <= n; k++) {
        const data = sample(k * 64, n * 16 + k)
        const parity = encodeStripe(data, k, n, 64)
        expect(equalBytes(parity, referenceParity(data, k, n)), `${k}/${n}`).toBe(true)
        const shards = shardsOf(data, parity, 64)
        for (const kept of subsets(n, k)) {
          expect(equalBytes(decodeStripe(keep(shards, kept), k, n, 64), data), `${k}/${n} ${kept}`).toBe(true)
        }
      }
  })

  it('6 of 12: all 924 subsets give the data, and each of the lost shards', () => {
    const data = sample(6 * 192)
    const shards = shardsOf(data, encodeStripe(data, 6, 12, 192), 192)
    let count = 0
    for (const kept of subsets(12, 6)) {
      const left = keep(shards, kept)
      expect(equalBytes(decodeStripe(left, 6, 12, 192), data)).toBe(true)
      for (let at = 0; at < 12; at++)
        if (!left[at]) expect(equalBytes(rebuildShard(left, at, 6, 12, 192), shards[at])).toBe(true)
      count++
    }
    expect(count).toBe(924)
  })
})

describe('larger shapes', () => {
  // both sides of every switch: matrix and transform, bytes and 16-bit symbols, K above and equal to k
  const shapes = [
    [16, 40],
    [20, 40],
    [29, 80],
    [20, 60],
    [1, 256],
    [32, 256],
    [33, 225],
    [65, 193],
    [127, 255],
    [128, 256],
    [1, 257],
    [2, 300],
    [65, 194],
    [100, 300],
    [129, 200],
    [200, 400],
  ]
  it.each(shapes)('%i/%i matches the definition and restores after hard losses', (k, n) => {
    const size = 128
    const data = sample(k * size, k)
    const shards = shardsOf(data, encodeStripe(data, k, n, size), size)
    const known = new Map(Array.from({ length: k }, (_, at) => [at, shards[at]]))
    for (const at of new Set([k, k + ((n - k) >> 1), n - 1]))
      if (at < n) expect(equalBytes(referenceShard(known, at, k, n), shards[at]), `parity ${at}`).toBe(true)
    for (const kept of losses(k, n)) {
      const left = keep(shards, kept)
      expect(equalBytes(decodeStripe(left, k, n, size), data), `kept ${kept}`).toBe(true)
      const lost = left.indexOf(null)
      expect(equalBytes(rebuildShard(left, lost, k, n, size), shards[lost])).toBe(true)
    }
  })

  it('1000/2000 matches the definition at its borders and restores after hard losses', () => {
    const [k, n, size] = [1000, 2000, 64]
    const data = sample(k * size)
    const shards = shardsOf(data, encodeStripe(data, k, n, size), size)
    const known = new Map(Array.from({ length: k }, (_, at) => [at, shards[at]]))
    expect(equalBytes(referenceShard(known, 1999, k, n), shards[1999])).toBe(true)
    for (const kept of losses(k, n)) {
      const left = keep(shards, kept)
      expect(equalBytes(decodeStripe(left, k, n, size), data)).toBe(true)
      const lost = left.lastIndexOf(null)
      expect(equalBytes(rebuildShard(left, lost, k, n, size), shards[lost])).toBe(true)
    }
  })

  it('uses every one of the 65,536 positions', () => {
    for (const [k, n] of [
      [32768, 65536],
      [3, 65535],
    ]) {
      const data = sample(k * 64, k)
      const shards = shardsOf(data, encodeStripe(data, k, n, 64), 64)
      const known = new Map(Array.from({ length: 3 }, (_, at) => [at, shards[at]]))
      if (k === 3) expect(equalBytes(referenceShard(known, n - 1, k, n), shards[n - 1])).toBe(true)
      const left = keep(
        shards,
        Array.from({ length: k }, (_, at) => n - 1 - at),
      )
      expect(equalBytes(decodeStripe(left, k, n, 64), data)).toBe(true)
      expect(equalBytes(rebuildShard(left, 1, k, n, 64), shards[1])).toBe(true)
    }
  }, 20_000)

  it('restores any shape, shard size and loss', () => {
    const shape = fc
      .integer({ min: 1, max: 90 })
      .chain((k) => fc.tuple(fc.constant(k), fc.integer({ min: k, max: 330 })))
    fc.assert(
      fc.property(shape, fc.integer({ min: 1, max: 20 }), fc.nat(1e6), ([k, n], blocks, seed) => {
        const size = blocks * 64
        const data = sample(k * size, seed)
        const shards = shardsOf(data, encodeStripe(data, k, n, size), size)
        const order = shuffled(n, seed)
        const left = keep(shards, order.slice(0, Math.min(n, k + (seed % 3))))
        const whole = decodeStripe(left, k, n, size)
        if (!equalBytes(whole, data)) return false
        if (n === k) return true
        const again = rebuildShard(keep(shards, order.slice(n - k)), order[0], k, n, size)
        return equalBytes(again, shards[order[0]])
      }),
      { numRuns: 40 },
    )
  })

  it('restores any shape that has a code, by every kernel, after hard losses', () => {
    const kernels = [simdKernelOf('relaxed')!, simdKernelOf('strict')!, plainKernel()]
    // sizes by their logarithm, so that small and large are met equally often
    const shape = fc.tuple(
      fc.double({ min: 0, max: 15, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
    )
    const sizes = ([bits, share]: [number, number]) => {
      const k = Math.floor(2 ** bits)
      const most = 65536 - 2 ** Math.ceil(Math.log2(k))
      return [k, k + Math.max(1, Math.floor(most ** share))] as const
    }
    fc.assert(
      fc.property(shape, fc.constantFrom(64, 192), fc.nat(1e6), (drawn, size, seed) => {
        const [k, n] = sizes(drawn)
        const fast = kernels[seed % (n > 5000 ? 2 : 3)]
        const data = sample(k * size, seed)
        const shards = shardsOf(data, encodeStripe(data, k, n, size, fast), size)
        for (const kept of n > 5000 ? losses(k, n).slice(seed % 6, (seed % 6) + 1) : losses(k, n)) {
          const left = keep(shards, kept)
          if (!equalBytes(decodeStripe(left, k, n, size, fast), data)) return false
          const gaps = shuffled(n, seed).filter((at) => !left[at])
          for (const wanted of [gaps.slice(0, 1), gaps.slice(0, 3), gaps]) {
            const made = rebuildShards(left, wanted, k, n, size, fast)
            if (!made.every((shard, at) => equalBytes(shard, shards[wanted[at]]))) return false
          }
        }
        return true
      }),
      { numRuns: 16 },
    )
  }, 120_000)

  it('has the parity of the definition, whatever the shape', () => {
    const shape = fc.tuple(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 3000 }))
    fc.assert(
      fc.property(shape, fc.nat(1e6), ([k, parity], seed) => {
        const n = k + parity
        const data = sample(k * 64, seed)
        const shards = shardsOf(data, encodeStripe(data, k, n, 64), 64)
        const known = new Map(Array.from({ length: k }, (_, at) => [at, shards[at]]))
        const at = k + (seed % parity)
        return equalBytes(referenceShard(known, at, k, n), shards[at])
      }),
      { numRuns: 40 },
    )
  })

  it('refuses to rebuild what is no shard, or from too few others', () => {
    const shards = [new Uint8Array(64), new Uint8Array(64), new Uint8Array(64), null]
    expect(() => rebuildShards(shards, [3, 4], 2, 4, 64)).toThrow(
      expect.objectContaining({ code: 'MALFORMED' }),
    )
    expect(() => rebuildShards(shards, [0, 1], 2, 4, 64)).toThrow(
      expect.objectContaining({ code: 'TOO_FEW_FRAGMENTS' }),
    )
  })

  it('works strip by strip on long shards just as on single blocks', () => {
    for (const [k, n, size] of [
      [6, 12, 65536],
      [20, 40, 65536],
      [29, 120, 16384],
      [150, 300, 4096],
    ]) {
      const data = sample(k * size, n)
      const parity = encodeStripe(data, k, n, size)
      const shards = shardsOf(data, parity, size)
      const left = keep(shards, shuffled(n, n).slice(0, k))
      expect(equalBytes(decodeStripe(left, k, n, size), data)).toBe(true)
      for (const block of [0, 2048, size - 64]) {
        const cut = (rows: Uint8Array[]) => concat(...rows.map((row) => row.subarray(block, block + 64)))
        const alone = encodeStripe(cut(shards.slice(0, k)), k, n, 64)
        expect(equalBytes(alone, cut(shards.slice(k)))).toBe(true)
      }
    }
  })

  it('leaves its inputs alone and does not mind where they lie in memory', () => {
    const backing = new Uint8Array(6 * 64 + 3)
    const data = backing.subarray(3)
    data.set(sample(6 * 64))
    const before = data.slice()
    const parity = encodeStripe(data, 6, 12, 64)
    expect(data).toEqual(before)
    expect(parity).toEqual(encodeStripe(before, 6, 12, 64))
    const odd = Array.from({ length: 6 }, (_, at) => {
      const memory = new Uint8Array(67)
      memory.set(parity.subarray(at * 64, (at + 1) * 64), 3)
      return memory.subarray(3)
    })
    expect(decodeStripe([...Array(6).fill(null), ...odd], 6, 12, 64)).toEqual(before)
  })
})

describe('numbers of a stranger', () => {
  it('get no memory before the shards are there', () => {
    const none = Array(65536).fill(null)
    expect(() => decodeStripe(none, 32768, 65536, 65536)).toThrow(
      expect.objectContaining({ code: 'TOO_FEW_FRAGMENTS' }),
    )
  })

  it('must fit the room for the answer', () => {
    const shards = [new Uint8Array(64), new Uint8Array(64), null]
    for (const room of [127, 192])
      expect(() => decodeShards(shards, 2, 3, 64, new Uint8Array(room))).toThrow(
        expect.objectContaining({ code: 'MALFORMED' }),
      )
  })
})

describe('frozen vectors', () => {
  it.each(vectors.parity)(
    '$k/$n of $shardBytes bytes',
    ({ k, n, shardBytes, data, dataSeed, parity, paritySha256 }) => {
      const bytes = data === null ? sample(k * shardBytes, dataSeed!) : fromHex(data)
      const made = encodeStripe(bytes, k, n, shardBytes)
      if (parity !== null) expect(toHex(made)).toBe(parity)
      expect(toHex(sha256(made))).toBe(paritySha256)
    },
  )

  it.each(vectors.mustReject)(
    'refuses: $name',
    ({ code, call, k, n, shardBytes, dataBytes, shards, wanted }) => {
      const given = (shards ?? []).map((length) => (length === null ? null : new Uint8Array(length)))
      const run = () => {
        if (call === 'encode') return encodeStripe(new Uint8Array(dataBytes ?? 0), k, n, shardBytes)
        if (call === 'decode') return decodeStripe(given, k, n, shardBytes)
        return rebuildShard(given, wanted ?? 0, k, n, shardBytes)
      }
      expect(run).toThrow(expect.objectContaining({ name: 'XcareError', code }))
    },
  )
})
