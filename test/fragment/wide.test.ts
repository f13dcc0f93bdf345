import { beforeAll, describe, expect, it } from 'vitest'
import { equalBytes } from '../../src/bytes.ts'
import { SHARE_AT, SHARE_BYTES } from '../../src/fragment/header.ts'
import { fragmentBytesOf } from '../../src/fragment/layout.ts'
import { checkFragment, verifyColumnHashes } from '../../src/fragment/manifest.ts'
import { placeColumns } from '../../src/fragment/placement.ts'
import { PROFILES } from '../../src/fragment/profile.ts'
import { ObjectReader } from '../../src/fragment/reader.ts'
import { rebuildFragments } from '../../src/fragment/rebuild.ts'
import { assignSlots } from '../../src/fragment/slots.ts'
import { combineStripeSecrets } from '../../src/fragment/stripe-secret.ts'
import { placeShare } from '../../src/fragment/wide-shares.ts'
import { FRAGMENT_HEAD_BYTES, MANIFEST_BYTES_MAX } from '../../src/limits.ts'
import { fragmentOf, type SampleObject, sampleObject, seeded } from './sample-object.ts'

const { k, n } = PROFILES.wide

/** The columns left after a loss, as many as are said. */
const left = {
  'the parity alone': () => Array.from({ length: k }, (_, at) => n - 1 - at),
  'every other column': () => Array.from({ length: k }, (_, at) => 2 * at + 1),
  'all data but one column': () => [...Array.from({ length: k - 1 }, (_, at) => at), n - 1],
  'half at random': () => shuffled(n, 7).slice(0, k),
  'half at random, another time': () => shuffled(n, 8).slice(0, k),
}

function shuffled(count: number, seed: number): number[] {
  const random = new Uint32Array(seeded(seed).bytes(count * 4).buffer)
  return Array.from({ length: count }, (_, at) => at).sort((a, b) => random[a]! - random[b]! || a - b)
}

const code = (name: string) => expect.objectContaining({ name: 'XcareError', code: name })

describe('an object of 32,768 columns', () => {
  let object: SampleObject
  const shareOf = (column: number) =>
    placeShare(fragmentOf(object, 0, column).slice(SHARE_AT, SHARE_AT + SHARE_BYTES), column, n)!
  const only = (columns: number[]) => {
    const fragments: (Uint8Array | null)[] = Array(n).fill(null)
    for (const column of columns) fragments[column] = fragmentOf(object, 0, column)
    return fragments
  }

  beforeAll(async () => {
    object = await sampleObject(seeded(3).bytes(15 << 20), k, n)
  })

  it('is one stripe of shards of 1 KiB, and its manifest holds a root for each column', () => {
    expect(object.manifest).toMatchObject({ k, n, stripes: 1, shardBytes: 1024 })
    expect(object.manifest.columnRoots).toHaveLength(n)
    expect(object.encoded.length).toBeGreaterThan(n * 32)
    expect(object.encoded.length).toBeLessThan(MANIFEST_BYTES_MAX)
  })

  it.each(Object.entries(left))('comes back whole from %s', async (_, columns) => {
    const kept = columns()
    const secret = await combineStripeSecrets([kept.map(shareOf)], object.manifest)
    const reader = new ObjectReader({ ...object, secret })
    expect(equalBytes(reader.openStripe(0, only(kept)), object.plain)).toBe(true)
  })

  it('says cleanly that one column too few is left', async () => {
    const kept = shuffled(n, 9).slice(0, k - 1)
    await expect(combineStripeSecrets([kept.map(shareOf)], object.manifest)).rejects.toEqual(
      code('TOO_FEW_FRAGMENTS'),
    )
    const reader = new ObjectReader({ ...object, secret: object.writer.secret32() })
    expect(() => reader.openStripe(0, only(kept))).toThrow(code('TOO_FEW_FRAGMENTS'))
    expect(() => rebuildFragments(object.manifest, 0, [n - 1], only(kept))).toThrow(code('TOO_FEW_FRAGMENTS'))
  })

  it('proves each fragment alone, and makes those of a lost node again', () => {
    const columns = Array.from({ length: 2731 }, (_, at) => (at * 12) % n)
    for (const wanted of [columns.slice(5, 6), columns]) {
      const others = only(Array.from({ length: n }, (_, at) => at))
      const made = rebuildFragments(object.manifest, 0, wanted, others)
      for (const [at, column] of wanted.entries())
        if (!equalBytes(made[at]!, fragmentOf(object, 0, column))) expect.fail(`column ${column}`)
    }
    for (const column of [0, 1, k, n - 1]) {
      const hashes = object.writer.columnHashes()[column]!
      verifyColumnHashes(object.manifest, column, hashes)
      const { shard } = checkFragment(object.manifest, hashes, fragmentOf(object, 0, column), 0, column)
      expect(shard).toHaveLength(fragmentBytesOf(object.manifest) - FRAGMENT_HEAD_BYTES)
    }
  })
})

describe('32,768 columns over few nodes', () => {
  it.each([7, 12, 40])('%i institutions with a node each hold about equally many', (count) => {
    const nodes = Array.from({ length: count }, (_, at) => ({
      nodeId: `node-${String(at).padStart(3, '0')}`,
      institution: `inst-${at}`,
      network: `net-${at}`,
      region: `region-${at % 5}`,
    }))
    const weighted = nodes.map(({ nodeId }) => ({ nodeId, weight: 1 }))
    const table = assignSlots(weighted, null)
    const fixed = { k, n, nodes, table, excludeInstitutions: [] }
    const { columns, warnings } = placeColumns({
      ...fixed,
      objectId: new Uint8Array(32),
      seed: new Uint8Array(32),
    })
    const held = new Uint32Array(count)
    for (const node of columns) held[node]!++
    expect(Math.max(...held) - Math.min(...held)).toBeLessThanOrEqual(1)
    expect(warnings).toEqual([])
    const fewer = {
      ...fixed,
      excludeInstitutions: nodes.slice(0, count - 6).map(({ institution }) => institution),
    }
    expect(() => placeColumns({ ...fewer, objectId: new Uint8Array(32), seed: new Uint8Array(32) })).toThrow(
      code('TOO_FEW_NODES'),
    )
  })
})
