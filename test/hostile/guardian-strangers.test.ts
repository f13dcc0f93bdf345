import { chmodSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { custodyKey } from '../../src/chain-anchor/app/keys.ts'
import { custodyValue } from '../../src/chain-anchor/app/values.ts'
import { deal } from '../../src/custody/deal.ts'
import { destroyOrderFormat } from '../../src/custody/destroy.ts'
import { questionFormat } from '../../src/custody/release/receipt.ts'
import { depositShares } from '../../src/light-node/guardians/deposit.ts'
import { fetchNotices } from '../../src/light-node/guardians/notices.ts'
import { requestFrame } from '../../src/wire/custody-protocol.ts'
import { testRandom } from '../guardian-node/ports.ts'
import { ANCHORED, NETWORK, type TestPerson, World } from '../guardian-node/world.ts'
import { Stranger } from './stranger.ts'

const stranger = new Stranger()
let world: World
let owner: TestPerson
let clinic: TestPerson

beforeEach(async () => {
  world = await World.open('strangers', 2)
  owner = await world.person('owner')
  clinic = await world.person('clinic')
})
afterEach(() => world.close())

/** Counts what a flood makes a guardian do: how often it waits, how often it asks the chain. */
function counted() {
  const { clock, guardians } = world
  const work = { sleeps: 0, reads: 0 }
  const sleep = clock.sleep.bind(clock)
  clock.sleep = (durationMs, signal) => {
    if (durationMs < 2_000) work.sleeps++
    return sleep(durationMs, signal)
  }
  const view = guardians[0]!.view
  Object.defineProperty(view, 'headAgeMs', {
    get() {
      work.reads++
      return undefined
    },
  })
  return work
}

test('an order to destroy what nobody ever brought waits for nothing', async () => {
  const work = counted()
  const order = destroyOrderFormat.sign(stranger.key(), {
    ...{ v: 1, network: NETWORK, objectId: world.random.bytes(32), epoch: 1, timeMs: world.clock.nowMs() },
  })
  const answer = await world.ask(0, requestFrame.encode({ type: 'destroy', order }))
  expect(answer).toEqual({ type: 'refused', reason: 'no-custody' })
  expect(work).toEqual({ sleeps: 0, reads: 1 })
})

test('a request without a grant by the owner of a share that is here does not make a guardian ask the chain', async () => {
  const made = await world.person('made up')
  const known = await world.keep(owner, 'Blood test', 2)
  const unknown = { objectId: world.random.bytes(32), name: 'nothing' }
  const held = await world.grant(made, made, unknown)
  const forged = await world.grant(made, made, known)
  const work = counted()
  expect(await world.ask(0, await world.releaseFrame(made, held, unknown.objectId, 0))).toMatchObject({
    reason: 'no-share',
  })
  expect(await world.ask(0, await world.releaseFrame(made, forged, known.objectId, 0))).toMatchObject({
    reason: 'not-by-owner',
  })
  expect(work).toEqual({ sleeps: 0, reads: 0 })
})

test('letters to people who are not on the chain are not kept', async () => {
  const nobody = `${clinic.did.slice(0, -6)}aaaaaa`
  const put = (recipient: string) =>
    world.ask(0, requestFrame.encode({ type: 'mail.put', recipient, letter: new Uint8Array(10) }))
  expect((await put(nobody)).type).toBe('refused')
  expect(await put(clinic.did)).toEqual({ type: 'mailed' })
  const work = counted()
  expect(await put(clinic.did)).toEqual({ type: 'mailed' })
  expect(work.reads).toBe(0)
})

test('receipts of records that are not here tell a stranger nothing, and its own wallet calls that no fault', async () => {
  const object = await world.keep(owner, 'Blood test', 2)
  const held = await world.grant(owner, clinic, object)
  await world.ask(0, await world.releaseFrame(clinic, held, object.objectId, 0))
  const { guardianId } = world.guardians[0]!.keys
  const question = questionFormat.sign(stranger.key(), {
    ...{
      v: 1,
      network: NETWORK,
      guardianId,
      objectId: world.random.bytes(32),
      nonce: world.random.bytes(32),
    },
    timeMs: world.clock.nowMs(),
  })
  const asked = requestFrame.encode({ type: 'receipts', fromSeq: 0, questions: [question] })
  expect(await world.ask(0, asked)).toEqual({ type: 'refused', reason: 'no-share' })
  // A put that this guardian missed.
  world.guardians[0]!.down = true
  await world.keep(clinic, 'Own record', 2).catch(() => {})
  world.guardians[0]!.down = false
  expect((await fetchNotices(world.ports(clinic), clinic.vault)).problems).toEqual([])
})

test('custody epochs of one object, however many, keep one share', async () => {
  const object = await world.keep(owner, 'Blood test', 2)
  for (let epoch = 2; epoch <= 5; epoch++) {
    const next = await deal(
      { ...object.dealt.terms, epoch, custodyKey: object.custodyKey },
      testRandom(`${epoch}`),
    )
    const terms = { ...next.terms, frozen: false, status: 'active' as const }
    world.chain.set(custodyKey(object.objectId), custodyValue.encode(terms))
    await depositShares(world.ports(owner), next, world.guardianValues(), object.ownerKey, ANCHORED)
  }
  const { default: Database } = await import('better-sqlite3')
  await world.guardians[0]!.guardian.stop()
  const db = new Database(join(world.folderOf(0), 'data', 'guardian.sqlite'))
  expect(db.prepare('SELECT count(*) AS n, max(epoch) AS epoch FROM shares').get()).toEqual({
    n: 1,
    epoch: 5,
  })
  db.close()
  world.guardians[0]!.start()
})

test('what a guardian writes is for its own user alone, also what an earlier version wrote', async () => {
  await world.keep(owner, 'Blood test', 2)
  const data = join(world.folderOf(0), 'data')
  const modes = () => readdirSync(data).map((name) => statSync(join(data, name)).mode & 0o777)
  expect(new Set(modes())).toEqual(new Set([0o600]))
  await world.guardians[0]!.guardian.stop()
  chmodSync(join(data, 'guardian.sqlite'), 0o644)
  world.guardians[0]!.start()
  expect(new Set(modes())).toEqual(new Set([0o600]))
})
