import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { fromHex } from '../../src/bytes.ts'
import * as keys from '../../src/chain-anchor/app/keys.ts'
import * as values from '../../src/chain-anchor/app/values.ts'
import { openLedger } from '../../src/chain-anchor/light/ledger.ts'
import { rpcProvider } from '../../src/chain-anchor/light/rpc-provider.ts'
import type { Ledger } from '../../src/ports.ts'
import { grantOf, make, objectOf, person, tx } from '../chain-anchor/app/chain-actors.ts'
import { MemoryFolder } from '../chain-anchor/light/fake-ports.ts'
import { type AnchorProcess, startAnchorProcess } from './anchor-process.ts'

const clock = {
  nowMs: () => Date.now(),
  sleep: async (ms: number, signal?: AbortSignal) => wait(ms, undefined, { signal }),
}
const dir = mkdtempSync(join(tmpdir(), 'xcare-anchor-'))
const folder = new MemoryFolder()
let anchor: AnchorProcess

afterAll(async () => {
  await anchor?.end('SIGKILL')
  rmSync(dir, { recursive: true, force: true })
})

function ledgerOf({ rpcUrl, chainId, trust }: AnchorProcess): Promise<Ledger> {
  const provider = rpcProvider(rpcUrl, clock)
  return openLedger({
    provider,
    chainId,
    trust: { height: trust.height, hash: fromHex(trust.hash) },
    store: folder,
    clock,
  })
}

test('what is submitted can be read with proofs, also after a crash, by a client that trusts nobody', async () => {
  anchor = await startAnchorProcess(dir)
  const ledger = await ledgerOf(anchor)
  const ana = person('ana')
  const later = Date.now() + 3_600_000
  await ledger.submit(
    tx(
      'inst',
      ['a', 'b'].map((name) => make.institution(name)),
      ['governor'],
    ),
  )
  await ledger.submit(tx('node', [make.node('a')], ['inst a', 'node a']))
  await ledger.submit(
    tx(
      'guardians',
      [make.guardian('a'), make.guardian('b')],
      ['inst a', 'guardian a', 'inst b', 'guardian b'],
    ),
  )
  await ledger.submit(tx('ana', [ana.register], ['ana']))
  await ledger.submit(
    tx('record', [make.record('o', 'owner'), make.custody('o', 'owner', ['a', 'b'])], ['owner']),
  )
  await ledger.submit(tx('grant', [make.grant('g', { notAfterMs: later })], ['revoke g']))
  await ledger.submit(tx('revoke', [make.revoke('g')], ['revoke g']))
  await expect(
    ledger.submit(tx('again', [make.grant('g', { notAfterMs: later })], ['revoke g'])),
  ).rejects.toMatchObject({
    code: 'REFUSED',
    message: expect.stringMatching(/This grant exists already/),
  })
  await expectAll(ledger)

  const port = new URL(anchor.rpcUrl).port
  await anchor.end('SIGKILL')
  anchor = await startAnchorProcess(dir)
  expect(new URL(anchor.rpcUrl).port).toBe(port)
  await expectAll(ledger)
  await expectAll(await ledgerOf(anchor))

  async function expectAll(at: Ledger): Promise<void> {
    const read = async (key: Uint8Array) => (await at.read(key, 10_000)).value!
    expect(values.identityValue.decode(await read(keys.identityKey(ana.did))).seq).toBe(0)
    expect(values.recordValue.decode(await read(keys.recordKey(objectOf('o')))).version).toBe(1)
    expect(values.custodyValue.decode(await read(keys.custodyKey(objectOf('o')))).t).toBe(2)
    expect(values.grantValue.decode(await read(keys.grantKey(grantOf('g')))).status).toBe('revoked')
    expect(await read(keys.grantKey(grantOf('none')))).toBeNull()
    const epoch = values.epochValue.decode(await read(keys.latestEpochKey()))
    expect(epoch.nodeCount).toBe(1)
    expect(await at.blob(epoch.tableHash)).toHaveLength(32_768)
  }
})
