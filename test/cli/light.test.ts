import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { type AnchorNode, startAnchor } from '../../src/anchor-node/anchor.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { systemClock } from '../../src/sdk/clock.ts'
import { openFolder } from '../../src/sdk/folder.ts'
import { networkFolder, writeNetworkFile } from '../../src/sdk/network/network-folder.ts'
import { networkOf, openNetworkLedger } from '../../src/sdk/network/network-ledger.ts'
import { newestRemembered } from '../../src/sdk/network/remembered-chain.ts'
import { CHAIN_ID, key, make, tx } from '../chain-anchor/app/chain-actors.ts'
import { xcare } from './xcare.ts'

const scratch = mkdtempSync(join(tmpdir(), 'xcare-light-'))
const folder = networkFolder(join(scratch, 'net'))
let anchor: AnchorNode | null = null

afterAll(async () => {
  await anchor?.stop()
  rmSync(scratch, { recursive: true, force: true })
})

async function start(): Promise<AnchorNode> {
  anchor = await startAnchor({
    dir: folder.anchor,
    listenRpcPort: 0,
    genesis: { chainId: CHAIN_ID, governors: [key('governor').publicKey] },
    remembered: (chainId) => newestRemembered(folder, chainId),
    clock: systemClock,
    random: systemRandom,
    log: () => {},
  })
  return anchor
}

async function stop(): Promise<void> {
  await anchor?.stop()
  anchor = null
}

const light = (...args: string[]) => xcare(['light', ...args, '--dir', folder.root])

test('a chain that was put back is taken by one command, which says what that costs', async () => {
  const { chainId, rpcUrl, trust } = await start()
  const network = networkOf(null, { chainId, rpcUrl, trust, nodeId: 'peer', addresses: [] })
  await writeNetworkFile(folder.root, network)
  const ledger = await openNetworkLedger(network, await openFolder(folder.wallet('owner')))
  await stop()
  cpSync(folder.anchor, join(scratch, 'copy'), { recursive: true })
  await start()
  const grant = make.grant('g', { notAfterMs: Date.now() + 3_600_000 })
  await ledger.submit(tx('grant', [grant], ['revoke g']))
  await ledger.submit(tx('revoke', [make.revoke('g')], ['revoke g']))
  const { height } = (await newestRemembered(folder, CHAIN_ID))!
  expect((await light('status')).stdout).toContain(`wallet owner: block ${height}`)

  await stop()
  rmSync(folder.anchor, { recursive: true })
  cpSync(join(scratch, 'copy'), folder.anchor, { recursive: true })
  await expect(start()).rejects.toMatchObject({
    code: 'INTEGRITY',
    message: expect.stringContaining(`wallet owner has verified block ${height}`),
    next: expect.stringContaining('light trust --restored'),
  })
  const asked = await light('trust', '--restored')
  expect(asked).toMatchObject({ exit: 2, stdout: expect.stringMatching(/is given up/) })
  expect((await newestRemembered(folder, CHAIN_ID))!.height).toBe(height)

  expect(await light('trust', '--restored', '--yes')).toMatchObject({ exit: 0 })
  expect((await newestRemembered(folder, CHAIN_ID))!.height).toBeLessThan(height)
  const again = await start()
  const after = await openNetworkLedger(
    networkOf(network, { chainId, rpcUrl: again.rpcUrl, trust: again.trust, nodeId: 'peer', addresses: [] }),
    await openFolder(folder.wallet('owner')),
  )
  expect((await after.head(30_000)).height).toBeGreaterThan(0)
})

test('a block is named by height and hash, and one with another hash is not taken', async () => {
  const before = await newestRemembered(folder, CHAIN_ID)
  expect(await light('trust', '7', '--yes')).toMatchObject({ exit: 2 })
  expect(await light('trust', '1', 'ab'.repeat(32), '--yes')).toMatchObject({ exit: 19 })
  expect(await newestRemembered(folder, CHAIN_ID)).toEqual(before)
  expect(await light('trust', '1', anchor!.trust.hash, '--yes')).toMatchObject({ exit: 0 })
  expect((await newestRemembered(folder, CHAIN_ID))!.height).toBe(1)
})
