import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  checkLayout,
  fragmentBytesOf,
  type Layout,
  layoutFrom,
  layoutOf,
  padme,
} from '../../src/fragment/layout.ts'
import { OBJECT_BYTES_MAX, STRIPE_BYTES_MAX } from '../../src/limits.ts'

describe('padme', () => {
  it('adds at most 7 % from 4 KiB up, and is stable', () => {
    fc.assert(
      fc.property(fc.integer({ min: 4096, max: OBJECT_BYTES_MAX + 8 }), (length) => {
        const padded = padme(length)
        expect(padded).toBeGreaterThanOrEqual(length)
        expect(padded).toBeLessThanOrEqual(length * 1.07)
        expect(padme(padded)).toBe(padded)
      }),
    )
  })

  it('gives the values of the paper', () => {
    expect([2, 8, 9, 100, 4096, 4097, 1_000_000].map(padme)).toEqual([2, 8, 10, 104, 4096, 4352, 1_015_808])
  })
})

describe('layoutOf', () => {
  it('cuts a small object into one short stripe', () => {
    expect(layoutOf(0, 6, 12)).toEqual({
      k: 6,
      n: 12,
      shardBytes: 704,
      stripes: 1,
      paddedLength: 4096,
      bodyLength: 4112,
    })
    expect(layoutOf(4088, 6, 12)).toEqual(layoutOf(0, 6, 12))
    expect(layoutOf(4089, 6, 12).paddedLength).toBe(4352)
  })

  it('makes equal stripes that hold the body, waste less than a step in each shard, and follow from the manifest fields', () => {
    const shards = fc.constantFrom(16384, 32768, 65536)
    const code = fc.constantFrom([2, 3], [6, 12], [16, 40], [20, 60], [29, 80], [128, 255])
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: OBJECT_BYTES_MAX }),
        code,
        shards,
        (length, [k, n], shardBytesMax) => {
          const layout = layoutOf(length, k!, n!, shardBytesMax)
          const room = layout.stripes * layout.k * layout.shardBytes
          expect(layout.shardBytes).toBeLessThanOrEqual(shardBytesMax)
          expect(room).toBeGreaterThanOrEqual(layout.bodyLength)
          expect(room - layout.bodyLength).toBeLessThan(
            layout.stripes * layout.k * 64 + layout.k * layout.stripes,
          )
          expect(layoutFrom(layout)).toEqual(layout)
        },
      ),
    )
  })

  it.each([
    [20, 40, 65536],
    [1000, 1500, 65536],
    [1000, 2000, 49152],
    [16384, 32768, 2048],
  ])('cuts %i/%i into stripes that fit memory', (k, n, shardBytes) => {
    const layout = layoutOf(OBJECT_BYTES_MAX, k, n)
    expect(layout.shardBytes).toBeLessThanOrEqual(shardBytes)
    expect(layout.stripes).toBe(Math.ceil(layout.bodyLength / (k * shardBytes)))
    expect(n * fragmentBytesOf(layout)).toBeLessThanOrEqual(STRIPE_BYTES_MAX)
  })

  it.each([
    ['an object above 256 MiB', OBJECT_BYTES_MAX + 1, 6, 12, 65536],
    ['a threshold of one', 100, 1, 3, 65536],
    ['no redundancy', 100, 4, 4, 65536],
    ['more columns than an object may have', 100, 20, 32_769, 65536],
    ['a shard above 64 KiB', OBJECT_BYTES_MAX, 6, 12, 65600],
    ['more stripes than allowed', OBJECT_BYTES_MAX, 2, 3, 1024],
  ])('refuses %s', (_, length, k, n, shardBytesMax) => {
    expect(() => layoutOf(length, k, n, shardBytesMax)).toThrow(expect.objectContaining({ code: 'USAGE' }))
  })
})

describe('checkLayout', () => {
  const good = layoutOf(3_000_000, 6, 12)
  const bad: [string, Partial<Layout>][] = [
    ['a fraction', { stripes: 1.5 }],
    ['zero stripes', { stripes: 0 }],
    ['a shard that is no multiple of 64', { shardBytes: good.shardBytes + 1 }],
    ['a shard larger than needed', { shardBytes: good.shardBytes + 64 }],
    ['an empty last stripe', { stripes: good.stripes + 1 }],
    ['a body no object has', { bodyLength: good.bodyLength - 16 }],
    ['a padding no object has', { paddedLength: good.paddedLength - 1, bodyLength: good.bodyLength - 1 }],
    ['NaN', { k: Number.NaN }],
    ['k above n', { k: 13 }],
    ['a total too large to share out', { n: 32_769 }],
  ]
  it.each(bad)('refuses %s', (_, change) => {
    expect(() => checkLayout({ ...good, ...change })).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
  })
  it('accepts what layoutOf makes', () => checkLayout(good))
})
