import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { GuardianStore } from '../../src/guardian-node/store.ts'
import { testRandom } from './ports.ts'

const fill = (byte: number, length = 32) => new Uint8Array(length).fill(byte)
const owner = { guardianId: 'g', network: 'n', storeKey: fill(9), random: testRandom('store') }
const row = { objectId: fill(1), epoch: 1, version: 1, index: 0, policyHash: fill(2), ownerKey: fill(3) }
const share = { index: 0, salt: fill(8), share: fill(7, 33), path: [] }

function path(): string {
  const folder = mkdtempSync(join(tmpdir(), 'xcare-store-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return join(folder, 'guardian.sqlite')
}

test('shares of an earlier version are read on, count as held for long, and one row of each object stays', async () => {
  const file = path()
  const before = new GuardianStore(file, owner)
  const kept = { ...row, noticeKey: fill(4, 1216), noticeTag: fill(5), sinceMs: 1000 }
  await before.keepShare(kept, share)
  const opened = before.openShare(before.share(row.objectId)!)
  before.close()
  const db = new Database(file)
  db.exec('ALTER TABLE shares DROP COLUMN since_ms')
  db.exec('ALTER TABLE shares DROP COLUMN anchored')
  const old =
    'INSERT INTO shares SELECT object, 0, version, place, NULL, policy, owner, notice_key, notice_tag FROM shares'
  db.exec(old)
  db.close()
  const after = new GuardianStore(file, owner)
  const found = after.share(row.objectId)!
  expect(found).toMatchObject({ epoch: 1, sinceMs: 0, isAnchored: false, noticeTag: fill(5) })
  expect(after.openShare(found)).toEqual(opened)
  expect(after.sharesAfter(0, 10)).toHaveLength(1)
  after.close()
})

test('one write that fails takes the others of its turn along, and the count of letters with it', async () => {
  const store = new GuardianStore(':memory:', owner)
  const letter = store.keepLetter('clinic', 'owner', fill(1), 1)
  const failing = store.durably(() => {
    throw new Error('disk')
  })
  await expect(letter).rejects.toThrow('disk')
  await expect(failing).rejects.toThrow('disk')
  expect(store.mailbox.has('clinic')).toBe(false)
  expect(await store.keepLetter('clinic', 'owner', fill(1), 1)).toBe(true)
  expect(store.mailbox.has('clinic')).toBe(true)
  store.close()
})
