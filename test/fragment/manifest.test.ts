import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { decodeCbor, encodeCbor } from '../../src/cbor.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import { signingKeyFromSeed } from '../../src/crypto/sign.ts'
import { XcareError } from '../../src/errors.ts'
import { encodeHead } from '../../src/fragment/header.ts'
import {
  buildManifest,
  checkFragment,
  decodeManifest,
  encodeManifest,
  type Manifest,
  verifyColumnHashes,
  verifyManifest,
} from '../../src/fragment/manifest.ts'
import { fragmentOf, NETWORK, type SampleObject, sampleObject, seeded } from './sample-object.ts'

const code = (name: string) => expect.objectContaining({ code: name })

let object: SampleObject
beforeAll(async () => {
  object = await sampleObject(seeded(8).bytes(60_000), 3, 6, { shardBytesMax: 16384 })
})

describe('manifest', () => {
  it('reads back, one encoding only, hash of its bytes', () => {
    const { manifest, hash } = verifyManifest(object.encoded, NETWORK)
    expect(encodeManifest(manifest)).toEqual(object.encoded)
    expect(hash).toEqual(sha256(object.encoded))
  })

  it('is refused for another network', () => {
    expect(() => verifyManifest(object.encoded, 'other')).toThrow(code('INTEGRITY'))
  })

  it('is refused when any field differs from what was signed', () => {
    const fields = decodeCbor(object.encoded) as Record<string, unknown>
    for (const [name, value] of Object.entries(fields)) {
      const changed = { ...fields, [name]: altered(value) }
      expect(() => verifyManifest(encodeCbor(changed), NETWORK), name).toThrow(XcareError)
    }
  })

  it('is refused when signed by another key than it names', () => {
    const written = object.writer.written()
    const about = { network: NETWORK, custodyEpoch: 1, sealed: object.manifest.sealed }
    const other = signingKeyFromSeed(new Uint8Array(32).fill(9))
    expect(() => buildManifest(written, about, other)).toThrow(code('INTERNAL'))
    const manifest = decodeManifest(buildManifest({ ...written, ownerKey: other.publicKey }, about, other))
    expect(verifyManifest(encodeManifest(manifest), NETWORK).manifest.ownerKey).toEqual(other.publicKey)
    const claimed = { ...manifest, ownerKey: object.manifest.ownerKey }
    expect(() => verifyManifest(encodeManifest(claimed), NETWORK)).toThrow(code('INTEGRITY'))
  })

  const rejects: [string, (fields: Record<string, unknown>) => void][] = [
    ['a missing field', (fields) => delete fields.kcv],
    ['an unknown field', (fields) => Object.assign(fields, { extra: 1 })],
    ['another suite', (fields) => Object.assign(fields, { suite: 2 })],
    ['version 0', (fields) => Object.assign(fields, { version: 0 })],
    ['a short object id', (fields) => Object.assign(fields, { objectId: new Uint8Array(31) })],
    ['a missing column root', (fields) => (fields.columnRoots as unknown[]).pop()],
    ['a column root too many', (fields) => (fields.columnRoots as unknown[]).push(new Uint8Array(32))],
    ['a layout of no object', (fields) => Object.assign(fields, { bodyLength: 4113 })],
    ['no redundancy', (fields) => Object.assign(fields, { n: 3 })],
    ['more stripes than the body fills', (fields) => Object.assign(fields, { stripes: 99 })],
    [
      'a private part above its cap',
      (fields) => Object.assign(fields, { sealed: new Uint8Array(128 * 1024 + 1) }),
    ],
    ['an empty network', (fields) => Object.assign(fields, { network: '' })],
  ]
  it.each(rejects)('must reject %s', (_, change) => {
    const fields = decodeCbor(object.encoded) as Record<string, unknown>
    change(fields)
    expect(() => decodeManifest(encodeCbor(fields))).toThrow(code('MALFORMED'))
  })

  it('only ever throws XcareError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) =>
        onlyXcareError(() => verifyManifest(bytes, NETWORK)),
      ),
    )
    const edits = fc.array(fc.tuple(fc.nat(2000), fc.nat(255)), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(edits, (changes) => {
        const bytes = object.encoded.slice()
        for (const [at, value] of changes) bytes[at % bytes.length] = value
        onlyXcareError(() => verifyManifest(bytes, NETWORK))
      }),
      { numRuns: 300 },
    )
  })
})

describe('fragments of a manifest', () => {
  it('are proven by the hashes of their column, and those by the manifest', () => {
    const { manifest } = object
    const hashes = object.writer.columnHashes()
    for (let column = 0; column < manifest.n; column++) {
      verifyColumnHashes(manifest, column, hashes[column]!)
      for (let stripe = 0; stripe < manifest.stripes; stripe++) {
        const fragment = fragmentOf(object, stripe, column)
        const { share, shard } = checkFragment(manifest, hashes[column]!, fragment, stripe, column)
        expect(share).toEqual(fragment.slice(64, 97))
        expect(shard.length).toBe(manifest.shardBytes)
      }
    }
  })

  it('are refused with any altered byte, head included, or at another place', () => {
    const { manifest } = object
    const hashes = object.writer.columnHashes()
    const fragment = fragmentOf(object, 0, 4)
    fc.assert(
      fc.property(fc.nat(fragment.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bytes = fragment.slice()
        bytes[at]! ^= flip
        expect(() => checkFragment(manifest, hashes[4]!, bytes, 0, 4)).toThrow(code('INTEGRITY'))
      }),
      { numRuns: 200 },
    )
    for (const [stripe, column] of [
      [1, 4],
      [0, 3],
      [-1, 4],
      [99, 4],
    ] as const)
      expect(() => checkFragment(manifest, hashes[column]!, fragment, stripe, column)).toThrow(
        code('INTEGRITY'),
      )
    expect(() => checkFragment(manifest, hashes[4]!, fragment.subarray(1), 0, 4)).toThrow(code('INTEGRITY'))
  })

  it('are refused when their head names another fragment, though the owner committed to it', async () => {
    const { blake3 } = await import('../../src/crypto/hash.ts')
    const { manifest } = object
    const fragment = fragmentOf(object, 0, 4).slice()
    const { objectId, version, k, n, shardBytes, stripes } = manifest
    fragment.set(
      encodeHead(
        { objectId, version, stripe: 1, column: 4, k, n, shardBytes, stripes },
        fragment.slice(64, 97),
      ),
    )
    expect(() => checkFragment(manifest, blake3(fragment), fragment, 0, 4)).toThrow(/another fragment/)
  })

  it.each([
    ['of another column', (hashes: Uint8Array[]) => hashes[1]!],
    ['cut short', (hashes: Uint8Array[]) => hashes[0]!.subarray(32)],
    ['of no whole number', (hashes: Uint8Array[]) => hashes[0]!.subarray(1)],
    ['altered', (hashes: Uint8Array[]) => hashes[0]!.map((byte) => byte ^ 1)],
    ['of none', () => new Uint8Array(0)],
  ])('hashes %s are refused', (_, pick) => {
    expect(() => verifyColumnHashes(object.manifest, 0, pick(object.writer.columnHashes()))).toThrow(
      code('INTEGRITY'),
    )
    expect(() => verifyColumnHashes(object.manifest, 6, pick(object.writer.columnHashes()))).toThrow(
      code('INTEGRITY'),
    )
  })
})

function altered(value: unknown): unknown {
  if (value instanceof Uint8Array) return value.map((byte, at) => (at === value.length - 1 ? byte ^ 1 : byte))
  if (typeof value === 'string') return `${value}x`
  if (typeof value === 'number') return value + 1
  return (value as Manifest['columnRoots']).map((root, at) =>
    at === 2 ? root.map((byte) => byte ^ 1) : root,
  )
}

function onlyXcareError(run: () => void): void {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(XcareError)
  }
}
