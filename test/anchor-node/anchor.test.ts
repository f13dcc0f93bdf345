import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type AnchorNode, type AnchorOptions, startAnchor } from '../../src/anchor-node/anchor.ts'
import { toHex } from '../../src/bytes.ts'
import { decodeLightBlock } from '../../src/chain-anchor/comet/decode.ts'
import { checkLightBlock } from '../../src/chain-anchor/light/verifier.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import type { NodeId } from '../../src/ids.ts'
import type { Broadcast } from '../../src/ports.ts'
import { HEADERS_TOPIC, TXS_TOPIC } from '../../src/wire/topics.ts'
import { CHAIN_ID, key, make, tx } from '../chain-anchor/app/chain-actors.ts'
import { testFolder } from '../chain-anchor/engine/chain-folder.ts'
import { ManualClock } from '../chain-anchor/engine/manual-clock.ts'
import { spawnAnchor } from './anchor-process.ts'

const draft = { chainId: CHAIN_ID, governors: [key('governor').publicKey] }

async function start(options: Partial<AnchorOptions> = {}): Promise<AnchorNode> {
  const anchor = await startAnchor({
    dir: testFolder(),
    listenRpcPort: 0,
    genesis: draft,
    clock: new ManualClock(),
    random: systemRandom,
    log: () => undefined,
    ...options,
  })
  onTestFinished(() => anchor.stop().catch(() => undefined))
  return anchor
}

test('a folder keeps its chain, its port and its keys, and nobody else reads the keys', async () => {
  const dir = testFolder()
  const first = await start({ dir })
  await first.stop()
  const again = await start({ dir, genesis: { governors: [key('other').publicKey] } })
  expect([again.chainId, again.rpcUrl]).toEqual([CHAIN_ID, first.rpcUrl])
  expect(again.trust).toEqual(first.trust)
  expect(again.trust.hash).toMatch(/^[0-9a-f]{64}$/)
  expect(statSync(join(dir, 'keys', 'validator-1')).mode & 0o777).toBe(0o600)
})

test('a chain without a name gets one of its own', async () => {
  const names = [
    await start({ genesis: { governors: draft.governors } }),
    await start({ genesis: { governors: draft.governors } }),
  ]
  expect(names[0].chainId).toMatch(/^xcare-[0-9a-f]{8}$/)
  expect(names[0].chainId).not.toBe(names[1].chainId)
})

describe('what cannot start', () => {
  test('a folder that is in use, also by another process', async () => {
    const dir = testFolder()
    await start({ dir })
    await expect(start({ dir })).rejects.toMatchObject({ code: 'LOCKED' })
    const { said } = await spawnAnchor(dir, 1)
    expect(said).toMatchObject({ type: 'failed', code: 'LOCKED' })
  })

  test('an empty folder without a genesis, and one whose files are damaged', async () => {
    await expect(start({ genesis: undefined })).rejects.toMatchObject({ code: 'NOT_INITIALISED' })
    const dir = testFolder()
    await (await start({ dir })).stop()
    const damage = async (name: string, content: string, code: string) => {
      const path = join(dir, name)
      const before = readFileSync(path)
      writeFileSync(path, content)
      await expect(start({ dir }), name).rejects.toMatchObject({ code })
      writeFileSync(path, before)
    }
    await damage('anchor.json', '{', 'MALFORMED')
    await damage('genesis.json', '{}', 'MALFORMED')
    await damage('keys/validator-1', 'short', 'MALFORMED')
    await damage('data/sign-state', 'x', 'INTEGRITY')
    await damage('data/blocks.sqlite', 'this is not a database', 'INTEGRITY')
    chmodSync(dir, 0o700)
    await start({ dir })
  })

  test('a port that another program has; the folder is free again then', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    onTestFinished(() => void other.close())
    const { port } = other.address() as { port: number }
    const dir = testFolder()
    await expect(start({ dir, listenRpcPort: port })).rejects.toMatchObject({ code: 'PORT_IN_USE' })
    await start({ dir })
  })

  test('a chain that is older than what others remember of it', async () => {
    const dir = testFolder()
    await (await start({ dir })).stop()
    const remembered = async (chainId: string) => ({
      height: 9,
      hash: new Uint8Array(32),
      by: `a wallet of ${chainId}`,
    })
    await expect(start({ dir, remembered })).rejects.toMatchObject({
      code: 'INTEGRITY',
      message: expect.stringContaining(`a wallet of ${CHAIN_ID} has verified block 9`),
    })
    await start({ dir })
  })
})

test('a kept port that another program took gives way to the next free one, which is kept', async () => {
  const dir = testFolder()
  const first = await start({ dir })
  await first.stop()
  const other = createServer().listen(Number(new URL(first.rpcUrl).port), '127.0.0.1')
  await new Promise((resolve) => other.once('listening', resolve))
  onTestFinished(() => void other.close())
  const told: unknown[] = []
  const again = await start({ dir, log: (event) => told.push(event) })
  expect(again.rpcUrl).not.toBe(first.rpcUrl)
  expect(told).toMatchObject([{ type: 'port-taken' }])
  await again.stop()
  expect((await start({ dir })).rpcUrl).toBe(again.rpcUrl)
})

test('the newest header of each second goes out by gossip, and transactions come in by it', async () => {
  const published: { topic: string; payload: Uint8Array }[] = []
  const accepts = new Map<string, Parameters<Broadcast['subscribe']>[1]>()
  const broadcast: Broadcast = {
    publish: async (topic, payload) => {
      published.push({ topic, payload })
      throw new Error('nobody listens, which is fine')
    },
    subscribe: (topic, accept) => void accepts.set(topic, accept),
  }
  const clock = new ManualClock()
  const { rpcUrl } = await start({ broadcast, clock })
  const accept = (payload: Uint8Array) => accepts.get(TXS_TOPIC)!(payload, 'neighbour' as NodeId)
  expect(await accept(Uint8Array.of(1, 2, 3))).toBe(false)
  expect(await accept(tx('bad', [make.revoke('none')], ['x']))).toBe(false)
  const grant = tx('g', [make.grant('g')], ['revoke g'])
  expect(await accept(grant)).toBe(true)
  await clock.pass(200)
  expect(published).toEqual([])
  await clock.pass(1000)
  const blocks = published
    .filter(({ topic }) => topic === HEADERS_TOPIC)
    .map(({ payload }) => decodeLightBlock(payload))
  expect(blocks).toHaveLength(1)
  checkLightBlock(CHAIN_ID, blocks[0]!)
  const status = (await (await fetch(`${rpcUrl}/status`)).json()) as {
    result: { sync_info: object; consensus: string }
  }
  expect(status.result.consensus).toBe('single-process (not fault tolerant)')
  expect(status.result.sync_info).toMatchObject({
    latest_block_hash: toHex(blocks[0]!.commit.blockId.hash).toUpperCase(),
  })
})
