import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, fromHex, toHex } from '../../src/bytes.ts'
import { blake3FromTree, leafProof, verifyLeaves } from '../../src/crypto/blake3-tree.ts'
import { blake3 } from '../../src/crypto/hash.ts'
import { native as browser } from '../../src/crypto/native.browser.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { FRAGMENT_BYTES_MAX, LEAF_BYTES } from '../../src/limits.ts'
import frozen from '../vectors/hash-tree.json' with { type: 'json' }

/** The input of the frozen vectors, as in BLAKE3's own test vectors: byte i is i mod 251. */
const pattern = (length: number) => Uint8Array.from({ length }, (_, at) => at % 251)

function leavesOf(data: Uint8Array, first: number, count: number): Uint8Array {
  return data.slice(first * LEAF_BYTES, (first + count) * LEAF_BYTES)
}

describe('frozen vectors of the fragment hash tree', () => {
  it.each(frozen.blake3)(
    '$totalBytes bytes, leaves $first and $count more',
    ({ totalBytes, hash, first, count, proof }) => {
      const data = pattern(totalBytes)
      expect(toHex(blake3(data))).toBe(hash)
      expect(toHex(leafProof(data, first, count))).toBe(proof)
      expect(
        verifyLeaves(fromHex(hash), totalBytes, first, leavesOf(data, first, count), fromHex(proof)),
      ).toBe(true)
    },
  )

  it.each(frozen.blake3Reject)('refuses $name', ({ hash, totalBytes, first, leaves, proof }) => {
    expect(verifyLeaves(fromHex(hash), totalBytes, first, fromHex(leaves), fromHex(proof))).toBe(false)
  })
})

describe('blake3FromTree', () => {
  it('is BLAKE3, native and noble, for every kind of size', () => {
    const data = systemRandom.bytes(70 * LEAF_BYTES)
    const sizes = [0, 1, 2, 63, 64, 65, 127, 128, 129, 960, 1000]
    for (let leaves = 1; leaves <= 70; leaves++)
      sizes.push(leaves * LEAF_BYTES - 1, leaves * LEAF_BYTES, leaves * LEAF_BYTES - 700)
    for (const size of sizes) {
      const input = data.subarray(0, size)
      expect(toHex(blake3FromTree(input)), `${size} bytes`).toBe(toHex(blake3(input)))
      if (size < 5000) expect(toHex(browser.blake3(input))).toBe(toHex(blake3(input)))
    }
  })
})

const run = fc.tuple(fc.integer({ min: 0, max: 12_000 }), fc.nat(), fc.nat()).map(([totalBytes, a, b]) => {
  const leaves = Math.max(1, Math.ceil(totalBytes / LEAF_BYTES))
  const first = a % leaves
  return { totalBytes, first, count: 1 + (b % (leaves - first)) }
})

describe('leaf proofs', () => {
  it('hold for every run of a fragment, and cost at most two values a level', () => {
    const data = systemRandom.bytes(FRAGMENT_BYTES_MAX)
    const hash = blake3(data)
    for (const [first, count] of [
      [0, 1],
      [64, 1],
      [0, 65],
      [1, 64],
      [1, 63],
      [31, 2],
      [32, 32],
      [63, 2],
      [17, 30],
    ] as const) {
      const proof = leafProof(data, first, count)
      expect(verifyLeaves(hash, data.length, first, leavesOf(data, first, count), proof)).toBe(true)
      expect(proof.length).toBeLessThanOrEqual(14 * 32)
    }
    expect(leafProof(data, 0, 65)).toHaveLength(0)
    expect(leafProof(data, 5, 1)).toHaveLength(7 * 32)
  })

  it('hold for any run of any input, and for nothing else at that place', () => {
    fc.assert(
      fc.property(
        run,
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        ({ totalBytes, first, count }, place, change) => {
          const data = pattern(totalBytes)
          const hash = blake3(data)
          const leaves = leavesOf(data, first, count)
          const proof = leafProof(data, first, count)
          const verify = (given: Uint8Array, at = first, path = proof, root = hash) =>
            verifyLeaves(root, totalBytes, at, given, path)
          expect(verify(leaves)).toBe(true)
          const flip = (bytes: Uint8Array) =>
            bytes.map((byte, at) => (at === place % bytes.length ? byte ^ change : byte))
          if (leaves.length > 0) expect(verify(flip(leaves))).toBe(false)
          if (proof.length > 0) expect(verify(leaves, first, flip(proof))).toBe(false)
          expect(verify(leaves, first, proof, flip(hash))).toBe(false)
          expect(verify(leaves, first + 1)).toBe(false)
          expect(verify(leaves, first - 1)).toBe(false)
          expect(verify(leaves, first, concat(proof, hash))).toBe(false)
          expect(verify(leaves, first, concat(proof, Uint8Array.of(0)))).toBe(false)
          if (proof.length > 0) expect(verify(leaves, first, proof.subarray(0, -32))).toBe(false)
          expect(verify(concat(leaves, Uint8Array.of(0)))).toBe(false)
          if (leaves.length > 0) expect(verify(leaves.subarray(0, -1))).toBe(false)
        },
      ),
      { numRuns: 150 },
    )
  })

  it('refuse every single changed byte of a leaf and its path', () => {
    const data = systemRandom.bytes(5 * LEAF_BYTES + 100)
    const hash = blake3(data)
    const [leaves, proof] = [leavesOf(data, 2, 1), leafProof(data, 2, 1)]
    for (const part of [leaves, proof]) {
      for (let at = 0; at < part.length; at++) {
        part[at]! ^= 0x10
        expect(verifyLeaves(hash, data.length, 2, leaves, proof)).toBe(false)
        part[at]! ^= 0x10
      }
    }
    expect(verifyLeaves(hash, data.length, 2, leaves, proof)).toBe(true)
  })

  it('refuse a wrong total whenever the run holds the last leaf or the number of leaves changes the way up', () => {
    const data = systemRandom.bytes(10 * LEAF_BYTES)
    const hash = blake3(data)
    const proof = leafProof(data, 8, 2)
    const leaves = leavesOf(data, 8, 2)
    for (const total of [
      data.length - 1,
      data.length + 1,
      11 * LEAF_BYTES,
      9 * LEAF_BYTES,
      20 * LEAF_BYTES,
      0,
      -1,
      1.5,
      Number.NaN,
    ])
      expect(verifyLeaves(hash, total, 8, leaves, proof)).toBe(false)
  })

  it('are refused for runs that are not there', () => {
    const data = new Uint8Array(3000)
    for (const [first, count] of [
      [3, 1],
      [0, 4],
      [-1, 1],
      [0, 0],
      [0.5, 1],
      [0, Number.NaN],
    ] as const) {
      expect(() => leafProof(data, first, count)).toThrow(RangeError)
      expect(verifyLeaves(blake3(data), 3000, first, leavesOf(data, first, count), new Uint8Array(64))).toBe(
        false,
      )
    }
  })
})
