import { expect, test } from 'vitest'
import { GuardianStore } from '../../src/guardian-node/store.ts'
import {
  LETTER_KEPT_MS,
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
  const large = new Uint8Array(MAILBOX_BYTES_MAX / 2)
  expect(box.put('lab', 'a', large, NOW_MS)).toBe(true)
  expect(box.put('lab', 'b', large, NOW_MS)).toBe(true)
  expect(box.put('lab', 'c', letter, NOW_MS)).toBe(false)
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
