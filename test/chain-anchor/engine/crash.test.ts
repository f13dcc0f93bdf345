import {
  closeSync,
  copyFileSync,
  cpSync,
  openSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { XcareApp } from '../../../src/chain-anchor/app/app.ts'
import { grantKey } from '../../../src/chain-anchor/app/keys.ts'
import { BlockStore } from '../../../src/chain-anchor/engine/blockstore.ts'
import { EmbeddedEngine } from '../../../src/chain-anchor/engine/embedded.ts'
import { SignState } from '../../../src/chain-anchor/engine/sign-state.ts'
import { checkLightBlock } from '../../../src/chain-anchor/light/verifier.ts'
import { SqliteState } from '../../../src/chain-anchor/state/state-sqlite.ts'
import { DISK_RETRY_MS } from '../../../src/limits.ts'
import { CHAIN_ID, grantOf, make, tx } from '../app/chain-actors.ts'
import { openChain, testFolder, testGenesis, validatorKeys } from './chain-folder.ts'
import { ManualClock } from './manual-clock.ts'

const grant = (id: string) => tx(id, [make.grant(id)], [`revoke ${id}`])

/** Starts a chain whose part `broken` stops working at block 4, as if the power went. */
async function crashAt(folder: string, broken: 'block' | 'state'): Promise<void> {
  const clock = new ManualClock()
  const store = new BlockStore(join(folder, 'blocks.sqlite'))
  const state = new SqliteState(join(folder, 'state.sqlite'))
  const signState = new SignState(join(folder, 'sign-state'))
  const cut = (height: number) => {
    if (height === 4) throw new Error('the power went')
  }
  const append = store.append.bind(store)
  const commit = state.commit.bind(state)
  if (broken === 'block')
    store.append = (stored, appHash) => {
      cut(stored.block.header.height)
      append(stored, appHash)
    }
  else
    state.commit = () => {
      cut(state.head().height + 1)
      commit()
    }
  const app = new XcareApp(state, CHAIN_ID)
  const engine = EmbeddedEngine.start({
    genesis: testGenesis([10, 10, 10, 10]),
    app,
    store,
    signState,
    keys: validatorKeys(4),
    clock,
    intervalMs: 100,
  })
  const ended = expect(engine.ended).rejects.toThrow('the power went')
  engine.submit(grant('a'), 'me')
  await clock.pass(100)
  await ended
  for (const each of [store, state, signState]) each.close()
}

describe('after a crash', () => {
  const resume = (folder: string) =>
    openChain({ folder, powers: [10, 10, 10, 10], clock: new ManualClock(1_000_200) }).engine

  test('between signing and keeping a block, the next round makes another one; nothing is signed twice', async () => {
    const folder = testFolder()
    await crashAt(folder, 'block')
    const store = new BlockStore(join(folder, 'blocks.sqlite'))
    expect(store.height).toBe(3)
    store.close()
    const engine = resume(folder)
    expect(
      await engine.included(engine.submit(grant('b'), 'me').hash, AbortSignal.timeout(5000)),
    ).toMatchObject({
      height: 4,
    })
    const { block, commit, validators } = engine.block(4)!
    expect(commit.round).toBe(1)
    checkLightBlock(CHAIN_ID, { header: block.header, commit, validators })
    expect(engine.block(5)!.commit.round).toBe(0)
  })

  test('between keeping a block and its state, the block is applied again', async () => {
    const folder = testFolder()
    await crashAt(folder, 'state')
    const engine = resume(folder)
    expect(engine.height()).toBe(4)
    const query = { path: '/key', data: grantKey(grantOf('a')), height: 4, prove: true }
    expect(engine.query(query).value.length).toBeGreaterThan(0)
    expect(engine.block(4)!.commit.round).toBe(0)
  })
})

describe('what a chain refuses to continue', () => {
  test('blocks older than what was signed: a folder from an old copy', async () => {
    const folder = testFolder()
    const old = testFolder()
    const clock = new ManualClock()
    const chain = openChain({ folder, clock })
    await chain.close()
    cpSync(folder, old, { recursive: true })
    const later = openChain({ folder, clock })
    await clock.pass(5000)
    await clock.pass(5000)
    await later.close()
    copyFileSync(join(folder, 'sign-state'), join(old, 'sign-state'))
    expect(() => openChain({ folder: old, clock })).toThrowError(
      expect.objectContaining({ code: 'INTEGRITY', message: expect.stringMatching(/older copy/) }),
    )
  })

  test('blocks that somebody remembers otherwise: nothing is signed on top of them', async () => {
    const folder = testFolder()
    const clock = new ManualClock()
    await openChain({ folder, clock }).close()
    const old = testFolder()
    cpSync(folder, old, { recursive: true })
    const later = openChain({ folder, clock })
    await clock.pass(5000)
    await clock.pass(5000)
    const { id, block } = later.engine.block(4)!
    await later.close()
    const known = { height: block.header.height, hash: id.hash, by: 'guardian 1' }
    const older = expect.objectContaining({
      code: 'INTEGRITY',
      message: expect.stringMatching(/ends at block 2, and guardian 1 has verified block 4/),
      next: expect.stringContaining('light trust'),
    })
    expect(() => openChain({ folder: old, clock, known })).toThrowError(older)
    const forked = openChain({ folder: old, clock: new ManualClock(clock.ms + 77_000) })
    await forked.close()
    const another = expect.objectContaining({ message: expect.stringMatching(/has another block 4/) })
    expect(() => openChain({ folder: old, clock, known })).toThrowError(another)
    openChain({ folder, clock, known })
  })

  test('a chain whose blocks are gone, by name', async () => {
    const folder = testFolder()
    const clock = new ManualClock()
    await openChain({ folder, clock }).close()
    rmSync(join(folder, 'blocks.sqlite'))
    expect(() => openChain({ folder, clock })).toThrowError(
      expect.objectContaining({ code: 'INTEGRITY', message: expect.stringMatching(/blocks\.sqlite/) }),
    )
  })

  test('a state that is ahead of the blocks', async () => {
    const folder = testFolder()
    const other = testFolder()
    const clock = new ManualClock()
    const chain = openChain({ folder, clock })
    await clock.pass(5000)
    await chain.close()
    await openChain({ folder: other, clock: new ManualClock() }).close()
    copyFileSync(join(folder, 'state.sqlite'), join(other, 'state.sqlite'))
    expect(() => openChain({ folder: other, clock })).toThrowError(
      expect.objectContaining({ code: 'INTEGRITY' }),
    )
  })
})

describe('the record of what was signed', () => {
  const voted = new Uint8Array(32).fill(7)

  test('survives a restart and never goes back', () => {
    const path = join(testFolder(), 'sign-state')
    const first = new SignState(path)
    first.advance({ height: 1, round: 0, voted })
    first.advance({ height: 2, round: 0, voted })
    first.close()
    const again = new SignState(path)
    expect(again.last).toMatchObject({ height: 2, round: 0, voted })
    for (const next of [
      { height: 2, round: 0 },
      { height: 1, round: 5 },
    ])
      expect(() => again.advance({ ...next, voted })).toThrowError(
        expect.objectContaining({ code: 'INTEGRITY' }),
      )
    again.advance({ height: 2, round: 1, voted })
    again.close()
  })

  test('a torn write leaves the record before it; two torn ones are told', () => {
    const path = join(testFolder(), 'sign-state')
    const tear = (at: number) => {
      const file = openSync(path, 'r+')
      writeSync(file, Uint8Array.of(0xee), 0, 1, at)
      closeSync(file)
    }
    const first = new SignState(path)
    first.advance({ height: 1, round: 0, voted })
    first.advance({ height: 2, round: 0, voted })
    first.close()
    tear(512 + 10)
    const again = new SignState(path)
    expect(again.last.height).toBe(1)
    again.close()
    tear(10)
    expect(() => new SignState(path)).toThrowError(expect.objectContaining({ code: 'INTEGRITY' }))
  })
})

describe('a state that is lost', () => {
  const query = { path: '/key', data: grantKey(grantOf('a')), height: 0, prove: true }

  test.each([
    ['gone', (path: string) => rmSync(path)],
    ['garbled', (path: string) => writeFileSync(path, 'this is no database')],
    ['cut', (path: string) => truncateSync(path, 5000)],
  ])('is made again from the blocks when it is %s', async (_, harm) => {
    const folder = testFolder()
    const clock = new ManualClock()
    const chain = openChain({ folder, clock })
    chain.engine.submit(grant('a'), 'me')
    await clock.pass(100)
    for (let beat = 0; beat < 5; beat++) await clock.pass(5000)
    const { height, value, proofOps } = chain.engine.query(query)
    await chain.close()
    harm(join(folder, 'state.sqlite'))
    const events: unknown[] = []
    const again = openChain({ folder, clock, log: (event) => events.push(event) })
    expect(events).toEqual([{ type: 'state-rebuilt', blocks: height }])
    expect(again.engine.query({ ...query, height })).toMatchObject({ value, proofOps })
    await clock.pass(5000)
    expect(again.engine.height()).toBe(height + 1)
  })

  test('from an older time is brought to the newest block', async () => {
    const folder = testFolder()
    const clock = new ManualClock()
    await openChain({ folder, clock }).close()
    copyFileSync(join(folder, 'state.sqlite'), join(folder, 'old'))
    const chain = openChain({ folder, clock })
    for (let beat = 0; beat < 5; beat++) await clock.pass(5000)
    const height = chain.engine.height()
    await chain.close()
    copyFileSync(join(folder, 'old'), join(folder, 'state.sqlite'))
    const { engine } = openChain({ folder, clock })
    expect(engine.query(query).height).toBe(height)
  })
})

test('a full disk of the chain refuses by name, and space lets it go on without a restart', async () => {
  const folder = testFolder()
  const clock = new ManualClock()
  const parts = {
    store: new BlockStore(join(folder, 'blocks.sqlite')),
    state: new SqliteState(join(folder, 'state.sqlite')),
    signState: new SignState(join(folder, 'sign-state')),
  }
  const { state, ...rest } = parts
  const engine = EmbeddedEngine.start({
    ...rest,
    app: new XcareApp(state, CHAIN_ID),
    genesis: testGenesis([10]),
    keys: validatorKeys(1),
    clock,
    intervalMs: 100,
  })
  state.limitPages(20)
  const hashes = Array.from({ length: 200 }, (_, at) => engine.submit(grant(`g${at}`), 'me').hash)
  const included = engine.included(hashes[7]!, AbortSignal.timeout(60_000))
  await clock.pass(100)
  const full = expect.objectContaining({ code: 'NO_SPACE', next: expect.stringMatching(/by itself/) })
  expect(() => engine.submit(grant('late'), 'me')).toThrowError(full)
  await clock.pass(DISK_RETRY_MS)
  expect(() => engine.submit(grant('late'), 'me')).toThrowError(full)
  state.limitPages(1_000_000)
  await clock.pass(DISK_RETRY_MS)
  await clock.pass(100)
  expect(await included).toMatchObject({ result: { code: 0 } })
  const { hash } = engine.submit(grant('late'), 'me')
  const late = engine.included(hash, AbortSignal.timeout(60_000))
  await clock.pass(100)
  expect(await late).toMatchObject({ result: { code: 0 } })
  const { height } = engine.query({
    path: '/key',
    data: grantKey(grantOf('g7')),
    height: 0,
    prove: false,
  })
  expect(height).toBe(engine.height())
  await engine.stop()
  for (const each of Object.values(parts)) each.close()
})
