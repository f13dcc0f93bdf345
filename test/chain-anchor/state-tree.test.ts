import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareBytes, equalBytes, toHex, utf8 } from '../../src/bytes.ts'
import {
  bitOf,
  EMPTY_HASH,
  pathOf,
  stateLeafHash,
  stateNodeHash,
  verifyStateProof,
} from '../../src/chain-anchor/state/proof.ts'
import { EMPTY_ROOT, StateTree } from '../../src/chain-anchor/state/smt.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import { MemoryPages } from './memory-pages.ts'

/** The definition of the root, word for word: no pages, no cache. */
function naiveRoot(model: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const leaves = [...model].map(([key, value]) => ({ path: pathOf(utf8(key)), valueHash: sha256(value) }))
  const subtree = (members: typeof leaves, depth: number): Uint8Array => {
    if (members.length === 0) return EMPTY_HASH
    if (members.length === 1) return stateLeafHash(members[0]!.path, members[0]!.valueHash)
    const side = (bit: number) => members.filter(({ path }) => bitOf(path, depth) === bit)
    return stateNodeHash(subtree(side(0), depth + 1), subtree(side(1), depth + 1))
  }
  return subtree(leaves, 0)
}

const batches = fc.array(
  fc.array(
    fc.tuple(
      fc.integer({ min: 0, max: 60 }),
      fc.option(fc.uint8Array({ minLength: 1, maxLength: 4 }), { freq: 3 }),
    ),
    { maxLength: 12 },
  ),
  { maxLength: 8 },
)

describe('state tree', () => {
  it('keeps the same entries and root as a plain map, whatever the order of changes', () => {
    fc.assert(
      fc.property(batches, (history) => {
        const store = new MemoryPages()
        const model = new Map<string, Uint8Array>()
        let tree = new StateTree(store)
        for (const batch of history) {
          const writes = batch.map(([key, value]) => [`k${key}`, value] as const)
          tree = tree.update(writes.map(([key, value]) => [utf8(key), value] as const))
          for (const [key, value] of writes) value ? model.set(key, value) : model.delete(key)
          expect(tree.root.hash).toEqual(naiveRoot(model))
          store.prune()
        }
        const reopened = new StateTree(store, tree.root)
        const listed = [...reopened.entries()].map(({ key, value }) => [toHex(key), toHex(value)])
        const wanted = [...model].sort(([a], [b]) => compareBytes(pathOf(utf8(a)), pathOf(utf8(b))))
        expect(listed).toEqual(wanted.map(([key, value]) => [toHex(utf8(key)), toHex(value)]))
        for (let key = 0; key <= 60; key++) {
          const name = utf8(`k${key}`)
          const expected = model.get(`k${key}`) ?? null
          const { value, proof } = reopened.prove(name)
          expect(reopened.get(name)).toEqual(expected)
          expect(value).toEqual(expected)
          expect(verifyStateProof(tree.root.hash, name, value, proof)).toBe(true)
        }
        // Nothing is kept that no version needs: one record per entry and one per page.
        expect(store.records.size).toBeGreaterThanOrEqual(model.size)
        if (model.size === 0) expect(store.records.size).toBe(0)
      }),
      { numRuns: 60 },
    )
  })

  it('serves old versions until they are pruned', () => {
    const store = new MemoryPages()
    const first = new StateTree(store).update([[utf8('a'), utf8('1')]])
    const second = first.update([
      [utf8('a'), utf8('2')],
      [utf8('b'), utf8('3')],
    ])
    expect(first.get(utf8('a'))).toEqual(utf8('1'))
    expect(second.get(utf8('a'))).toEqual(utf8('2'))
    store.prune()
    expect(() => new StateTree(store, first.root).get(utf8('a'))).toThrow(
      expect.objectContaining({ code: 'INTEGRITY' }),
    )
    expect(new StateTree(store, second.root).get(utf8('b'))).toEqual(utf8('3'))
  })

  it('writes nothing when nothing changes', () => {
    const store = new MemoryPages()
    const tree = new StateTree(store).update([[utf8('a'), utf8('1')]])
    const before = store.records.size
    const writes: [Uint8Array, Uint8Array | null][] = [
      [utf8('a'), utf8('1')],
      [utf8('b'), null],
    ]
    expect(tree.update(writes)).toBe(tree)
    expect(store.records.size).toBe(before)
    expect(tree.update([[utf8('a'), null]]).root).toEqual(EMPTY_ROOT)
  })

  it('notices every damaged byte of its store', () => {
    const store = new MemoryPages()
    let tree = new StateTree(store)
    for (let key = 0; key < 40; key++) tree = tree.update([[utf8(`k${key}`), utf8(`v${key}`)]])
    store.prune()
    const read = () =>
      [...new StateTree(store, tree.root).entries()].map(({ key, value }) => toHex(key) + toHex(value)).join()
    const sound = read()
    for (const [id, record] of store.records) {
      for (let at = 0; at < record.length; at += 3) {
        const damaged = record.slice()
        damaged[at]! ^= 1 << (at % 8)
        store.records.set(id, damaged)
        expect(outcome(read)).not.toBe('other error')
        expect([sound, 'INTEGRITY']).toContain(outcome(read))
      }
      store.records.set(id, record)
    }
  })

  it('stays fast: 20,000 entries in batches of 1,000', () => {
    const store = new MemoryPages()
    let tree = new StateTree(store)
    const started = performance.now()
    for (let batch = 0; batch < 20; batch++) {
      const writes = Array.from({ length: 1000 }, (_, at) => [utf8(`${batch}/${at}`), utf8(`${at}`)] as const)
      tree = tree.update(writes)
      store.prune()
    }
    const rate = 20_000 / ((performance.now() - started) / 1000)
    // Ten times and more on a machine that does nothing else.
    expect(rate).toBeGreaterThan(100)
    expect(equalBytes(tree.root.hash, EMPTY_HASH)).toBe(false)
  })
})

function outcome(read: () => string): string {
  try {
    return read()
  } catch (error) {
    return (error as { code?: string }).code ?? 'other error'
  }
}
