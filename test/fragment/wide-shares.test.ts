import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { encodeStripe, rebuildShards } from '../../src/fragment/erasure/erasure.ts'
import {
  combineWideShares,
  dealWideShares,
  placeShare,
  wideSharesAt,
} from '../../src/fragment/wide-shares.ts'
import { referenceShard } from './erasure/reference.ts'
import { seeded } from './sample-object.ts'

const always = () => true
const integrity = expect.objectContaining({ code: 'INTEGRITY' })

function dealt(k: number, n: number, seed: number) {
  const { secret, shares } = dealWideShares(k, n, seeded(seed))
  const inFragments = Array.from({ length: n }, (_, at) => shares.slice(at * 33, at * 33 + 33))
  return { secret, inFragments, placed: inFragments.map((share, at) => placeShare(share, at, n)!) }
}

/** A share's 32 bytes as a shard of 32 symbols, of which 16 are zero. */
function shard(share: Uint8Array): Uint8Array {
  const out = new Uint8Array(64)
  out.set(share.subarray(0, 16), 0)
  out.set(share.subarray(16, 32), 32)
  return out
}

const pick = (count: number, k: number, seed: number) =>
  Array.from({ length: count }, (_, at) => at)
    .sort((a, b) => ((a * 7919 + seed) % 10007) - ((b * 7919 + seed) % 10007))
    .slice(0, k)

describe('shares for more than 255 columns', () => {
  it('are a codeword of the definition, the secret its last symbols', () => {
    const [k, n] = [5, 300]
    const { secret, inFragments } = dealt(k, n, 1)
    for (const columns of [pick(n, k, 3), [0, 1, 2, 3, 4], [295, 296, 297, 298, 299]]) {
      const known = new Map(columns.map((column) => [column, shard(inFragments[column]!)]))
      expect(toHex(referenceShard(known, n, k, n + 1))).toBe(toHex(shard(secret)))
      expect(toHex(referenceShard(known, 77, k, n + 1))).toBe(toHex(shard(inFragments[77]!)))
    }
    expect(inFragments.every((share) => share[32] === 0)).toBe(true)
  })

  it('give the secret back from any k, in any order', () => {
    const shape = fc
      .integer({ min: 2, max: 400 })
      .chain((k) => fc.tuple(fc.constant(k), fc.integer({ min: Math.max(256, k + 1), max: 900 })))
    fc.assert(
      fc.property(shape, fc.nat(1e6), ([k, n], seed) => {
        const { secret, placed } = dealt(k, n, seed)
        const some = pick(n, k, seed).map((column) => placed[column]!)
        return toHex(combineWideShares(some, { k, n }, always)) === toHex(secret)
      }),
      { numRuns: 25 },
    )
  })

  it('say nothing below the threshold: any other secret fits the same k - 1 of them', () => {
    const [k, n] = [40, 256]
    const { secret, inFragments } = dealt(k, n, 5)
    for (const seed of [1, 2, 3]) {
      const held = pick(n, k - 1, seed)
      const other = seeded(seed + 90).bytes(32)
      const shards: (Uint8Array | null)[] = Array(n + 1).fill(null)
      for (const column of held) shards[column] = shard(inFragments[column]!)
      shards[n] = shard(other)
      const rest = Array.from({ length: n }, (_, at) => at).filter((at) => !held.includes(at))
      rebuildShards(shards, rest, k, n + 1, 64).forEach((made, at) => {
        shards[rest[at]!] = made
      })
      // what was made is a codeword: coding its data gives all of it, the held shares and the other secret with it
      const data = shards.slice(0, k) as Uint8Array[]
      const parity = encodeStripe(Uint8Array.from(data.flatMap((row) => [...row])), k, n + 1, 64)
      const whole = [
        ...data,
        ...Array.from({ length: n + 1 - k }, (_, at) => parity.subarray(at * 64, at * 64 + 64)),
      ]
      for (const column of held) expect(toHex(whole[column]!)).toBe(toHex(shard(inFragments[column]!)))
      expect(toHex(whole[n]!)).toBe(toHex(shard(other)))
      expect(toHex(other)).not.toBe(toHex(secret))
    }
  })

  it('leave out what is doubled, misplaced, odd or refused', () => {
    const [k, n] = [3, 300]
    const { secret, placed } = dealt(k, n, 6)
    const [a, b, c] = [placed[7]!, placed[299]!, placed[0]!]
    const at = (share: Uint8Array, position: number) => {
      const moved = share.slice()
      new DataView(moved.buffer).setUint32(32, position)
      return moved
    }
    const forged = a.map((byte, index) => (index === 0 ? byte ^ 1 : byte))
    const odd = [a.subarray(1), new Uint8Array(0), at(a, 0), at(a, n + 1), at(a, 2 ** 32 - 1), a]
    expect(toHex(combineWideShares([a, ...odd, b, c], { k, n }, always))).toBe(toHex(secret))
    expect(() => combineWideShares([a, ...odd, b], { k, n }, always)).toThrow(integrity)
    const isDealt = (share: Uint8Array) => share !== forged
    expect(toHex(combineWideShares([forged, a, b, c], { k, n }, isDealt))).toBe(toHex(secret))
    expect(toHex(combineWideShares([forged, b, c], { k, n }, always))).not.toBe(toHex(secret))
  })

  it('stand where the fragment says', () => {
    const share = Uint8Array.of(...Array(32).fill(5), 0)
    expect(placeShare(share, 299, 300)).toEqual(Uint8Array.of(...Array(32).fill(5), 0, 0, 1, 44))
    expect(placeShare(share, 11, 12)).toBe(null)
    const narrow = share.map((byte, index) => (index === 32 ? 12 : byte))
    expect(placeShare(narrow, 11, 12)).toBe(narrow)
    expect(placeShare(narrow, 11, 300)).toBe(null)
    expect(placeShare(share.subarray(1), 11, 300)).toBe(null)
  })

  it('are made again one by one and many at once, without the secret', () => {
    const [k, n] = [20, 256]
    const { inFragments } = dealt(k, n, 8)
    for (const lost of [[0], [255], [3, 200, 255], Array.from({ length: n - k }, (_, at) => at)]) {
      const made = wideSharesAt(inFragments, lost, { k, n })
      expect(made.map(toHex)).toEqual(lost.map((column) => toHex(inFragments[column]!)))
    }
    const few = inFragments.map((share, at) => (at < k ? share : null))
    expect(() => wideSharesAt(few, [0], { k, n })).toThrow(
      expect.objectContaining({ code: 'TOO_FEW_FRAGMENTS' }),
    )
  })
})
