import { signingKeyFromSeed } from '../../src/crypto/sign.ts'
import { SHARE_BYTES } from '../../src/fragment/header.ts'
import { fragmentBytesOf, layoutOf } from '../../src/fragment/layout.ts'
import { buildManifest, type Manifest, verifyManifest } from '../../src/fragment/manifest.ts'
import { combineStripeSecrets } from '../../src/fragment/stripe-secret.ts'
import { ObjectWriter, type StripeFragments } from '../../src/fragment/writer.ts'
import type { Random } from '../../src/ports.ts'

export const NETWORK = 'xcare-test-1'

/** Bytes that look random and are the same in every run. */
export function seeded(seed: number): Random {
  let state = seed >>> 0 || 1
  return {
    bytes(length) {
      const out = new Uint8Array(length)
      for (let at = 0; at < length; at++) {
        state ^= state << 13
        state ^= state >>> 17
        state ^= state << 5
        out[at] = state >>> 8
      }
      return out
    },
  }
}

/** A whole object in memory. */
export interface SampleObject {
  plain: Uint8Array
  custodyKey: Uint8Array
  writer: ObjectWriter
  stripes: StripeFragments[]
  encoded: Uint8Array
  manifest: Manifest
}

/** Writes an object in one go. */
export async function sampleObject(
  plain: Uint8Array,
  k: number,
  n: number,
  { shardBytesMax = 65536, seed = 1, step = 1 << 20, name = 'sample.bin' } = {},
): Promise<SampleObject> {
  const random = seeded(seed)
  const owner = signingKeyFromSeed(random.bytes(32))
  const custodyKey = random.bytes(32)
  const layout = layoutOf(plain.length, k, n, shardBytesMax)
  const fixed = { objectId: random.bytes(32), version: 1, ownerKey: owner.publicKey, custodyKey, layout }
  const writer = await ObjectWriter.create({ ...fixed, length: plain.length, random })
  const stripes: StripeFragments[] = []
  for (let at = 0; at < plain.length; at += step) stripes.push(...writer.write(plain.subarray(at, at + step)))
  stripes.push(...writer.finish())
  const about = { name, mediaType: 'application/octet-stream', length: plain.length, kind: 'record' as const }
  const sealed = writer.sealManifest({ ...about, createdMs: 1_700_000_000_000 })
  const encoded = buildManifest(writer.written(), { network: NETWORK, custodyEpoch: 1, sealed }, owner)
  return { plain, custodyKey, writer, stripes, encoded, manifest: verifyManifest(encoded, NETWORK).manifest }
}

/** @returns fragment (stripe, column), a view. */
export function fragmentOf({ stripes, manifest }: SampleObject, stripe: number, column: number): Uint8Array {
  const size = fragmentBytesOf(manifest)
  return stripes[stripe]!.bytes.subarray(column * size, (column + 1) * size)
}

/** @returns per stripe the key shares of these columns. */
export function sharesOf(object: SampleObject, columns: number[]): Uint8Array[][] {
  return object.stripes.map((_, stripe) =>
    columns.map((column) => fragmentOf(object, stripe, column).slice(64, 64 + SHARE_BYTES)),
  )
}

/** @returns R from the key shares of these columns. */
export function secretOf(object: SampleObject, columns: number[]): Promise<Uint8Array> {
  return combineStripeSecrets(sharesOf(object, columns), object.manifest)
}

/** @returns n entries for a stripe: its fragments at these columns, else null. */
export function someFragments(
  object: SampleObject,
  stripe: number,
  columns: number[],
): (Uint8Array | null)[] {
  return Array.from({ length: object.manifest.n }, (_, column) =>
    columns.includes(column) ? fragmentOf(object, stripe, column) : null,
  )
}
