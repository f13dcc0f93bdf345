import { describe, expect, it } from 'vitest'
import { openSmall, sealSmall } from '../../src/crypto/secretbox.ts'
import { openPrivatePart, type SealedManifest, sealPrivatePart } from '../../src/fragment/sealed.ts'
import { PARTS_MAX, SEALED_BYTES_MAX } from '../../src/limits.ts'
import { seeded } from './sample-object.ts'

const key = seeded(1).bytes(32)
const name = { objectId: seeded(2).bytes(32), version: 1 }
const about: SealedManifest = {
  name: 'a/b.txt',
  mediaType: 'text/plain',
  length: 5,
  kind: 'record',
  createdMs: 1,
}
const seal = (sealed: SealedManifest) => sealPrivatePart(key, name, sealed, seeded(3))
const code = (text: string) => expect.objectContaining({ code: text })

describe('private part of a manifest', () => {
  it('opens with the same key, object and version only', () => {
    const sealed = seal(about)
    expect(openPrivatePart(key, name, sealed)).toEqual(about)
    expect(() => openPrivatePart(seeded(9).bytes(32), name, sealed)).toThrow(code('INTEGRITY'))
    expect(() => openPrivatePart(key, { ...name, version: 2 }, sealed)).toThrow(code('INTEGRITY'))
    expect(() => openPrivatePart(key, { ...name, objectId: key }, sealed)).toThrow(code('INTEGRITY'))
  })

  it('has the same length for all usual names', () => {
    const lengths = ['x', 'a long name of a document, 2024-01-31.pdf', 'n'.repeat(255)].map(
      (each) => seal({ ...about, name: each }).length,
    )
    expect(new Set(lengths)).toEqual(new Set([512 + 40]))
  })

  it('holds the ids of all parts of the largest record', () => {
    const parts = Array.from({ length: PARTS_MAX }, (_, at) => seeded(at + 1).bytes(32))
    const sealed = seal({ ...about, kind: 'part', parts })
    expect(sealed.length).toBeLessThanOrEqual(SEALED_BYTES_MAX)
    expect(openPrivatePart(key, name, sealed).parts).toEqual(parts)
    expect(() => seal({ ...about, parts: [...parts, key] })).toThrow(code('USAGE'))
  })

  it.each([
    ['an unsafe name', { name: '../x' }],
    ['no name', { name: '' }],
    ['a bad media type', { mediaType: 'text' }],
    ['another kind', { kind: 'folder' }],
    ['a negative length', { length: -1 }],
    ['no parts in a list of parts', { parts: [] }],
    ['a short part id', { parts: [new Uint8Array(31)] }],
  ])('is not written with %s', (_, flaw) => {
    expect(() => seal({ ...about, ...flaw } as SealedManifest)).toThrow(code('USAGE'))
  })

  it('is refused with another padding, even under the right key', () => {
    const aad = Uint8Array.of(...new TextEncoder().encode('xcare/sealed/v1\0'), ...name.objectId, 0, 0, 0, 1)
    const padded = openSmall(key, seal(about), aad)
    const reseal = (content: Uint8Array) => sealSmall(key, new Uint8Array(24), content, aad)
    expect(openPrivatePart(key, name, reseal(padded))).toEqual(about)
    const dirty = padded.slice()
    dirty[511] = 1
    const huge = padded.slice().fill(0xff, 0, 4)
    for (const content of [
      dirty,
      huge,
      padded.subarray(0, 511),
      new Uint8Array(1024),
      new Uint8Array(0),
      new Uint8Array(512),
    ])
      expect(() => openPrivatePart(key, name, reseal(content))).toThrow(code('MALFORMED'))
  })
})
