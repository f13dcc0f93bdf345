import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { LightStore } from '../../src/chain-anchor/light/store.ts'
import { openFolder } from '../../src/sdk/folder.ts'
import { networkFolder } from '../../src/sdk/network/network-folder.ts'
import { networkOf } from '../../src/sdk/network/network-ledger.ts'
import { newestRemembered } from '../../src/sdk/network/remembered-chain.ts'
import { writeRoleFile } from '../../src/sdk/roles/role-folder.ts'
import { FakeChain, members } from '../chain-anchor/light/fake-chain.ts'

const started = {
  chainId: 'xcare-1',
  rpcUrl: 'http://127.0.0.1:2',
  trust: { height: 900, hash: 'bb' },
  nodeId: 'peer',
  addresses: [],
}
const kept = {
  network: 'xcare-1',
  rpc: ['http://127.0.0.1:1', 'https://elsewhere.example'],
  trust: { height: 2, hash: 'aa' },
  bootstrap: [],
}

test('the first trust root of a network stays, whatever its chain says at a later start', () => {
  expect(networkOf(null, started).trust).toEqual(started.trust)
  expect(networkOf(kept, started)).toEqual({
    network: 'xcare-1',
    rpc: ['http://127.0.0.1:2', 'https://elsewhere.example'],
    trust: kept.trust,
    bootstrap: [{ nodeId: 'peer', addresses: [] }],
  })
})

test('a folder that knows one network is never given to another', () => {
  expect(() => networkOf(kept, { ...started, chainId: 'xcare-2' })).toThrowError(
    expect.objectContaining({ code: 'REFUSED' }),
  )
})

test('the newest block that any part or wallet of a folder remembers is found, of this chain only', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'xcare-memory-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  const folder = networkFolder(dir)
  expect(await newestRemembered(folder, 'fake-1')).toBeNull()
  const chain = new FakeChain(members(3)).grow(9)
  const keep = async (path: string, height: number, of = chain) =>
    new LightStore(await openFolder(path), of.chainId).save(of.at(height))
  await writeRoleFile(folder.guardian(1), {
    ...{ kind: 'guardian', networkDir: dir, institution: 'a', jurisdiction: 'north', port: 0 },
  })
  await keep(join(folder.guardian(1), 'light'), 4)
  await keep(folder.wallet('owner'), 7)
  await keep(folder.wallet('clinic'), 6)
  const other = Object.assign(new FakeChain(members(3)), { chainId: 'fake-2' })
  other.grow(20)
  await keep(folder.wallet('stray'), 20, other)
  const hash = chain.at(7).commit.blockId.hash
  expect(await newestRemembered(folder, 'fake-1')).toEqual({ height: 7, hash, by: 'wallet owner' })
})
