import { beforeAll, describe, expect, it } from 'vitest'
import { equalBytes } from '../../src/bytes.ts'
import { checkFragment } from '../../src/fragment/manifest.ts'
import { rebuildFragment } from '../../src/fragment/rebuild.ts'
import { fragmentOf, type SampleObject, sampleObject, seeded, someFragments } from './sample-object.ts'

describe('rebuildFragment', () => {
  let object: SampleObject
  beforeAll(async () => {
    object = await sampleObject(seeded(5).bytes(90_000), 3, 6, { shardBytesMax: 16384 })
  })

  it('makes every lost fragment again, byte for byte, from any k others', () => {
    const { manifest } = object
    const hashes = object.writer.columnHashes()
    for (let stripe = 0; stripe < manifest.stripes; stripe++)
      for (let column = 0; column < 6; column++)
        for (const sources of [
          [0, 1, 2, 3],
          [2, 3, 4, 5],
          [0, 2, 4, 5],
        ]) {
          const rebuilt = rebuildFragment(manifest, stripe, column, someFragments(object, stripe, sources))
          expect(equalBytes(rebuilt, fragmentOf(object, stripe, column))).toBe(true)
          checkFragment(manifest, hashes[column]!, rebuilt, stripe, column)
        }
  })

  it('does not look at the fragment it replaces', () => {
    const fragments = someFragments(object, 0, [0, 1, 2])
    fragments[5] = new Uint8Array(3)
    expect(equalBytes(rebuildFragment(object.manifest, 0, 5, fragments), fragmentOf(object, 0, 5))).toBe(true)
  })

  it('needs k others of the right size', () => {
    const { manifest } = object
    const code = (name: string) => expect.objectContaining({ code: name })
    expect(() => rebuildFragment(manifest, 0, 2, someFragments(object, 0, [0, 1, 2]))).toThrow(
      code('TOO_FEW_FRAGMENTS'),
    )
    const short = someFragments(object, 0, [0, 1, 3]).map((fragment) => fragment?.subarray(1024) ?? null)
    expect(() => rebuildFragment(manifest, 0, 2, short)).toThrow(code('MALFORMED'))
  })
})
