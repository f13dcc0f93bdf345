import { afterEach, beforeEach, expect, test } from 'vitest'
import { fetchNotices } from '../../src/light-node/guardians/notices.ts'
import { requestRelease } from '../../src/light-node/guardians/release.ts'
import { requestFrame } from '../../src/wire/custody-protocol.ts'
import { type TestPerson, World } from '../guardian-node/world.ts'
import { LyingGuardian } from './lying-guardian.ts'

let world: World
let owner: TestPerson
let clinic: TestPerson
let liar: LyingGuardian

beforeEach(async () => {
  world = await World.open('lying guardian', 4)
  owner = await world.person('owner')
  clinic = await world.person('clinic')
  liar = new LyingGuardian(world.guardians[0]!.guardian)
  world.guardians[0]!.guardian = liar
})
afterEach(() => world.close())

test('it tells the truth until it is told otherwise, and hears everything', async () => {
  await world.keep(owner, 'Blood test')
  expect(liar.heard.map(({ request }) => request.type)).toEqual(['deposit'])
  liar.lie = ({ answer }) => (answer.type === 'status' ? { ...answer, shares: 99 } : answer)
  expect(await world.ask(0, requestFrame.encode({ type: 'status' }))).toMatchObject({ shares: 99 })
})

test('a share changed on its way is not used: the others give the key back', async () => {
  const object = await world.keep(owner, 'Blood test')
  const held = await world.grant(owner, clinic, object)
  liar.lie = ({ answer }) =>
    answer.type === 'released' ? { ...answer, sealed: answer.sealed.map((byte) => byte ^ 1) } : answer
  const { custodyKey } = await requestRelease(world.ports(clinic), object.custody, held)
  expect(custodyKey).toEqual(object.custodyKey)
})

test('one that keeps a receipt back is named to the owner', async () => {
  const object = await world.keep(owner, 'Blood test')
  const held = await world.grant(owner, clinic, object)
  await requestRelease(world.ports(clinic), object.custody, held)
  liar.lie = ({ answer }) =>
    answer.type === 'receipts' ? { ...answer, hashes: new Uint8Array(0), own: [] } : answer
  const { problems } = await fetchNotices(world.ports(owner), owner.vault)
  expect(problems.map(({ guardianId }) => guardianId)).toEqual([liar.guardianId])
})
