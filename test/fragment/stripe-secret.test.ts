import { combine } from 'shamir-secret-sharing'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { splitInOrder } from '../../src/crypto/shamir.ts'
import { dealStripeSecrets } from '../../src/fragment/stripe-secret.ts'
import { seeded } from './sample-object.ts'

describe('shares in order', () => {
  it.each([
    [2, 2],
    [2, 3],
    [6, 12],
    [20, 40],
    [128, 255],
  ])('any %i of %i give the secret back by the audited package', async (k, n) => {
    const secret = seeded(k).bytes(32)
    const shares = splitInOrder(secret, n, k, seeded(n))
    expect(shares.map((share) => share[32])).toEqual(Array.from({ length: n }, (_, at) => at + 1))
    for (const first of [0, n - k])
      expect(toHex(await combine(shares.slice(first, first + k)))).toBe(toHex(secret))
    if (k > 2) expect(toHex(await combine(shares.slice(0, k - 1)))).not.toBe(toHex(secret))
  })

  it('say nothing below the threshold: any secret fits k - 1 of them', async () => {
    // With k = 2, the share at x is secret + c x: for each guess of the secret byte there is exactly one c that explains it.
    const seen = new Set<number>()
    for (let secret = 0; secret < 256; secret++) {
      const fixed = { bytes: () => Uint8Array.of(0x5a) }
      seen.add(splitInOrder(Uint8Array.of(secret), 3, 2, fixed)[1]![0]!)
    }
    expect(seen.size).toBe(256)
  })

  it('take no shape that cannot be shared', () => {
    for (const [n, k] of [
      [3, 1],
      [2, 3],
      [256, 2],
      [3, 2.5],
    ] as const)
      expect(() => splitInOrder(new Uint8Array(32), n, k, seeded(1))).toThrow('share counts')
  })
})

describe('stripe secrets', () => {
  it('differ by stripe, and their xor is the dispersal secret', async () => {
    const { secret, shares } = dealStripeSecrets({ stripes: 4, k: 3, n: 5 }, seeded(6))
    const each = await Promise.all(
      shares.map((dealt) => combine([1, 3, 4].map((column) => dealt.slice(column * 33, column * 33 + 33)))),
    )
    expect(new Set(each.map(toHex)).size).toBe(4)
    const xor = each.reduce((sum, one) => sum.map((byte, at) => byte ^ one[at]!))
    expect(toHex(xor)).toBe(toHex(secret))
  })
})
