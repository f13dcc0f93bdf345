import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import { assignSlots, slotQuotas, type WeightedNode } from '../../src/fragment/slots.ts'
import { SLOTS } from '../../src/limits.ts'
import vectors from '../vectors/placement.json' with { type: 'json' }

const equal = (count: number): WeightedNode[] =>
  Array.from({ length: count }, (_, at) => ({ nodeId: `node-${String(at).padStart(5, '0')}`, weight: 1 }))

const countsOf = (table: Uint16Array, nodes: number): Uint32Array => {
  const counts = new Uint32Array(nodes)
  for (const node of table) counts[node]++
  return counts
}

/** Slots whose node id differs between two tables. */
function moved(before: WeightedNode[], old: Uint16Array, after: WeightedNode[], table: Uint16Array): number {
  return table.reduce((sum, node, slot) => sum + Number(after[node].nodeId !== before[old[slot]].nodeId), 0)
}

/** What no table can avoid: slots that nodes must take beyond those they hold. */
function necessary(before: WeightedNode[], old: Uint16Array, after: WeightedNode[]): number {
  const held = countsOf(old, before.length)
  const had = new Map(before.map(({ nodeId }, at) => [nodeId, held[at]]))
  const quotas = slotQuotas(after.map(({ weight }) => weight))
  return after.reduce((sum, { nodeId }, at) => sum + Math.max(0, quotas[at] - (had.get(nodeId) ?? 0)), 0)
}

const bytesOf = (table: Uint16Array) => new Uint8Array(table.buffer, table.byteOffset, table.byteLength)
const previous = (nodes: WeightedNode[], table: Uint16Array) => ({
  nodeIds: nodes.map(({ nodeId }) => nodeId),
  table,
})

describe('slot table', () => {
  it.each([1, 2, 40, 500, 1000])('%i equal nodes hold equal shares, and it is said how fast', (count) => {
    const start = performance.now()
    const counts = countsOf(assignSlots(equal(count), null), count)
    console.info(`slot table of ${count} nodes: ${(performance.now() - start).toFixed(1)} ms`)
    const ideal = SLOTS / count
    expect(Math.max(...counts)).toBe(Math.ceil(ideal))
    expect(Math.min(...counts)).toBe(Math.floor(ideal))
    expect(Math.max(...counts) / ideal).toBeLessThanOrEqual(1.1)
  })

  it('gives every weight its share within one slot, and joins and leaves move only what they must', () => {
    const weights = fc.array(fc.integer({ min: 1, max: 0xffffffff }), { minLength: 2, maxLength: 24 })
    fc.assert(
      fc.property(weights, fc.nat(), fc.nat(), (list, leave, join) => {
        const before = list.map((weight, at) => ({ nodeId: `n${String(at).padStart(3, '0')}`, weight }))
        const total = list.reduce((sum, weight) => sum + weight, 0)
        const table = assignSlots(before, null)
        countsOf(table, list.length).forEach((count, at) => {
          expect(Math.abs(count - (SLOTS * list[at]) / total)).toBeLessThan(1)
        })
        const after = before.filter((_, at) => at !== leave % list.length)
        after.push({ nodeId: 'z', weight: (join % 0xffffffff) + 1 })
        const next = assignSlots(after, previous(before, table))
        expect(moved(before, table, after, next)).toBe(necessary(before, table, after))
        expect([...countsOf(next, after.length)]).toEqual([...slotQuotas(after.map(({ weight }) => weight))])
      }),
      { numRuns: 15 },
    )
  })

  it('one node of 1,000 that leaves moves its own slots alone', () => {
    const before = equal(1000)
    const table = assignSlots(before, null)
    const after = before.toSpliced(500, 1)
    expect(moved(before, table, after, assignSlots(after, previous(before, table)))).toBe(
      countsOf(table, 1000)[500],
    )
  })

  it('changes nothing when nothing changed, and is the same twice', () => {
    const nodes = equal(77)
    const table = assignSlots(nodes, null)
    expect(assignSlots(nodes, null)).toEqual(table)
    expect(assignSlots(nodes, previous(nodes, table))).toEqual(table)
  })

  it('spreads small nodes over the whole table', () => {
    const nodes = [
      { nodeId: 'a', weight: 1 },
      { nodeId: 'b', weight: 15 },
    ]
    const table = assignSlots(nodes, null)
    for (let quarter = 0; quarter < 4; quarter++) {
      const part = table.subarray((quarter * SLOTS) / 4, ((quarter + 1) * SLOTS) / 4)
      expect(countsOf(part, 2)[0]).toBeGreaterThan(180)
    }
  })

  it('refuses what it cannot serve', () => {
    const malformed = expect.objectContaining({ code: 'MALFORMED' })
    expect(() => assignSlots([], null)).toThrow(expect.objectContaining({ code: 'TOO_FEW_NODES' }))
    expect(() => assignSlots(equal(2).reverse(), null)).toThrow(malformed)
    expect(() => assignSlots([...equal(1), ...equal(1)], null)).toThrow(malformed)
    for (const weight of [0, -1, 1.5, 2 ** 32, Number.NaN])
      expect(() => assignSlots([{ nodeId: 'a', weight }], null)).toThrow(malformed)
    expect(() => assignSlots(equal(SLOTS + 1), null)).toThrow(malformed)
    expect(() => assignSlots(equal(1), { nodeIds: ['a'], table: new Uint16Array(3) })).toThrow(malformed)
    expect(() => assignSlots(equal(1), { nodeIds: ['a'], table: new Uint16Array(SLOTS).fill(1) })).toThrow(
      malformed,
    )
  })
})

describe('slot vectors', () => {
  it.each(vectors.slots)('$name', ({ nodes, after, tableSha256, first, afterSha256 }) => {
    const table = assignSlots(nodes, null)
    expect([...table.subarray(0, first.length)]).toEqual(first)
    expect(toHex(sha256(bytesOf(table)))).toBe(tableSha256)
    expect(toHex(sha256(bytesOf(assignSlots(after, previous(nodes, table)))))).toBe(afterSha256)
  })
})
