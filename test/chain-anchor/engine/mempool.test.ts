import { expect, test } from 'vitest'
import { u32be } from '../../../src/bytes.ts'
import type { Lane } from '../../../src/chain-anchor/app/lanes.ts'
import { Mempool } from '../../../src/chain-anchor/engine/mempool.ts'
import {
  BLOCK_BYTES_OF_LANE_MAX,
  BLOCK_TXS_OF_LANE_MAX,
  LANE_WEIGHT_MAX,
  STRANGER_CHAIN_BURST_BYTES,
  STRANGER_CHAIN_BYTES_PER_SECOND,
  TX_BYTES_MAX,
  TX_WEIGHT,
} from '../../../src/limits.ts'

const KIB = 1024
let made = 0

/** Lets one more wait. @returns how many lost their place, or null when there was no room. */
function put(mempool: Mempool, lane: Lane, sender: string, length = KIB): number | null {
  if (!mempool.hasRoomFor(lane, sender, length)) return null
  const hash = u32be(++made)
  const tx = new Uint8Array(length)
  tx.set(hash)
  return mempool.add(hash, tx, lane, sender).length
}

function fill(mempool: Mempool, lane: Lane, sender: string, length = KIB): number {
  let count = 0
  while (put(mempool, lane, sender, length) !== null) count++
  return count
}

test('a lane holds so much and no more, and the others have their own', () => {
  const mempool = new Mempool(0)
  expect(fill(mempool, 'rest', 'flood')).toBe(Math.floor(LANE_WEIGHT_MAX / (KIB + TX_WEIGHT)))
  expect(put(mempool, 'back', 'flood')).toBe(0)
  expect(put(mempool, 'member', 'flood')).toBe(0)
})

test('who has little in a full lane takes the place of the newest of who has most, until they are even', () => {
  const mempool = new Mempool(0)
  const held = fill(mempool, 'rest', 'flood')
  expect(put(mempool, 'rest', 'person')).toBe(1)
  const others = fill(mempool, 'rest', 'person') + 1
  expect(Math.abs(others - held / 2)).toBeLessThanOrEqual(1)
  expect(put(mempool, 'rest', 'flood')).toBeNull()
  expect(mempool.size).toBe(held)
})

test('one large transaction in the place of many small ones never overfills the lane', () => {
  const mempool = new Mempool(0)
  for (let sender = 0; put(mempool, 'rest', `s${sender % 40}`) !== null; sender++) {}
  let weight = mempool.size * (KIB + TX_WEIGHT)
  const lost = put(mempool, 'rest', 'large', TX_BYTES_MAX)!
  weight += TX_BYTES_MAX + TX_WEIGHT - lost * (KIB + TX_WEIGHT)
  expect(lost).toBeGreaterThan(1)
  expect(weight).toBeLessThanOrEqual(LANE_WEIGHT_MAX)
})

test('a block takes what comes first first, a part of every lane, and its senders in turns', () => {
  const mempool = new Mempool(0)
  fill(mempool, 'rest', 'flood')
  put(mempool, 'rest', 'person', 900)
  put(mempool, 'member', 'node', 800)
  put(mempool, 'back', 'owner', 700)
  const [first, second, ...others] = mempool.choose(0).map(({ length }) => length)
  expect([first, second]).toEqual([700, 800])
  expect(others).toHaveLength(Math.min(BLOCK_TXS_OF_LANE_MAX, BLOCK_BYTES_OF_LANE_MAX / KIB))
  expect(others.slice(0, 2)).toContain(900)
})

test('who was not served in one block comes first in the next', () => {
  const mempool = new Mempool(0)
  for (let sender = 0; sender < 2 * BLOCK_TXS_OF_LANE_MAX; sender++) put(mempool, 'rest', `s${sender}`, 100)
  const first = mempool.choose(0)
  const second = mempool.choose(0)
  expect(new Set([...first, ...second]).size).toBe(2 * BLOCK_TXS_OF_LANE_MAX)
})

test('strangers add a burst, then so many bytes a second; what takes back is not held up by that', () => {
  const mempool = new Mempool(0)
  let nowMs = 0
  const taken = () => {
    fill(mempool, 'rest', 'flood', TX_BYTES_MAX)
    const chosen = mempool.choose(nowMs)
    for (const tx of chosen) mempool.remove(tx.slice(0, 4))
    return chosen.reduce((sum, { length }) => sum + length, 0)
  }
  let burst = 0
  for (let bytes = taken(); bytes > 0; bytes = taken()) burst += bytes
  expect(burst).toBe(STRANGER_CHAIN_BURST_BYTES)
  expect(mempool.dueInMs(nowMs)).toBe((TX_BYTES_MAX * 1000) / STRANGER_CHAIN_BYTES_PER_SECOND)
  nowMs += 2000
  let later = 0
  for (let bytes = taken(); bytes > 0; bytes = taken()) later += bytes
  expect(later).toBe(2 * STRANGER_CHAIN_BYTES_PER_SECOND)
  put(mempool, 'back', 'owner', 700)
  expect(mempool.dueInMs(nowMs)).toBe(0)
  expect(mempool.choose(nowMs).map(({ length }) => length)).toEqual([700])
})

test('nothing waits, nothing is due; a clock set back stops nothing', () => {
  const mempool = new Mempool(10_000)
  expect(mempool.dueInMs(10_000)).toBe(Number.POSITIVE_INFINITY)
  put(mempool, 'rest', 'person')
  expect(mempool.dueInMs(5_000)).toBe(0)
})
