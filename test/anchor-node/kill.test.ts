import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { XcareApp } from '../../src/chain-anchor/app/app.ts'
import { decodeGenesis, encodeAppState } from '../../src/chain-anchor/app/genesis.ts'
import { grantKey } from '../../src/chain-anchor/app/keys.ts'
import { lineCheck, verifyCommitByIndex } from '../../src/chain-anchor/comet/commit.ts'
import { timeToMs } from '../../src/chain-anchor/comet/time.ts'
import { BlockStore } from '../../src/chain-anchor/engine/blockstore.ts'
import { rpcProvider } from '../../src/chain-anchor/light/rpc-provider.ts'
import { SqliteState } from '../../src/chain-anchor/state/state-sqlite.ts'
import { asXcareError } from '../../src/errors.ts'
import { grantOf, make, tx } from '../chain-anchor/app/chain-actors.ts'
import { type AnchorProcess, startAnchorProcess } from './anchor-process.ts'

const KILLS = 4
const clock = {
  nowMs: () => Date.now(),
  sleep: async (ms: number, signal?: AbortSignal) => wait(ms, undefined, { signal }),
}
const dir = mkdtempSync(join(tmpdir(), 'xcare-kill-'))
const running: AnchorProcess[] = []

afterAll(async () => {
  for (const anchor of running) await anchor.end('SIGKILL')
  rmSync(dir, { recursive: true, force: true })
})

/** Submits grants one after the other until the anchor is gone. @returns the names of those that were acknowledged. */
async function submitUntilCut(rpcUrl: string, name: string, onAnswer: () => void): Promise<string[]> {
  const endpoint = rpcProvider(rpcUrl, clock)
  const acknowledged: string[] = []
  for (let count = 0; ; count++) {
    const grant = `${name} ${count}`
    const message = make.grant(grant, { notAfterMs: 4_000_000_000_000 })
    try {
      await endpoint.submit(tx(grant, [message], [`revoke ${grant}`], { validUntilHeight: 10_000 }))
      acknowledged.push(grant)
      onAnswer()
    } catch (error) {
      if (asXcareError(error).code === 'REFUSED') throw error
      return acknowledged
    }
  }
}

test(`killed ${KILLS} times while it works, the chain loses nothing it acknowledged and can be replayed`, async () => {
  const acknowledged: string[] = []
  for (let kill = 0; kill < KILLS; kill++) {
    const anchor = await startAnchorProcess(dir, 4)
    running.push(anchor)
    let answers = 0
    const answersWanted = 2 + Math.floor(Math.random() * 10)
    const { promise: enough, resolve } = Promise.withResolvers<void>()
    const onAnswer = () => {
      if (++answers === answersWanted) resolve()
    }
    const clients = [0, 1, 2].map((client) => submitUntilCut(anchor.rpcUrl, `${kill} ${client}`, onAnswer))
    await enough
    // Somewhere in the making of the next blocks.
    await wait(Math.random() * 20)
    await anchor.end('SIGKILL')
    acknowledged.push(...(await Promise.all(clients)).flat())
  }
  expect(acknowledged.length).toBeGreaterThanOrEqual(2 * KILLS)

  const anchor = await startAnchorProcess(dir, 4)
  const endpoint = rpcProvider(anchor.rpcUrl, clock)
  for (const grant of acknowledged)
    expect((await endpoint.query('/key', grantKey(grantOf(grant)), 0)).value, grant).not.toBeNull()
  await anchor.end('SIGTERM')
  expectReplay()
})

/** Applies all blocks to an empty state: every header must carry the hash that comes out, every commit all signatures. */
function expectReplay(): void {
  const genesis = decodeGenesis(readFileSync(join(dir, 'genesis.json'), 'utf8'))
  const blocks = new BlockStore(join(dir, 'data', 'blocks.sqlite'))
  const app = new XcareApp(new SqliteState(':memory:'), genesis.chainId)
  let { appHash } = app.initChain({
    chainId: genesis.chainId,
    appState: encodeAppState(genesis.params),
    initialHeight: 1,
  })
  let before = new Uint8Array(0)
  for (let height = 1; height <= blocks.height; height++) {
    const { block, id, commit, validators } = blocks.block(height)!
    const { header, txs } = block
    expect(header.appHash, `app hash of block ${height}`).toEqual(appHash)
    expect(header.lastBlockId.hash).toEqual(before)
    verifyCommitByIndex(validators, commit, lineCheck(genesis.chainId, commit))
    appHash = app.finalizeBlock({
      ...{ txs, hash: id.hash, height, timeMs: timeToMs(header.time) },
      appVersion: header.version.app,
    }).appHash
    app.commit()
    before = new Uint8Array(id.hash)
  }
  blocks.close()
  const state = new SqliteState(join(dir, 'data', 'state.sqlite'))
  expect(state.head()).toEqual({ height: app.info().lastBlockHeight, appHash })
  state.close()
}
