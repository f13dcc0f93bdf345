import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { openMailbox } from '../../src/guardian-node/mailbox.ts'
import { GuardianStore } from '../../src/guardian-node/store.ts'
import {
  LETTER_KEPT_MS,
  LETTER_WEIGHT,
  MAILBOX_BYTES_MAX,
  MAILBOX_LETTERS_MAX,
  MAILBOX_SENDER_LETTERS_MAX,
} from '../../src/limits.ts'
import { testRandom } from './ports.ts'

const NOW_MS = 1_800_000_000_000
const letter = new Uint8Array(10).fill(1)
const open = () => {
  const owner = { guardianId: 'g', network: 'n', storeKey: new Uint8Array(32), random: testRandom('mailbox') }
  return new GuardianStore(':memory:', owner).mailbox
}

test('one sender cannot fill the box of a recipient', () => {
  const box = open()
  for (let at = 0; at < MAILBOX_SENDER_LETTERS_MAX; at++)
    expect(box.put('clinic', 'spammer', letter, NOW_MS)).toBe(true)
  expect(box.put('clinic', 'spammer', letter, NOW_MS)).toBe(false)
  expect(box.put('clinic', 'owner', letter, NOW_MS)).toBe(true)
  expect(box.put('other', 'spammer', letter, NOW_MS)).toBe(true)
})

test('many senders cannot fill it beyond its letters and bytes', () => {
  const box = open()
  for (let at = 0; at < MAILBOX_LETTERS_MAX; at++) box.put('clinic', `sender ${at}`, letter, NOW_MS)
  expect(box.put('clinic', 'one more', letter, NOW_MS)).toBe(false)
})

test('in a full box the oldest letter of who has most goes for who has less', () => {
  const box = open()
  const large = new Uint8Array(MAILBOX_BYTES_MAX / 4 - LETTER_WEIGHT)
  for (let at = 0; at < 4; at++) expect(box.put('lab', 'spammer', large.fill(at), NOW_MS)).toBe(true)
  expect(box.put('lab', 'spammer', letter, NOW_MS)).toBe(false)
  expect(box.put('lab', 'owner', letter, NOW_MS)).toBe(true)
  const { letters } = box.take('lab', 0, MAILBOX_BYTES_MAX, NOW_MS)
  expect(letters.map(({ letter: bytes }) => bytes[0])).toEqual([1, 2, 3, 1])
})

test('when the room is full, the fullest box makes room for the others, and a flood to many for none', () => {
  const weight = 1000 + LETTER_WEIGHT
  const box = openMailbox(new Database(':memory:'), (who) => who, 100 * weight)
  const bytes = new Uint8Array(1000)
  let kept = 0
  for (let at = 0; at < 300; at++) if (box.put(`made up ${at % 20}`, `s${at}`, bytes, NOW_MS)) kept++
  expect(kept).toBe(100)
  for (let at = 0; at < 4; at++) expect(box.put('clinic', 'owner', bytes, NOW_MS)).toBe(true)
  for (let at = 0; at < 20; at++) box.put(`made up ${at}`, 'again', bytes, NOW_MS)
  expect(box.take('clinic', 0, 1e6, NOW_MS).letters).toHaveLength(4)
})

test('counts are those of the disk after a restart, and an older store is read on', () => {
  const db = new Database(':memory:')
  db.exec(`CREATE TABLE letters (number INTEGER PRIMARY KEY AUTOINCREMENT, recipient TEXT NOT NULL,
    sender TEXT NOT NULL, letter BLOB NOT NULL, bytes INTEGER NOT NULL, time_ms INTEGER NOT NULL);
    CREATE INDEX letters_recipient ON letters (recipient, number);
    CREATE INDEX letters_time ON letters (time_ms);`)
  db.prepare('INSERT INTO letters VALUES (7, ?, ?, ?, ?, ?)').run('clinic', 'owner', letter, 10, NOW_MS)
  const box = openMailbox(db, (who) => who)
  expect(box.has('clinic')).toBe(true)
  for (let at = 0; at < MAILBOX_LETTERS_MAX - 1; at++) box.put('clinic', `s${at}`, letter, NOW_MS)
  const again = openMailbox(db, (who) => who)
  expect(again.put('clinic', 'one more', letter, NOW_MS)).toBe(false)
  expect(again.take('clinic', 7, 1000, NOW_MS).letters[0]!.number).toBe(8)
  expect(again.put('clinic', 'one more', letter, NOW_MS)).toBe(true)
})

test('what a put looks at does not grow with what is stored: no sum goes through the letters', () => {
  const db = new Database(':memory:')
  openMailbox(db, (who) => who)
  const plan = (sql: string) =>
    (db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all() as { detail: string }[]).map(({ detail }) => detail).join()
  expect(
    plan(
      'SELECT number, sender, bytes FROM letters INDEXED BY letters_box WHERE recipient = 1 ORDER BY number',
    ),
  ).toMatch(/COVERING/)
  expect(
    plan('SELECT number, recipient, bytes FROM letters INDEXED BY letters_time WHERE time_ms < 1'),
  ).toMatch(/COVERING/)
})

test('letters expire, also unread', () => {
  const box = open()
  box.put('clinic', 'owner', letter, NOW_MS)
  expect(box.take('clinic', 0, 1000, NOW_MS + LETTER_KEPT_MS).letters).toHaveLength(1)
  expect(box.take('clinic', 0, 1000, NOW_MS + LETTER_KEPT_MS + 1).letters).toHaveLength(0)
})

test('an answer takes whole letters only, in order, and says that more wait', () => {
  const box = open()
  for (let at = 0; at < 3; at++) box.put('clinic', 'owner', new Uint8Array(400).fill(at), NOW_MS)
  const first = box.take('clinic', 0, 1000, NOW_MS)
  expect(first.letters.map(({ letter: bytes }) => bytes[0])).toEqual([0, 1])
  expect(first.more).toBe(true)
  const last = first.letters[1]!.number
  expect(box.take('clinic', last, 1000, NOW_MS)).toMatchObject({
    letters: [{ number: last + 1 }],
    more: false,
  })
  expect(box.take('other', last + 1, 1000, NOW_MS).letters).toEqual([])
})
