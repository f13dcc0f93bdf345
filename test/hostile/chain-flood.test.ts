import { expect, test } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { judgeTx } from '../../src/chain-anchor/app/execute.ts'
import { APP_VERSION } from '../../src/chain-anchor/app/genesis.ts'
import { laneOf } from '../../src/chain-anchor/app/lanes.ts'
import { StateOverlay } from '../../src/chain-anchor/app/state.ts'
import { decodeTx, txHash } from '../../src/chain-anchor/app/tx.ts'
import { BLOCK_TXS_OF_LANE_MAX } from '../../src/limits.ts'
import { CHAIN_ID, make, tx } from '../chain-anchor/app/chain-actors.ts'
import { MemoryState } from '../chain-anchor/app/memory-state.ts'
import { openChain } from '../chain-anchor/engine/chain-folder.ts'
import { ManualClock } from '../chain-anchor/engine/manual-clock.ts'

const grant = (id: string) => tx(id, [make.grant(id)], [`revoke ${id}`])
const revoke = (name: string, id = `back ${name}`) => tx(id, [make.revoke(name)], [`revoke ${name}`])

test('an owner takes a permission back in the next block, however many transactions strangers have waiting', async () => {
  const clock = new ManualClock()
  const { engine } = openChain({ clock, intervalMs: 100 })
  engine.submit(grant('to the clinic'), 'owner')
  await clock.pass(100)
  for (let at = 0; at < 3 * BLOCK_TXS_OF_LANE_MAX; at++) engine.submit(grant(`flood ${at}`), 'gossip')
  const before = engine.height()
  const { hash, answer } = engine.submit(revoke('to the clinic'), 'owner')
  expect(answer).toMatchObject({ code: 0 })
  await clock.pass(100)
  expect(engine.find(hash)).toMatchObject({ height: before + 1, index: 0, result: { code: 0 } })
  expect(engine.block(before + 1)!.block.txs).toHaveLength(BLOCK_TXS_OF_LANE_MAX + 1)
})

test('a stranger’s own permissions taken back over and over wait with the rest', () => {
  const state = new StateOverlay(new MemoryState())
  const context = { chainId: CHAIN_ID, rules: APP_VERSION, height: 3, timeMs: 1_000_000 }
  const judge = (bytes: Uint8Array) =>
    judgeTx(
      state,
      context,
      bytes,
      () => true,
      () => true,
    ).outcome.code
  const lane = (bytes: Uint8Array) => laneOf(state, decodeTx(bytes).body.messages)
  // What is in no block yet cannot come before the block that brings it.
  expect(lane(revoke('g'))).toBe('rest')
  expect(judge(grant('g'))).toBe(0)
  expect(lane(revoke('g'))).toBe('back')
  expect(judge(revoke('g'))).toBe(0)
  expect(judge(revoke('g', 'again'))).toBe(0)
  expect(lane(revoke('g', 'once more'))).toBe('rest')
  expect(lane(tx('mixed', [make.revoke('g'), make.grant('h')], ['revoke g', 'revoke h']))).toBe('rest')
})

test('signatures are checked last: what the rules or a full lane refuse costs none', () => {
  const state = new StateOverlay(new MemoryState())
  const context = { chainId: CHAIN_ID, rules: APP_VERSION, height: 3, timeMs: 1_000_000 }
  let checks = 0
  const judge = (bytes: Uint8Array, hasRoom = true) =>
    judgeTx(
      state,
      context,
      bytes,
      () => Boolean(++checks),
      () => hasRoom,
    ).outcome.code
  expect(judge(revoke('nobody gave this'))).not.toBe(0)
  expect(judge(tx('other chain', [make.grant('x')], ['revoke x'], { chainId: 'xcare-other' }))).not.toBe(0)
  expect(judge(grant('full'), false)).not.toBe(0)
  expect(checks).toBe(0)
  expect(judge(grant('good'))).toBe(0)
  expect(checks).toBe(1)
})

test('one whose place went to somebody with less is told so', async () => {
  const clock = new ManualClock()
  const { engine } = openChain({ clock, intervalMs: 100 })
  const waiting = new Map<string, Promise<unknown>>()
  const flood = (at: number) => {
    const bytes = grant(`flood ${at}`)
    const ended = engine.included(txHash(bytes), new AbortController().signal)
    waiting.set(
      toHex(txHash(bytes)),
      ended.catch((error: Error) => error),
    )
    engine.submit(bytes, 'gossip')
    return bytes
  }
  let at = 0
  expect(() => {
    for (;;) flood(at++)
  }).toThrow('too many transactions wait')
  engine.submit(grant('person'), 'person')
  const newest = toHex(txHash(grant(`flood ${at - 2}`)))
  expect(await waiting.get(newest)).toMatchObject({ code: 'BUSY' })
})
