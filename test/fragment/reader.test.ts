import { beforeAll, describe, expect, it } from 'vitest'
import { concat, equalBytes } from '../../src/bytes.ts'
import { verifyStrict } from '../../src/crypto/sign.ts'
import { XcareError } from '../../src/errors.ts'
import { rebuildShard } from '../../src/fragment/erasure/erasure.ts'
import { ObjectReader } from '../../src/fragment/reader.ts'
import { combineStripeSecrets } from '../../src/fragment/stripe-secret.ts'
import {
  fragmentOf,
  type SampleObject,
  sampleObject,
  secretOf,
  seeded,
  sharesOf,
  someFragments,
} from './sample-object.ts'

const code = (name: string) => expect.objectContaining({ code: name })

async function readerOf(object: SampleObject, columns: number[]): Promise<ObjectReader> {
  return new ObjectReader({ ...object, secret: await secretOf(object, columns) })
}

async function readAll(object: SampleObject, columnsOf: (stripe: number) => number[]): Promise<Uint8Array> {
  const reader = await readerOf(object, columnsOf(0))
  const parts = object.stripes.map((_, stripe) =>
    reader.openStripe(stripe, someFragments(object, stripe, columnsOf(stripe))),
  )
  return concat(...parts)
}

const upTo = (count: number) => Array.from({ length: count }, (_, at) => at)

function subsets(n: number, k: number): number[][] {
  if (k === 0) return [[]]
  return upTo(n).flatMap((last) => subsets(last, k - 1).map((rest) => [...rest, last]))
}

describe('an object read back', () => {
  const stripeBody = 3 * 16384
  const sizes = [
    0,
    1,
    4087,
    4088,
    4089,
    4096,
    16375,
    16376,
    16383,
    16384,
    16385,
    stripeBody - 9,
    stripeBody,
    stripeBody + 1,
    300_000,
  ]
  it.each(sizes)('is the same, %i bytes', async (length) => {
    const object = await sampleObject(seeded(length + 1).bytes(length), 3, 6, {
      shardBytesMax: 16384,
      seed: length + 1,
    })
    expect(equalBytes(await readAll(object, () => [0, 1, 2]), object.plain)).toBe(true)
    expect(equalBytes(await readAll(object, () => [3, 4, 5]), object.plain)).toBe(true)
    expect((await readerOf(object, [1, 2, 5])).openSealedManifest()).toEqual({
      name: 'sample.bin',
      mediaType: 'application/octet-stream',
      length,
      kind: 'record',
      createdMs: 1_700_000_000_000,
    })
  })

  it.each([
    [2, 3],
    [6, 12],
    [16, 40],
    [20, 40],
    [29, 80],
  ])('is the same, 3 MiB at %i of %i, data kept, lost or mixed', async (k, n) => {
    const object = await sampleObject(seeded(k).bytes(3 << 20), k, n)
    expect(equalBytes(await readAll(object, () => upTo(k)), object.plain)).toBe(true)
    expect(equalBytes(await readAll(object, () => upTo(k).map((at) => n - 1 - at)), object.plain)).toBe(true)
    expect(
      equalBytes(await readAll(object, (stripe) => upTo(k).map((at) => (at * 2 + stripe) % n)), object.plain),
    ).toBe(true)
  })

  it('is the same with every choice of exactly k fragments', async () => {
    for (const [k, n] of [
      [2, 4],
      [3, 6],
      [4, 7],
    ] as const) {
      const object = await sampleObject(seeded(5).bytes(70_000), k, n, { shardBytesMax: 8192 })
      for (const columns of subsets(n, k))
        expect(equalBytes(await readAll(object, () => columns), object.plain)).toBe(true)
    }
  })

  it('takes bare shards as well as whole fragments', async () => {
    const object = await sampleObject(seeded(5).bytes(9000), 2, 4)
    const reader = await readerOf(object, [1, 3])
    const bare = someFragments(object, 0, [1, 3]).map((fragment) => fragment?.subarray(1024) ?? null)
    expect(equalBytes(reader.openStripe(0, bare), object.plain)).toBe(true)
  })

  it('uses returned buffers again without a trace of what was in them', async () => {
    const object = await sampleObject(seeded(5).bytes(700_000), 3, 6, { shardBytesMax: 16384 })
    const reader = await readerOf(object, [0, 1, 2])
    const buffers = new Set<ArrayBufferLike>()
    const parts = object.stripes.map((_, stripe) => {
      const plain = reader.openStripe(stripe, someFragments(object, stripe, [0, 1, 2]))
      buffers.add(plain.buffer)
      const copy = plain.slice()
      reader.recycle(plain.fill(0xee))
      return copy
    })
    expect(buffers.size).toBe(1)
    expect(equalBytes(concat(...parts), object.plain)).toBe(true)
    reader.recycle(new Uint8Array(5))
  })

  it('can have a fragment rebuilt from others without any key', async () => {
    const object = await sampleObject(seeded(5).bytes(50_000), 3, 6)
    const { k, n, shardBytes } = object.manifest
    const shards = someFragments(object, 0, [0, 2, 5]).map((fragment) => fragment?.subarray(1024) ?? null)
    for (const wanted of [1, 3, 4])
      expect(
        equalBytes(
          rebuildShard(shards, wanted, k, n, shardBytes),
          fragmentOf(object, 0, wanted).subarray(1024),
        ),
      ).toBe(true)
  })
})

describe('too little or wrong', () => {
  let object: SampleObject
  beforeAll(async () => {
    object = await sampleObject(seeded(8).bytes(120_000), 3, 6, { shardBytesMax: 16384 })
  })

  it('fewer than k key shares of any stripe are TOO_FEW_FRAGMENTS', async () => {
    const shares = sharesOf(object, [0, 1, 2])
    await expect(secretOf(object, [0, 1])).rejects.toEqual(code('TOO_FEW_FRAGMENTS'))
    await expect(combineStripeSecrets(shares.slice(1), object.manifest)).rejects.toEqual(
      code('TOO_FEW_FRAGMENTS'),
    )
    await expect(combineStripeSecrets([], object.manifest)).rejects.toEqual(code('TOO_FEW_FRAGMENTS'))
  })

  it('fewer than k fragments of a stripe are TOO_FEW_FRAGMENTS, and the stripe can be opened later', async () => {
    const reader = await readerOf(object, [0, 1, 2])
    expect(() => reader.openStripe(0, someFragments(object, 0, [1, 5]))).toThrow(code('TOO_FEW_FRAGMENTS'))
    expect(reader.openStripe(0, someFragments(object, 0, [1, 4, 5])).length).toBeGreaterThan(0)
  })

  it('k - 1 shares give another secret, whatever is added', async () => {
    const shares = sharesOf(object, [0, 1, 2])
    const forged = shares.map(([a, b, c]) => [a!, b!, c!.map((byte, at) => (at < 32 ? byte ^ 1 : byte))])
    const secret = await combineStripeSecrets(forged, object.manifest)
    expect(equalBytes(secret, object.writer.secret32())).toBe(false)
    expect(() => new ObjectReader({ ...object, secret })).toThrow(code('INTEGRITY'))
  })

  it('shares at position 0, repeated, cut off or refused by the check are left out', async () => {
    const [stripes, right] = [object.manifest.stripes, object.writer.secret32()]
    const good = sharesOf(object, [0, 1, 2])
    const zero = new Uint8Array(33).fill(5, 0, 32)
    const withMore = (extra: (stripe: number) => Uint8Array) =>
      good.map((shares, stripe) => [extra(stripe), ...shares])
    for (const extra of [() => zero, () => new Uint8Array(32).fill(1), () => new Uint8Array(0)])
      expect(await combineStripeSecrets(withMore(extra), object.manifest)).toEqual(right)
    expect(
      await combineStripeSecrets(
        withMore((stripe) => good[stripe]![0]!),
        object.manifest,
      ),
    ).toEqual(right)
    const lie = withMore((stripe) => good[stripe]![0]!.map((byte, at) => (at < 32 ? 9 : byte)))
    expect(await combineStripeSecrets(lie, object.manifest)).not.toEqual(right)
    expect(await combineStripeSecrets(lie, object.manifest, (_, _stripe, at) => at > 0)).toEqual(right)
    const seen: number[] = []
    await combineStripeSecrets(good, object.manifest, (_, stripe) => seen.push(stripe) > 0)
    expect(new Set(seen).size).toBe(stripes)
    const twoAndZero = good.map(([a, b]) => [a!, b!, zero])
    await expect(combineStripeSecrets(twoAndZero, object.manifest)).rejects.toEqual(code('INTEGRITY'))
  })

  it('tells a wrong custody key from a wrong dispersal secret', async () => {
    const secret = object.writer.secret32()
    const other = object.custodyKey.map((byte, at) => (at === 0 ? byte ^ 1 : byte))
    expect(() => new ObjectReader({ ...object, custodyKey: other, secret })).toThrow(/custody key/)
    expect(() => new ObjectReader({ ...object, secret: secret.map((byte) => byte ^ 1) })).toThrow(
      /key shares in the fragments/,
    )
    const bothWrong = { ...object, custodyKey: other, secret: other }
    expect(() => new ObjectReader(bothWrong)).toThrow(
      expect.objectContaining({ code: 'INTEGRITY', message: expect.stringMatching(/custody/) }),
    )
  })

  it.each(['objectId', 'ownerKey', 'salt', 'commitment'] as const)(
    'does not open under another %s',
    (field) => {
      const manifest = { ...object.manifest, [field]: object.manifest[field].map((byte) => byte ^ 1) }
      expect(() => new ObjectReader({ ...object, manifest, secret: object.writer.secret32() })).toThrow(
        code('INTEGRITY'),
      )
    },
  )

  it('does not open as another version or under another code', () => {
    const secret = object.writer.secret32()
    for (const change of [{ version: 2 }, { n: 7 }])
      expect(
        () => new ObjectReader({ ...object, manifest: { ...object.manifest, ...change }, secret }),
      ).toThrow(code('INTEGRITY'))
  })

  it('finds any altered byte of any shard, data or parity, and opens nothing after it', async () => {
    const { stripes, shardBytes } = object.manifest
    const secret = object.writer.secret32()
    for (const columns of [
      [0, 1, 2],
      [1, 3, 5],
    ])
      for (let round = 0; round < 60; round++) {
        const stripe = round % stripes
        const reader = new ObjectReader({ ...object, secret })
        for (let before = 0; before < stripe; before++)
          reader.openStripe(before, someFragments(object, before, columns))
        const fragments = someFragments(object, stripe, columns)
        const column = columns[round % 3]!
        const altered = fragments[column]!.slice()
        altered[1024 + ((round * 7919) % shardBytes)]! ^= 1 << (round % 8)
        fragments[column] = altered
        // A chunk that ends in the next stripe is only proven there.
        expect(() => {
          reader.openStripe(stripe, fragments)
          reader.openStripe(stripe + 1, someFragments(object, stripe + 1, columns))
        }).toThrow(code('INTEGRITY'))
        expect(() => reader.openStripe(stripe + 1, fragments)).toThrow(XcareError)
      }
  })

  it('refuses stripes out of order and a wrong number of shards', async () => {
    const reader = await readerOf(object, [0, 1, 2])
    expect(() => reader.openStripe(1, someFragments(object, 1, [0, 1, 2]))).toThrow(code('USAGE'))
    expect(() => reader.openStripe(0, someFragments(object, 0, [0, 1, 2]).slice(1))).toThrow(code('USAGE'))
    expect(() => reader.openStripe(0, [new Uint8Array(5), null, null, null, null, null])).toThrow(XcareError)
  })

  it('does not open a private part that was altered or taken from another object', async () => {
    const secret = object.writer.secret32()
    const other = await sampleObject(new Uint8Array(5), 3, 6, { seed: 77 })
    for (const sealed of [
      other.manifest.sealed,
      object.manifest.sealed.map((byte, at) => (at === 60 ? byte ^ 1 : byte)),
      new Uint8Array(0),
    ]) {
      const reader = new ObjectReader({ ...object, manifest: { ...object.manifest, sealed }, secret })
      expect(() => reader.openSealedManifest()).toThrow(code('INTEGRITY'))
    }
    expect(verifyStrict(object.manifest.ownerKey, object.encoded, object.manifest.signature)).toBe(false)
  })
})
