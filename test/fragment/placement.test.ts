import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, u32be } from '../../src/bytes.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import { institutionCap, type PlacedNode, placeColumns } from '../../src/fragment/placement.ts'
import { assignSlots } from '../../src/fragment/slots.ts'
import { SLOTS } from '../../src/limits.ts'
import vectors from '../vectors/placement.json' with { type: 'json' }

const SEED = sha256(u32be(7))

/** `count` nodes over so many institutions, networks and regions, domain by remainder. */
function nodesOf(count: number, institutions: number, networks = 1, regions = 1): PlacedNode[] {
  return Array.from({ length: count }, (_, at) => ({
    nodeId: `node-${String(at).padStart(5, '0')}`,
    institution: `inst-${at % institutions}`,
    network: `net-${at % networks}`,
    region: `region-${at % regions}`,
  }))
}

const tableOf = (nodes: PlacedNode[]) =>
  assignSlots(
    nodes.map(({ nodeId }) => ({ nodeId, weight: 1 })),
    null,
  )

function place(
  nodes: PlacedNode[],
  k: number,
  n: number,
  options: { id?: number; exclude?: string[]; table?: Uint16Array } = {},
) {
  const objectId = sha256(u32be(options.id ?? 0))
  const table = options.table ?? tableOf(nodes)
  return placeColumns({
    objectId,
    k,
    n,
    seed: SEED,
    nodes,
    table,
    excludeInstitutions: options.exclude ?? [],
  })
}

/** Columns per name of one kind of domain. */
function tally(
  nodes: PlacedNode[],
  columns: number[],
  kind: 'institution' | 'network' | 'region',
): Map<string, number> {
  const counts = new Map<string, number>()
  for (const node of columns) counts.set(nodes[node][kind], (counts.get(nodes[node][kind]) ?? 0) + 1)
  return counts
}

describe('placement', () => {
  it('keeps every cap, whatever the network looks like, or says in numbers why it cannot', () => {
    const shapes = fc.constantFrom([6, 12], [16, 40], [20, 60], [20, 40], [3, 5])
    const domains = fc.tuple(
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 6 }),
    )
    fc.assert(
      fc.property(
        shapes,
        fc.integer({ min: 1, max: 60 }),
        domains,
        fc.nat(1e6),
        ([k, n], count, [i, x, r], id) => {
          const nodes = nodesOf(count, i, x, r)
          const exclude = ['inst-0']
          let placement: ReturnType<typeof place>
          try {
            placement = place(nodes, k, n, { id, exclude })
          } catch (error) {
            expect(error).toMatchObject({ code: 'TOO_FEW_NODES', next: expect.stringContaining('profile') })
            return
          }
          const { columns, warnings } = placement
          expect(columns).toHaveLength(n)
          const institutions = tally(nodes, columns, 'institution')
          expect(institutions.has('inst-0')).toBe(false)
          expect(Math.max(...institutions.values())).toBeLessThanOrEqual(institutionCap(k))
          for (const kind of ['network', 'region'] as const) {
            const counts = tally(nodes, columns, kind)
            const all = new Set(nodes.map((node) => node[kind])).size
            const told = warnings.filter(({ domain }) => domain === kind)
            expect(told.length).toBe([...counts.values()].filter((columnsThere) => columnsThere >= k).length)
            if (all * (k - 1) >= n) expect(told).toEqual([])
          }
        },
      ),
      { numRuns: 150 },
    )
  })

  it.each([
    [3, 1],
    [6, 1],
    [7, 2],
    [9, 2],
    [10, 3],
    [16, 5],
    [20, 6],
    [1, 1],
  ])('k=%i lets an institution keep %i', (k, cap) => {
    expect(institutionCap(k)).toBe(cap)
    expect(cap === 1 || cap < k / 3).toBe(true)
  })

  it('always finds room where domains nest and there is room', () => {
    // 12 institutions in 4 networks in 2 regions + 1: exactly the columns that fit
    const nodes = nodesOf(24, 12, 6, 3)
    for (let id = 0; id < 50; id++) expect(place(nodes, 6, 12, { id }).columns).toHaveLength(12)
  })

  it('spreads over all nodes before one gets a second column', () => {
    const nodes = nodesOf(12, 12)
    expect(new Set(place(nodes, 6, 12).columns).size).toBe(12)
    const columns = place(nodes, 20, 40).columns
    expect([...new Set(tally(nodes, columns, 'institution').values())].sort()).toEqual([3, 4])
  })

  it('warns when the network has too few regions for the rule', () => {
    const nodes = nodesOf(12, 12, 12, 1)
    expect(place(nodes, 6, 12).warnings).toEqual([
      { domain: 'region', name: 'region-0', columns: 12, cap: 5 },
    ])
    expect(place(nodesOf(12, 12, 3, 3), 6, 12).warnings).toEqual([])
  })

  it('fails with needed and seen numbers', () => {
    const guardians = ['inst-0', 'inst-1', 'inst-2', 'inst-3']
    expect(() => place(nodesOf(12, 12), 6, 12, { exclude: guardians })).toThrow(
      /12 columns need a place, the 12 storage nodes of this network offer 8 \(8 of 12 institutions, at most 1 each\)/,
    )
    const lopsided = nodesOf(30, 30).map((node, at) => ({
      ...node,
      region: `region-${Math.max(0, at - 27)}`,
    }))
    expect(() => place(lopsided, 6, 12)).toThrow(expect.objectContaining({ code: 'TOO_FEW_NODES' }))
  })

  it('loads equal nodes equally', () => {
    const nodes = nodesOf(40, 40)
    const table = tableOf(nodes)
    const load = new Uint32Array(40)
    for (let id = 0; id < 4000; id++)
      for (const node of place(nodes, 6, 12, { id, table }).columns) load[node]++
    expect(Math.max(...load) / ((4000 * 12) / 40)).toBeLessThanOrEqual(1.1)
  })

  it('differs by object and by epoch seed alone', () => {
    const nodes = nodesOf(100, 100)
    expect(place(nodes, 6, 12, { id: 1 })).toEqual(place(nodes, 6, 12, { id: 1 }))
    expect(place(nodes, 6, 12, { id: 1 }).columns).not.toEqual(place(nodes, 6, 12, { id: 2 }).columns)
  })

  it('refuses broken input', () => {
    const nodes = nodesOf(12, 12)
    const malformed = expect.objectContaining({ code: 'MALFORMED' })
    const fine = {
      objectId: SEED,
      k: 6,
      n: 12,
      seed: SEED,
      nodes,
      table: tableOf(nodes),
      excludeInstitutions: [],
    }
    for (const wrong of [
      { objectId: SEED.subarray(1) },
      { seed: new Uint8Array(33) },
      { k: 0 },
      { n: 5 },
      { k: 1.5 },
      { table: new Uint16Array(SLOTS - 1) },
      { table: new Uint16Array(SLOTS).fill(12) },
      { nodes: [] },
    ])
      expect(() => placeColumns({ ...fine, ...wrong })).toThrow(malformed)
  })
})

describe('placement vectors', () => {
  it.each(vectors.placements)(
    '$name',
    ({ nodes, k, n, seed, objectId, excludeInstitutions, columns, warnings, error }) => {
      const run = () =>
        placeColumns({
          objectId: fromHex(objectId),
          seed: fromHex(seed),
          table: tableOf(nodes),
          k,
          n,
          nodes,
          excludeInstitutions,
        })
      if (error) expect(run).toThrow(expect.objectContaining({ code: error }))
      else expect(run()).toEqual({ columns, warnings })
    },
  )
})
