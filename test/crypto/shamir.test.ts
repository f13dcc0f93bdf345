import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../src/bytes.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { combineShares, shareAt, splitInOrder, splitSecret } from '../../src/crypto/shamir.ts'
import frozen from '../vectors/sealing.json' with { type: 'json' }

const always = () => true
const secret = systemRandom.bytes(32)
const sizes = fc
  .tuple(fc.integer({ min: 2, max: 30 }), fc.integer({ min: 2, max: 40 }))
  .map(([k, n]) => [Math.min(k, n), n] as const)

function shuffled<T>(items: readonly T[]): T[] {
  const out = [...items]
  for (let at = out.length - 1; at > 0; at--) {
    const other = systemRandom.bytes(1)[0]! % (at + 1)
    ;[out[at], out[other]] = [out[other]!, out[at]!]
  }
  return out
}

describe('frozen shares', () => {
  it('combine to the secret from any three of five', async () => {
    const shares = frozen.shamir.shares.map(fromHex)
    for (let a = 0; a < 5; a++)
      for (let b = a + 1; b < 5; b++)
        for (let c = b + 1; c < 5; c++)
          expect(toHex(await combineShares([shares[c]!, shares[a]!, shares[b]!], 3, always))).toBe(
            frozen.shamir.secret,
          )
  })
})

describe('splitSecret and combineShares', () => {
  it('give the secret back from any k of n shares', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.uint8Array({ minLength: 1, maxLength: 40 }), async ([k, n], value) => {
        const shares = await splitSecret(value, n, k)
        expect(shares.map((share) => share.length)).toEqual(new Array(n).fill(value.length + 1))
        expect(toHex(await combineShares(shuffled(shares).slice(0, k), k, always))).toBe(toHex(value))
      }),
      { numRuns: 60 },
    )
  })

  it('give nothing back from k - 1 shares', async () => {
    const shares = await splitSecret(secret, 7, 4)
    await expect(combineShares(shares.slice(0, 3), 4, always)).rejects.toThrow(
      expect.objectContaining({ code: 'INTEGRITY', message: '3 sound key shares, 4 needed' }),
    )
    await expect(combineShares([], 4, always)).rejects.toThrow(expect.objectContaining({ code: 'INTEGRITY' }))
  })

  it('take Buffers, which the library refuses', async () => {
    const shares = await splitSecret(Buffer.from(secret), 3, 2)
    expect(
      await combineShares(
        shares.map((share) => Buffer.from(share)),
        2,
        always,
      ),
    ).toEqual(secret)
  })

  it('leave out a share with x = 0, which would otherwise dictate the secret', async () => {
    const shares = await splitSecret(secret, 4, 3)
    const evil = new Uint8Array(33).fill(0x66)
    evil[32] = 0
    expect(await combineShares([evil, ...shares], 3, always)).toEqual(secret)
    await expect(combineShares([evil, shares[0]!, shares[1]!], 3, always)).rejects.toThrow('positions 0')
  })

  it('leave out repeated, odd-sized and refused shares and name their positions', async () => {
    const shares = await splitSecret(secret, 5, 3)
    const forged = shares[3]!.slice()
    forged[0]! ^= 1
    const given = [shares[0]!, shares[0]!, shares[1]!.subarray(1), forged, shares[4]!, new Uint8Array(0)]
    const isDealt = (share: Uint8Array) => shares.some((dealt) => toHex(dealt) === toHex(share))
    await expect(combineShares(given, 3, isDealt)).rejects.toThrow(
      '2 sound key shares, 3 needed; left out as wrong: positions 1, 2, 3, 5',
    )
    expect(await combineShares([...given, shares[2]!], 3, isDealt)).toEqual(secret)
  })

  it('ask the check about the position a share came from', async () => {
    const shares = await splitSecret(secret, 3, 2)
    expect(await combineShares(shares, 2, (share, at) => share === shares[at] && at > 0)).toEqual(secret)
  })

  it('refuse thresholds and counts outside 2 to 255', async () => {
    for (const [n, k] of [
      [1, 1],
      [3, 1],
      [2, 3],
      [256, 3],
      [3.5, 2],
    ] as const)
      await expect(splitSecret(secret, n, k)).rejects.toThrow('share counts')
    await expect(splitSecret(new Uint8Array(0), 3, 2)).rejects.toThrow('a secret has bytes')
  })
})

describe('splitInOrder', () => {
  it('deals shares at x = 1 to n that combine like any others', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.uint8Array({ minLength: 1, maxLength: 40 }), async ([k, n], value) => {
        const shares = splitInOrder(value, n, k, systemRandom)
        expect(shares.map((share) => share[value.length])).toEqual(shares.map((_, at) => at + 1))
        expect(toHex(await combineShares(shuffled(shares).slice(0, k), k, always))).toBe(toHex(value))
        const [first, ...rest] = shares
        if (rest.length >= k) expect(toHex(shareAt(rest.slice(-k), 1))).toBe(toHex(first!))
      }),
      { numRuns: 60 },
    )
  })

  it('says nothing about the secret in k - 1 shares: every value of a byte stays possible', () => {
    // With k = 2, one share of a fixed secret must take all 256 values as the one coefficient does.
    for (const byte of [0, 1, 255]) {
      for (const at of [0, 1, 254]) {
        const seen = new Set<number>()
        for (let coefficient = 0; coefficient < 256; coefficient++) {
          const random = { bytes: (length: number) => new Uint8Array(length).fill(coefficient) }
          seen.add(splitInOrder(Uint8Array.of(byte), 255, 2, random)[at]![0]!)
        }
        expect(seen.size).toBe(256)
      }
    }
  })

  it('draws every coefficient from the given randomness and uses each once', () => {
    let asked = 0
    const random = {
      bytes(length: number) {
        asked += length
        return new Uint8Array(length)
      },
    }
    expect(splitInOrder(secret, 4, 3, random)[2]!.subarray(0, 32)).toEqual(secret)
    expect(asked).toBe(2 * 32)
  })

  it('refuses thresholds and counts outside 2 to 255', () => {
    expect(() => splitInOrder(secret, 256, 3, systemRandom)).toThrow('share counts')
    expect(() => splitInOrder(secret, 3, 1, systemRandom)).toThrow('share counts')
    expect(() => splitInOrder(new Uint8Array(0), 3, 2, systemRandom)).toThrow('a secret has bytes')
  })
})

describe('shareAt', () => {
  it('recreates any dealt share from any k others', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, async ([k, n]) => {
        const [lost, ...rest] = shuffled(await splitSecret(secret, n, k))
        if (rest.length < k) return
        expect(toHex(shareAt(rest.slice(0, k), lost![32]!))).toBe(toHex(lost!))
      }),
      { numRuns: 40 },
    )
  })

  it('refuses coordinates that would form the secret or divide by zero', async () => {
    const shares = await splitSecret(secret, 3, 2)
    expect(() => shareAt(shares.slice(0, 2), 0)).toThrow('share coordinate')
    expect(() => shareAt([shares[0]!, shares[0]!], 9)).toThrow('distinct')
  })
})
