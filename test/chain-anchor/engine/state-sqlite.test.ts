import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { utf8 } from '../../../src/bytes.ts'
import type { StateChanges } from '../../../src/chain-anchor/app/state.ts'
import { verifyStateProof } from '../../../src/chain-anchor/state/proof.ts'
import { SqliteState } from '../../../src/chain-anchor/state/state-sqlite.ts'
import { sha256 } from '../../../src/crypto/hash.ts'
import { STATE_VERSIONS_KEPT } from '../../../src/limits.ts'
import { make, person, tx } from '../app/chain-actors.ts'
import { MemoryState, TestChain } from '../app/memory-state.ts'
import { testFolder } from './chain-folder.ts'

const changes = (writes: [string, string | null][], blobs: Uint8Array[] = []): StateChanges => {
  const unique = new Map(writes)
  const sorted = [...unique].sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    writes: sorted.map(([key, value]) => ({ key: utf8(key), value: value === null ? null : utf8(value) })),
    blobs,
  }
}

test('the SQLite state and a map in memory agree on every hash, value and list, across restarts', () => {
  const write = fc.tuple(
    fc.constantFrom('inst/a', 'inst/b', 'node/1', 'x', 'y', 'z', 'w'),
    fc.option(fc.string({ minLength: 1, maxLength: 5 })),
  )
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.array(write, { maxLength: 6 }), fc.boolean()), { maxLength: 12 }),
      (blocks) => {
        const path = join(testFolder(), 'state.sqlite')
        let real = new SqliteState(path)
        const model = new MemoryState()
        for (const [at, [writes, restart]] of blocks.entries()) {
          const block = changes(writes)
          expect(real.stage(at + 1, block)).toEqual(model.stage(at + 1, block))
          // Staging is without effect until the commit.
          if (restart) real.stage(at + 1, block)
          real.commit()
          model.commit()
          if (restart) {
            real.close()
            real = new SqliteState(path)
          }
          expect(real.head()).toEqual(model.head())
          for (const prefix of ['inst/', 'node/', 'guardian/'])
            expect(real.list(prefix)).toEqual(model.list(prefix))
          for (const { key } of block.writes) expect(real.get(key)).toEqual(model.get(key))
        }
        real.close()
      },
    ),
    { numRuns: 25 },
  )
})

test('the last versions stay provable, older ones are dropped with their pages', () => {
  const state = new SqliteState(':memory:')
  const roots: Uint8Array[] = []
  const last = STATE_VERSIONS_KEPT + 40
  for (let height = 1; height <= last; height++) {
    roots[height] = state.stage(
      height,
      changes([
        [`key ${height % 17}`, `value ${height}`],
        ['same', 'always'],
      ]),
    )
    state.commit()
  }
  for (let height = 1; height <= last; height++) {
    const key = utf8(`key ${height % 17}`)
    const proven = state.prove(key, height)
    if (height < last - STATE_VERSIONS_KEPT) expect(proven, `version ${height}`).toBeNull()
    else {
      expect(proven!.value).toEqual(utf8(`value ${height}`))
      expect(verifyStateProof(roots[height], key, proven!.value, proven!.proof)).toBe(true)
      const absent = state.prove(utf8('nothing'), height)!
      expect(verifyStateProof(roots[height], utf8('nothing'), null, absent.proof)).toBe(true)
    }
  }
  expect(state.get(utf8('same'))).toEqual(utf8('always'))
  state.close()
})

test('public bytes are kept under their hash', () => {
  const state = new SqliteState(':memory:')
  const content = utf8('a slot table')
  state.stage(1, changes([], [content]))
  expect(state.blob(sha256(content))).toBeNull()
  state.commit()
  expect(state.blob(sha256(content))).toEqual(content)
  state.close()
})

test('the application comes to the same hashes over either state, whatever is checked or asked in between', () => {
  const plain = new TestChain(new MemoryState())
  const busy = new TestChain(new SqliteState(':memory:'))
  const ana = person('ana')
  const blocks = [
    [tx('1', [make.institution('a'), make.institution('b')], ['governor'])],
    [
      tx('2', [make.node('a'), make.guardian('b')], ['inst a', 'node a', 'inst b', 'guardian b']),
      tx('3', [ana.register], ['ana']),
    ],
    [tx('4', [make.record('o', 'owner')], ['owner']), tx('5', [make.record('o', 'thief')], ['thief'])],
    [],
    [tx('6', [make.grant('g')], ['revoke g']), tx('7', [make.revoke('g')], ['revoke g'])],
  ]
  for (const block of blocks) {
    for (const each of [...block].reverse()) busy.app.checkTx(each)
    busy.app.query({ path: '/key', data: utf8('params'), height: 0, prove: true })
    busy.app.finalizeBlock({ txs: [], hash: sha256(), height: busy.height + 1, timeMs: 5, appVersion: 1 })
    expect(busy.block(...block)).toEqual(plain.block(...block))
    expect(busy.appHash).toEqual(plain.appHash)
  }
})
