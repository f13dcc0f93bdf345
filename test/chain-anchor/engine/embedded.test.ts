import { expect, test } from 'vitest'
import { equalBytes, toHex } from '../../../src/bytes.ts'
import { dataHash, resultsHash } from '../../../src/chain-anchor/comet/block.ts'
import { commitHash } from '../../../src/chain-anchor/comet/commit.ts'
import { addMs, compareTime, timeFromMs } from '../../../src/chain-anchor/comet/time.ts'
import type { LightBlock } from '../../../src/chain-anchor/comet/types.ts'
import type { Engine } from '../../../src/chain-anchor/engine/engine.ts'
import { checkLightBlock, verifyLightBlock } from '../../../src/chain-anchor/light/verifier.ts'
import { TRUSTING_PERIOD_MS } from '../../../src/limits.ts'
import { CHAIN_ID, make, tx } from '../app/chain-actors.ts'
import { openChain, testFolder, testGenesis, validatorKeys } from './chain-folder.ts'
import { ManualClock, settle } from './manual-clock.ts'

const never = new AbortController().signal
const grant = (id: string) => tx(id, [make.grant(id)], [`revoke ${id}`])

function lightBlock(engine: Engine, height: number): LightBlock {
  const { block, commit, validators } = engine.block(height)!
  return { header: block.header, commit, validators }
}

test.each([[[10]], [[10, 10, 10, 10]], [[1, 50, 7, 7, 30]]])(
  'every block of validators with power %j passes a light client, one by one and skipping',
  async (powers) => {
    const clock = new ManualClock()
    const { engine } = openChain({ powers, clock })
    for (let at = 0; at < 6; at++) {
      engine.submit(grant(`g${at}`), 'me')
      await clock.pass(150)
    }
    await clock.pass(5000)
    expect(engine.height()).toBe(15)
    const rules = {
      now: addMs(timeFromMs(clock.ms), 1000),
      trustingPeriodMs: TRUSTING_PERIOD_MS,
      driftMs: 0,
      trustLevel: { numerator: 1n, denominator: 3n },
    }
    for (let height = 1; height < engine.height(); height++) {
      const [one, next, newest] = [height, height + 1, engine.height()].map((at) => lightBlock(engine, at))
      checkLightBlock(CHAIN_ID, one)
      verifyLightBlock({ header: one.header, validators: one.validators }, next, rules)
      if (newest.header.height > height + 1)
        verifyLightBlock({ header: one.header, validators: one.validators }, newest, rules)
      expect(equalBytes(next.header.lastBlockId.hash, one.commit.blockId.hash)).toBe(true)
      expect(compareTime(next.header.time, one.header.time)).toBeGreaterThan(0)
    }
  },
)

test('headers commit to transactions, results and the commit before', async () => {
  const clock = new ManualClock()
  const { engine } = openChain({ clock, powers: [10, 10, 10, 10] })
  const txs = [grant('a'), tx('bad', [make.grant('a')], ['revoke a'])]
  expect(engine.submit(txs[0], 'me').answer.code).toBe(0)
  expect(engine.submit(txs[1], 'me').answer).toMatchObject({
    code: 8,
    codespace: 'xcare',
    log: 'This grant exists already.',
  })
  await clock.pass(100)
  const [made, proof] = [3, 4].map((height) => engine.block(height)!)
  expect(made.block.txs).toEqual([txs[0]])
  expect(made.block.header.dataHash).toEqual(dataHash([txs[0]]))
  expect(proof.block.txs).toEqual([])
  expect(proof.block.header.lastResultsHash).toEqual(
    resultsHash([{ code: 0, data: new Uint8Array(0), gasWanted: 0, gasUsed: 0 }]),
  )
  expect(proof.block.header.lastCommitHash).toEqual(commitHash(made.commit))
  expect(toHex(proof.block.header.appHash)).not.toBe(toHex(made.block.header.appHash))
  expect(toHex(engine.block(1)!.block.header.dataHash)).toMatch(/^e3b0c442/)
})

test('proposers take turns by their power', async () => {
  const clock = new ManualClock()
  const { engine } = openChain({ powers: [10, 20, 30], clock })
  for (let at = 0; at < 58; at++) await clock.pass(5000)
  const turns = new Map<string, number>()
  for (let height = 1; height <= 60; height++) {
    const name = toHex(engine.block(height)!.block.header.proposerAddress)
    turns.set(name, (turns.get(name) ?? 0) + 1)
  }
  expect(engine.block(60)!.validators.map(({ address }) => turns.get(toHex(address)))).toEqual([30, 20, 10])
})

test('blocks come when something waits, with a proof right behind, else as a heartbeat', async () => {
  const clock = new ManualClock()
  const { engine } = openChain({ clock, intervalMs: 100 })
  expect(engine.height()).toBe(2)
  await clock.pass(4999)
  expect(engine.height()).toBe(2)
  await clock.pass(1)
  expect(engine.height()).toBe(3)
  const seen: number[] = []
  engine.onBlock(({ header }) => seen.push(header.height))
  clock.ms += 100
  const place = engine.included(engine.submit(grant('a'), 'me').hash, never)
  await settle()
  expect(await place).toMatchObject({ height: 4, index: 0, result: { code: 0 } })
  expect(seen).toEqual([4, 5])
  engine.submit(grant('b'), 'me')
  await clock.pass(99)
  expect(engine.height()).toBe(5)
  await clock.pass(1)
  expect(engine.height()).toBe(7)
})

test('a clock set back a day stops neither blocks nor their order in time', async () => {
  const clock = new ManualClock()
  const { engine } = openChain({ clock })
  clock.ms -= 86_400_000
  engine.submit(grant('a'), 'me')
  await clock.pass(100)
  expect(engine.height()).toBe(4)
  expect(compareTime(engine.block(4)!.block.header.time, engine.block(3)!.block.header.time)).toBeGreaterThan(
    0,
  )
})

test('a chain that slept for a month tells the right time as soon as it is back', async () => {
  const folder = testFolder()
  const clock = new ManualClock()
  const first = openChain({ folder, clock })
  await first.close()
  clock.ms += 30 * 86_400_000
  const { engine } = openChain({ folder, clock })
  expect(engine.block(engine.height())!.block.header.time).toEqual(timeFromMs(clock.ms))
})

test('a second process is locked out, and a genesis of several institutions is not played by one', () => {
  const folder = testFolder()
  openChain({ folder })
  expect(() => openChain({ folder })).toThrowError(expect.objectContaining({ code: 'LOCKED' }))
  const genesis = testGenesis([10, 10])
  genesis.validators[1].institution = 'other'
  const refused = { genesis, keys: validatorKeys(2) }
  expect(() => openChain(refused)).toThrowError(expect.objectContaining({ code: 'USAGE' }))
  expect(openChain({ ...refused, allowSeveralInstitutions: true }).engine.consensus).toBe(
    'single-process (not fault tolerant)',
  )
})

test('a transaction waits once', () => {
  const { engine } = openChain({})
  const first = engine.submit(grant('a'), 'me')
  expect(engine.submit(grant('a'), 'me')).toEqual(first)
})

test('giving up the wait for a transaction does not take it out of the queue', async () => {
  const clock = new ManualClock()
  const { engine } = openChain({ clock, intervalMs: 100 })
  const gone = new AbortController()
  const hash = engine.submit(grant('a'), 'me').hash
  const waiting = engine.included(hash, gone.signal)
  gone.abort(new Error('gone'))
  await expect(waiting).rejects.toThrow('gone')
  await clock.pass(100)
  expect(engine.find(hash)).toMatchObject({ height: 3, index: 0 })
})
