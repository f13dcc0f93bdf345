import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { custodyKey, recordKey } from '../../src/chain-anchor/app/keys.ts'
import { custodyValue, type RecordValue } from '../../src/chain-anchor/app/values.ts'
import { encodeShare } from '../../src/custody/deposit.ts'
import { destructionFormat } from '../../src/custody/destroy.ts'
import { type SweepParts, sweepShares } from '../../src/guardian-node/share-sweep.ts'
import { GuardianStore } from '../../src/guardian-node/store.ts'
import { SHARE_NEWCOMER_MS, SWEEP_SHARES_MAX } from '../../src/limits.ts'
import { testRandom } from './ports.ts'
import { NETWORK, type TestPerson, World } from './world.ts'

const never = new AbortController().signal
let world: World
let owner: TestPerson
let store: GuardianStore

beforeEach(async () => {
  world = await World.open('sweep', 2)
  owner = await world.person('owner')
})
afterEach(async () => {
  store?.close()
  await world.close()
})

/** The disk of guardian 0, whose process has ended: so the test is the one to sweep. */
async function openStore(): Promise<SweepParts> {
  const { keys, guardian, view } = world.guardians[0]!
  await guardian.stop()
  const path = join(world.folderOf(0), 'data', 'guardian.sqlite')
  store = new GuardianStore(path, {
    ...{
      guardianId: keys.guardianId,
      network: NETWORK,
      storeKey: keys.storeKey,
      random: testRandom('store'),
    },
  })
  world.guardians[0]!.guardian = { ...guardian, stop: async () => {} }
  const { clock, chain } = world
  return { network: NETWORK, keys, store, ledger: chain.ledger(view), clock, log: () => {} }
}

const keep = () => world.keep(owner, 'Blood test', 2)
type Kept = Awaited<ReturnType<typeof keep>>

const anchor = ({ objectId, ownerKey }: Kept, status?: RecordValue['status']) =>
  world.anchor(objectId, ownerKey.publicKey, status)

test.each([
  [
    'had destroyed',
    'destroyed',
    (object: Kept) => {
      world.chain.set(
        custodyKey(object.objectId),
        custodyValue.encode({ ...object.custody, status: 'destroyed' }),
      )
    },
  ],
  ['removed', 'removed', (object: Kept) => anchor(object, 'removed')],
] as const)(
  'what its owner %s while the guardian was away goes by itself, and it says so',
  async (_, cause, change) => {
    const [gone, stays] = [await keep(), await keep()]
    const parts = await openStore()
    change(gone)
    expect(await sweepShares(parts, 0, never)).toBeNull()
    expect(store.share(gone.objectId)!.sealed).toBeNull()
    expect(store.share(stays.objectId)!.sealed).not.toBeNull()
    const { signing, guardianId } = parts.keys
    const said = destructionFormat.open(signing.publicKey, store.destruction(gone.objectId)!).value
    expect(said).toMatchObject({ guardianId, cause, objectId: gone.objectId, epoch: 1 })
    expect(store.destruction(stays.objectId)).toBeNull()
  },
)

test('nothing of a share that went is left on the disk', async () => {
  const gone = await keep()
  const parts = await openStore()
  const { sealed } = store.share(gone.objectId)!
  anchor(gone, 'removed')
  await sweepShares(parts, 0, never)
  store.close()
  const disk = toHex(new Uint8Array(readFileSync(join(world.folderOf(0), 'data', 'guardian.sqlite'))))
  expect(disk).not.toContain(toHex(sealed!))
  expect(encodeShare(gone.dealt.shares[0]!).length).toBeGreaterThan(0)
  await openStore()
})

test('what never came to the chain goes after an hour; what was seen there stays, whatever a chain forgets', async () => {
  const [never_, seen] = [await keep(), await keep()]
  world.chain.set(recordKey(never_.objectId), null)
  const parts = await openStore()
  await sweepShares(parts, 0, never)
  expect(store.share(never_.objectId)).not.toBeNull()
  expect(store.share(seen.objectId)).toMatchObject({ isAnchored: true })
  world.clock.advance(SHARE_NEWCOMER_MS)
  world.chain.set(recordKey(seen.objectId), null)
  await sweepShares(parts, 0, never)
  expect(store.share(never_.objectId)).toBeNull()
  expect(store.share(seen.objectId)!.sealed).not.toBeNull()
  // A chain without its custody is an older copy: no share came by it.
  world.chain.set(custodyKey(seen.objectId), null)
  await sweepShares(parts, 0, never)
  expect(store.share(seen.objectId)!.sealed).not.toBeNull()
})

test('a turn looks at so many and no more, and the next goes on behind them', async () => {
  const objects: Kept[] = []
  for (let at = 0; at <= SWEEP_SHARES_MAX; at++) objects.push(await keep())
  const parts = await openStore()
  let reads = 0
  const { ledger } = parts
  const counted = {
    ...parts,
    ledger: {
      ...ledger,
      read: (...asked: Parameters<typeof ledger.read>) => {
        reads++
        return ledger.read(...asked)
      },
    },
  }
  const after = await sweepShares(counted, 0, never)
  expect(reads).toBe(2 * SWEEP_SHARES_MAX)
  expect(after).not.toBeNull()
  expect(await sweepShares(counted, after!, never)).toBeNull()
  expect(reads).toBe(2 * (SWEEP_SHARES_MAX + 1))
})

test('without the chain nothing goes', async () => {
  const object = await keep()
  world.chain.set(
    custodyKey(object.objectId),
    custodyValue.encode({ ...object.custody, status: 'destroyed' }),
  )
  const parts = await openStore()
  world.guardians[0]!.view.offline = true
  await expect(sweepShares(parts, 0, never)).rejects.toMatchObject({ code: 'OFFLINE' })
  expect(store.share(object.objectId)!.sealed).not.toBeNull()
})
