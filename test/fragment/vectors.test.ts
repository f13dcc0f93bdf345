import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../src/bytes.ts'
import { bundleRecord, readBundleIndex } from '../../src/fragment/bundle.ts'
import { decodeHead } from '../../src/fragment/header.ts'
import { verifyManifest } from '../../src/fragment/manifest.ts'
import { openPrivatePart } from '../../src/fragment/sealed.ts'
import { openByTheSpec } from './object-by-the-spec.ts'
import { fragmentOf } from './sample-object.ts'
import { bundleVectors, manifestVectors, objectCase, objectVectors, pattern } from './vector-cases.ts'

const load = (name: string) =>
  JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8'))
const [objects, manifests, bundles] = ['object', 'manifest', 'bundle'].map(load)
const throwing = (code: string) => expect.objectContaining({ code })

describe('frozen vectors', () => {
  it('are what this code makes: no format has changed', async () => {
    expect(await objectVectors()).toEqual(objects)
    expect(await manifestVectors()).toEqual(manifests)
    expect(bundleVectors()).toEqual(bundles)
  })

  it.each([0, 1, 2, 3, 4])('object %i opens by the words of the specification alone', async (at) => {
    const object = await objectCase(at)
    const { manifest, custodyKey } = object
    const dataFragments = object.stripes.map((_, stripe) =>
      Array.from({ length: manifest.k }, (_, column) => fragmentOf(object, stripe, column)),
    )
    const opened = openByTheSpec({ ...manifest, custodyKey, dataFragments })
    const vector = objects.objects[at]
    expect(toHex(opened.commitment)).toBe(vector.commitment)
    expect(toHex(opened.kcv)).toBe(vector.kcv)
    expect(toHex(opened.plain)).toBe(toHex(pattern(vector.plainBytes)))
  })
})

describe.each(['heads', 'wideHeads'])('fragment %s', (kind) => {
  const { start, header, share, reject } = objects[kind]
  const head = () => {
    const bytes = new Uint8Array(1024)
    bytes.set(fromHex(start))
    return bytes
  }
  it('are read', () => {
    expect(decodeHead(head())).toEqual({
      header: { ...header, objectId: fromHex(header.objectId) },
      share: fromHex(share),
    })
  })
  it.each(reject as { name: string; at: number; hex: string }[])('must reject: $name', ({ at, hex }) => {
    const bytes = head()
    bytes.set(fromHex(hex), at)
    expect(() => decodeHead(bytes)).toThrow(throwing('MALFORMED'))
  })
})

describe('manifests', () => {
  const { accept, reject } = manifests
  it('are read', () => {
    const { manifest, hash } = verifyManifest(fromHex(accept.hex), accept.network)
    expect(toHex(hash)).toBe(accept.hash)
    expect(openPrivatePart(fromHex(accept.sealedKey), manifest, manifest.sealed)).toEqual(accept.privatePart)
  })
  it.each(reject as { name: string; code: string; hex: string }[])('must reject: $name', ({ code, hex }) => {
    expect(() => verifyManifest(fromHex(hex), accept.network)).toThrow(throwing(code))
  })
})

describe('bundles', () => {
  const { accept, reject } = bundles
  it('are read', () => {
    const bundle = fromHex(accept.hex)
    const read = readBundleIndex(bundle).map((entry) => {
      const { name, mediaType } = entry
      return { name, mediaType, hex: toHex(bundleRecord(bundle, entry)) }
    })
    expect(read).toEqual(accept.records)
  })
  it.each(reject as { name: string; hex: string }[])('must reject: $name', ({ hex }) => {
    expect(() => readBundleIndex(fromHex(hex))).toThrow(throwing('MALFORMED'))
  })
})
