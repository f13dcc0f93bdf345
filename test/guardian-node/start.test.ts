import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { guardianKey } from '../../src/chain-anchor/app/keys.ts'
import { guardianValue } from '../../src/chain-anchor/app/values.ts'
import { signingKeyFromSeed } from '../../src/crypto/sign.ts'
import { openGuardian } from '../../src/guardian-node/guardian.ts'
import { loadGuardianKeys } from '../../src/guardian-node/keys.ts'
import { startGuardian } from '../../src/guardian-node/start.ts'
import { askGuardian } from '../../src/light-node/guardians/ask-guardian.ts'
import { type Peer, startPeer } from '../../src/net/peer.ts'
import { TestChain, TestClock, testRandom } from './ports.ts'

const NETWORK = 'xcare-test'
const dir = mkdtempSync(join(tmpdir(), 'xcare-start-'))
const clock = new TestClock()
const chain = new TestChain(NETWORK, clock)
const institution = { instId: 'lakeside', signing: signingKeyFromSeed(new Uint8Array(32).fill(1)) }
let asker: Peer

const start = (listen = '/ip4/127.0.0.1/tcp/0', view = {}) =>
  startGuardian({
    ...{ dir, network: NETWORK, ledger: chain.ledger(view), institution, jurisdiction: 'north' },
    ...{ listen: [listen], clock, random: testRandom('start') },
  })

beforeAll(async () => {
  asker = await startPeer({ seed: new Uint8Array(32).fill(2), listen: [] })
})
afterAll(async () => {
  await asker.stop()
  rmSync(dir, { recursive: true })
})

describe('a guardian process', () => {
  test('registers, serves over libp2p, and comes back as the same after a restart', async () => {
    const first = await start()
    const listed = guardianValue.decode(chain.get(guardianKey(first.guardianId))!)
    expect(listed).toMatchObject({ instId: 'lakeside', addresses: first.addresses })
    const status = await askGuardian(asker, listed, { type: 'status' }, 'status')
    expect(status).toMatchObject({ guardianId: first.guardianId, network: NETWORK, shares: 0 })
    await first.stop()
    const again = await start(first.addresses[0])
    expect(again.guardianId).toBe(first.guardianId)
    expect(again.addresses).toEqual(first.addresses)
    // Nothing changed, so nothing was sent to the chain.
    expect(chain.submitted).toHaveLength(1)
    await again.stop()
  })

  test('comes back while the chain is away, and registers when that is over', async () => {
    const view = { offline: true }
    const guardian = await start(undefined, view)
    expect(guardian.registered).toBe(false)
    view.offline = false
    clock.advance(10_000)
    await expect.poll(() => guardian.registered).toBe(true)
    await guardian.stop()
  })

  test('refuses to run twice on one folder, and on the data of another network', async () => {
    const keys = await loadGuardianKeys(dir, testRandom('start'))
    const options = { dir, keys, ledger: chain.ledger(), broadcast: null, clock, random: testRandom('twice') }
    const running = openGuardian({ ...options, network: NETWORK })
    expect(() => openGuardian({ ...options, network: NETWORK })).toThrow(/running already/)
    await running.stop()
    expect(() => openGuardian({ ...options, network: 'xcare-other' })).toThrow(/another guardian or network/)
  })
})
