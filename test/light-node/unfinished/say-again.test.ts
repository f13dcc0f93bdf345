import { afterEach, beforeEach, expect, test } from 'vitest'
import { custodyKey, recordKey } from '../../../src/chain-anchor/app/keys.ts'
import { custodyValue, recordValue } from '../../../src/chain-anchor/app/values.ts'
import { XcareError } from '../../../src/errors.ts'
import { ownerKeyOf } from '../../../src/identity/keypair.ts'
import { readGrant, revokeGrant } from '../../../src/light-node/guardians/grant.ts'
import { sayAgain } from '../../../src/light-node/unfinished/say-again.ts'
import { noteRemoved } from '../../../src/light-node/unfinished/taken-back.ts'
import { SAY_AGAIN_MS, SAY_AGAIN_RETRY_MS } from '../../../src/limits.ts'
import type { Ledger } from '../../../src/ports.ts'
import { type TestPerson, World } from '../../guardian-node/world.ts'

let world: World
let owner: TestPerson
let clinic: TestPerson
const going = new AbortController().signal

beforeEach(async () => {
  world = await World.open('say-again', 3)
  owner = await world.person('owner')
  clinic = await world.person('clinic')
})
afterEach(() => world.close())

const portsOf = (ledger: Ledger = world.chain.ledger()) => ({
  ...world.ports(owner),
  ...{ ledger, progress: () => {}, ownerKeyOf: (objectId: Uint8Array) => ownerKeyOf(owner.root, objectId) },
})
const say = (ledger?: Ledger) => sayAgain(portsOf(ledger), going)
const later = (ms: number) => world.clock.advance(ms)
const statusOf = async (grantId: Uint8Array) => (await readGrant(world.chain.ledger(), grantId))!.status

/** A permission that was taken back, and the chain as it was before that. */
async function takenBack() {
  const object = await world.keep(owner, 'Blood test', 2)
  const { grant } = await world.grant(owner, clinic, object)
  const before = world.chain.snapshot()
  await revokeGrant(world.ports(owner), grant.grantId)
  return { grantId: grant.grantId, before }
}

test('a revocation that a restored chain forgot is sent again', async () => {
  const { grantId, before } = await takenBack()
  expect(await say()).toBe(0)
  world.chain.restore(before)
  expect(await statusOf(grantId)).toBe('active')
  expect(await say()).toBe(1)
  expect(await statusOf(grantId)).toBe('revoked')
})

test('the chain is looked at when it is shorter than at the last look, else once in six hours', async () => {
  const { grantId, before } = await takenBack()
  await say()
  const { height } = world.chain
  world.chain.restore(before)
  world.chain.height = height + 5
  expect(await say()).toBe(0)
  later(SAY_AGAIN_MS)
  expect(await say()).toBe(1)
  expect(await statusOf(grantId)).toBe('revoked')
})

test('what nobody knows to have happened is seen to by the wallet', async () => {
  const object = await world.keep(owner, 'Blood test', 2)
  const { grantId } = (await world.grant(owner, clinic, object)).grant
  const cut = {
    ...world.chain.ledger(),
    submit: () => Promise.reject(new XcareError('TIMEOUT', 'not known')),
  }
  await expect(revokeGrant(portsOf(cut), grantId)).rejects.toMatchObject({ code: 'TIMEOUT' })
  expect(owner.vault.issued()[0]!.revoked).toBe(false)
  await expect(say(cut)).rejects.toMatchObject({ code: 'TIMEOUT' })
  expect(await say()).toBe(0)
  later(SAY_AGAIN_RETRY_MS)
  expect(await say()).toBe(1)
  expect(await statusOf(grantId)).toBe('revoked')
  expect(owner.vault.issued()[0]!.revoked).toBe(true)
})

test('an object that was removed is removed again', async () => {
  const { objectId, ownerKey } = await world.keep(owner, 'Blood test', 2)
  world.anchor(objectId, ownerKey.publicKey)
  await noteRemoved(owner.vault, objectId)
  expect(await say()).toBe(1)
  const custody = custodyValue.decode(world.chain.get(custodyKey(objectId))!)
  const record = recordValue.decode(world.chain.get(recordKey(objectId))!)
  expect([custody.status, record.status]).toEqual(['destroyed', 'removed'])
  later(SAY_AGAIN_MS)
  expect(await say()).toBe(0)
})

test('a permission that has ended is left alone, and so is a wallet that took nothing back', async () => {
  expect(await say()).toBe(0)
  expect(owner.vault.marker('said-again')).toBeNull()
  const { before } = await takenBack()
  world.chain.restore(before)
  later(365 * 86_400_000)
  expect(await say()).toBe(0)
})
