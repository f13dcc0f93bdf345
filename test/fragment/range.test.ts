import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { equalBytes } from '../../src/bytes.ts'
import { decodeStripe } from '../../src/fragment/erasure/erasure.ts'
import {
  type BodyPart,
  bodyRange,
  joinParts,
  leafPart,
  rangeLeaves,
  stripePart,
} from '../../src/fragment/range.ts'
import { ObjectReader } from '../../src/fragment/reader.ts'
import { fragmentOf, type SampleObject, sampleObject, seeded, someFragments } from './sample-object.ts'

const code = (name: string) => expect.objectContaining({ code: name })

describe.each([
  [3, 6, 16384],
  [2, 3, 65536],
  [5, 9, 4096],
])('ranges at %i of %i, shards up to %i', (k, n, shardBytesMax) => {
  let object: SampleObject
  let reader: ObjectReader
  const length = 250_000
  beforeAll(async () => {
    object = await sampleObject(seeded(k).bytes(length), k, n, { shardBytesMax })
    reader = new ObjectReader({ ...object, secret: object.writer.secret32() })
  })

  function leaves(offset: number, count: number): BodyPart[] {
    return rangeLeaves(reader.layout, offset, count).map((run) => {
      const fragment = fragmentOf(object, run.stripe, run.column)
      expect(run.firstLeaf).toBeGreaterThan(0)
      expect((run.firstLeaf + run.leafCount - 1) * 1024).toBeLessThan(fragment.length)
      const bytes = fragment.subarray(run.firstLeaf * 1024, (run.firstLeaf + run.leafCount) * 1024)
      return leafPart(reader.layout, run, bytes)
    })
  }

  function rebuilt(offset: number, count: number): BodyPart[] {
    const stripes = new Set(rangeLeaves(reader.layout, offset, count).map(({ stripe }) => stripe))
    return [...stripes].map((stripe) => {
      const columns = Array.from({ length: k }, (_, at) => n - 1 - at)
      const shards = someFragments(object, stripe, columns).map(
        (fragment) => fragment?.subarray(1024) ?? null,
      )
      return stripePart(reader.layout, stripe, decodeStripe(shards, k, n, reader.layout.shardBytes))
    })
  }

  it('give exactly the bytes asked for, from leaves or from rebuilt stripes', () => {
    const range = fc
      .tuple(fc.nat(length - 1), fc.nat(40_000))
      .map(([at, count]) => [at, Math.min(count + 1, length - at)] as const)
    fc.assert(
      fc.property(range, ([offset, count]) => {
        const wanted = object.plain.subarray(offset, offset + count)
        expect(equalBytes(reader.openRange(offset, count, leaves(offset, count)), wanted)).toBe(true)
        expect(equalBytes(reader.openRange(offset, count, rebuilt(offset, count)), wanted)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  it('reach from the first byte to the last', () => {
    expect(equalBytes(reader.openRange(0, length, leaves(0, length)), object.plain)).toBe(true)
    expect(reader.openRange(length - 1, 1, leaves(length - 1, 1))).toEqual(object.plain.slice(-1))
    expect(reader.openRange(5, 0, [])).toEqual(new Uint8Array(0))
  })

  it('ask for little more than the chunks that hold them', () => {
    const bytes = rangeLeaves(reader.layout, 100_000, 10).reduce(
      (sum, { leafCount }) => sum + leafCount * 1024,
      0,
    )
    expect(bytes).toBeLessThanOrEqual(16400 + 2 * 1024 * (2 + 16400 / reader.layout.shardBytes))
  })

  it('are refused beyond the content, with a gap, or with an altered byte', () => {
    expect(() => reader.openRange(length - 1, 2, leaves(length - 1, 2))).toThrow(code('USAGE'))
    expect(() => reader.openRange(-1, 2, [])).toThrow(code('USAGE'))
    expect(() => reader.openRange(0.5, 2, [])).toThrow(code('USAGE'))
    expect(() => rangeLeaves(reader.layout, 0, 1e9)).toThrow(code('USAGE'))
    expect(() => rangeLeaves(reader.layout, 0, 0)).toThrow(code('USAGE'))
    expect(() => reader.openRange(0, 60_000, leaves(0, 60_000).slice(1))).toThrow(code('TOO_FEW_FRAGMENTS'))
    expect(() => reader.openRange(0, 60_000, leaves(0, 60_000).slice(0, -1))).toThrow(
      code('TOO_FEW_FRAGMENTS'),
    )
    const [part, ...rest] = leaves(40_000, 10)
    const inside = bodyRange(reader.layout, 40_000, 10).from - part!.at + 9
    const altered = { ...part!, bytes: part!.bytes.map((byte, at) => (at === inside ? byte ^ 1 : byte)) }
    expect(() => reader.openRange(40_000, 10, [altered, ...rest])).toThrow(code('INTEGRITY'))
  })

  it('are refused when chunks stand in another place', () => {
    const { from } = bodyRange(reader.layout, 40_000, 10)
    const body = joinParts(leaves(40_000, 10), from, from + 16400)
    expect(reader.openChunks(2, body).length).toBe(16384)
    expect(() => reader.openChunks(3, body)).toThrow(code('INTEGRITY'))
    expect(() => reader.openChunks(2, body.subarray(0, 100))).toThrow(code('INTEGRITY'))
  })
})
