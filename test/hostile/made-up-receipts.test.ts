import { afterEach, beforeEach, expect, test } from 'vitest'
import { NoticeKeeper } from '../../src/light-node/guardians/notice-keeper.ts'
import { noticeTexts } from '../../src/light-node/guardians/notice-text.ts'
import { fetchNotices } from '../../src/light-node/guardians/notices.ts'
import { requestRelease } from '../../src/light-node/guardians/release.ts'
import { NOTICES_FOREIGN_MAX } from '../../src/limits.ts'
import { type TestPerson, World } from '../guardian-node/world.ts'

let world: World
let owner: TestPerson
let clinic: TestPerson
let object: Awaited<ReturnType<World['keep']>>

beforeEach(async () => {
  world = await World.open('receipts', 4)
  owner = await world.person('owner')
  clinic = await world.person('clinic')
  object = await world.keep(owner, 'Blood test', 3)
})
afterEach(() => world.close())

const keeper = () => new NoticeKeeper(world.ports(owner), owner.vault, [object.custody])
const guardianAt = (at: number) => world.guardians[at]!.keys.guardianId

/** What guardian `at` claims in a receipt that it signs itself. */
const claim = (at: number, changes = {}) =>
  ({
    value: {
      ...{ releaseId: world.random.bytes(16), grantId: world.random.bytes(16), objectId: object.objectId },
      ...{ purpose: 'TREAT', timeMs: world.clock.nowMs(), index: at, ...changes },
    },
  }) as Parameters<NoticeKeeper['keep']>[1]

test('a read that too few guardians agreed to is not told as a read', async () => {
  const held = await world.grant(owner, clinic, object)
  for (const at of [1, 2, 3]) world.guardians[at]!.down = true
  await expect(requestRelease(world.ports(clinic), object.custody, held)).rejects.toMatchObject({
    code: 'TOO_FEW_GUARDIANS',
  })
  const { notices } = await fetchNotices(world.ports(owner), owner.vault)
  expect(notices).toMatchObject([{ agreed: 1, of: 4, needed: 3, read: false, suspicious: false }])
  expect(notices[0]!.sentence).toMatch(
    /^did:.* asked to read "Blood test" for treatment at .*\. 1 of 4 guardians agreed, 3 are needed: nothing was read\./,
  )
})

test('receipts under permissions that nobody gave are told as what they are, and fill nothing', async () => {
  const notices = keeper()
  for (let at = 0; at < NOTICES_FOREIGN_MAX + 40; at++) await notices.keep(guardianAt(1), claim(1))
  await notices.prune()
  const told = noticeTexts(owner.vault, world.clock.nowMs())
  expect(told).toHaveLength(NOTICES_FOREIGN_MAX)
  expect(told[0]).toMatchObject({ suspicious: true, read: false, agreed: 1 })
  expect(told[0]!.sentence).toMatch(
    /^Suspicious: 1 of 4 guardians says that "Blood test" was asked for .*, under a permission you never gave\. It takes 3 to read it\.$/,
  )
})

test('a guardian speaks for its own place, its own objects and no other time', async () => {
  const held = await world.grant(owner, clinic, object)
  const { grantId } = held.grant
  const notices = keeper()
  const releaseId = world.random.bytes(16)
  await notices.keep(guardianAt(1), claim(0, { grantId, releaseId }))
  await notices.keep(guardianAt(1), claim(1, { grantId, objectId: new Uint8Array(32) }))
  expect(owner.vault.notices()).toEqual([])
  const inTenYears = world.clock.nowMs() + 3e11
  await notices.keep(guardianAt(1), claim(1, { grantId, releaseId, timeMs: inTenYears }))
  await notices.keep(guardianAt(1), claim(1, { grantId, releaseId }))
  await notices.keep(guardianAt(2), claim(2, { grantId: new Uint8Array(16), releaseId }))
  expect(owner.vault.notices()).toMatchObject([{ by: [1], timeMs: world.clock.nowMs(), ours: true }])
})

test('a permission that the wallet lost is known by its key', async () => {
  const held = await world.grant(owner, clinic, object)
  const again = await world.person('owner')
  await again.vault.add(owner.vault.list()[0]!)
  const notices = new NoticeKeeper(world.ports(again), again.vault, [object.custody])
  await notices.keep(guardianAt(0), claim(0, { grantId: held.grant.grantId }))
  expect(again.vault.notices()).toMatchObject([{ ours: true }])
})
