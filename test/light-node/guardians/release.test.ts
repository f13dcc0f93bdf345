import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { receiptKey } from '../../../src/chain-anchor/app/keys.ts'
import { receiptHeadValue } from '../../../src/chain-anchor/app/values.ts'
import { issueGrant, readGrant, revokeGrant } from '../../../src/light-node/guardians/grant.ts'
import { fetchGrants } from '../../../src/light-node/guardians/grants-inbox.ts'
import { heldGrantsFor } from '../../../src/light-node/guardians/held-grants.ts'
import { fetchNotices } from '../../../src/light-node/guardians/notices.ts'
import { requestRelease } from '../../../src/light-node/guardians/release.ts'
import { type TestPerson, World } from '../../guardian-node/world.ts'

const DAY_MS = 86_400_000
let world: World
let owner: TestPerson
let clinic: TestPerson

beforeEach(async () => {
  world = await World.open('release')
  owner = await world.person('owner')
  clinic = await world.person('clinic')
})
afterEach(() => world.close())

const publicOf = ({ did, keys }: TestPerson) => ({
  did,
  signKey: keys.signing.publicKey,
  kemKey: keys.kem.publicKey,
})

async function granted(extra: { maxReleases?: number; untilMs?: number; fromMs?: number } = {}) {
  const object = await world.keep(owner, 'Blood test')
  const wish = {
    to: publicOf(clinic),
    name: 'Lakeside Clinic',
    objects: [{ objectId: object.objectId, name: object.name }],
    purpose: 'TREAT' as const,
    untilMs: world.clock.nowMs() + DAY_MS,
    ...extra,
  }
  const given = await issueGrant(world.ports(owner), world.guardianValues(), wish)
  await fetchGrants(world.ports(clinic), clinic.vault, world.guardianValues())
  const held = heldGrantsFor(clinic.vault, object.objectId, world.clock.nowMs())[0]!
  return { object, given, held }
}

describe('a permission, from the owner to the reader', () => {
  test('arrives by letter, opens the key, and leaves a notice in plain words', async () => {
    const { object, held } = await granted()
    const released = await requestRelease(world.ports(clinic), object.custody, held)
    expect(released.custodyKey).toEqual(object.custodyKey)
    expect(released.problems).toEqual([])
    const { notices, problems, arrived } = await fetchNotices(world.ports(owner), owner.vault)
    expect(problems).toEqual([])
    expect(arrived).toBe(1)
    expect(notices[0]!.sentence).toMatch(
      /^Lakeside Clinic read "Blood test" for treatment at \d\d:\d\d UTC on \d{4}-\d\d-\d\d\. 4 of 4 guardians agreed\. You can revoke: xcare revoke [0-9a-f]{32}$/,
    )
  })

  test('one of four guardians may be away, two may not', async () => {
    const { object, held } = await granted()
    world.guardians[1]!.down = true
    const released = await requestRelease(world.ports(clinic), object.custody, held)
    expect(released.custodyKey).toEqual(object.custodyKey)
    world.guardians[2]!.down = true
    const failing = requestRelease(world.ports(clinic), object.custody, held)
    await expect(failing).rejects.toMatchObject({ code: 'TOO_FEW_GUARDIANS', exitCode: 16 })
    await expect(failing).rejects.toThrow(/2 of 4 guardians gave their share/)
  })

  test('revoked: refused with exit 18, also by a guardian that was partitioned and came back', async () => {
    const { object, held, given } = await granted()
    world.guardians[0]!.view.headAgeMs = 40_000
    await revokeGrant(world.ports(owner), given.held.grant.grantId)
    expect((await readGrant(world.chain.ledger(), given.held.grant.grantId))?.status).toBe('revoked')
    const refused = requestRelease(world.ports(clinic), object.custody, held)
    await expect(refused).rejects.toMatchObject({ code: 'NO_GRANT', exitCode: 18 })
    await expect(refused).rejects.toThrow(/the owner has revoked the permission/)
    delete world.guardians[0]!.view.headAgeMs
    await expect(requestRelease(world.ports(clinic), object.custody, held)).rejects.toThrow(/revoked/)
  })

  test('expired and not yet valid: exit 18 with the reason', async () => {
    const { object, held } = await granted({ untilMs: world.clock.nowMs() + DAY_MS })
    world.clock.advance(DAY_MS)
    await expect(requestRelease(world.ports(clinic), object.custody, held)).rejects.toThrow(/has expired/)
    const later = await granted({
      fromMs: world.clock.nowMs() + 3_600_000,
      untilMs: world.clock.nowMs() + DAY_MS,
    })
    await expect(requestRelease(world.ports(clinic), later.object.custody, later.held)).rejects.toThrow(
      /not valid yet/,
    )
  })

  test('guardians without a fresh view of the chain are named, and it is not the permission', async () => {
    const { object, held } = await granted()
    world.guardians[0]!.view.offline = true
    world.guardians[1]!.view.headAgeMs = 31_000
    await expect(requestRelease(world.ports(clinic), object.custody, held)).rejects.toMatchObject({
      code: 'TOO_FEW_GUARDIANS',
    })
  })

  test('a wrong clock is named as such', async () => {
    const { object, held } = await granted()
    const ports = world.ports(clinic)
    const late = {
      nowMs: () => world.clock.nowMs() + 3_600_000,
      sleep: (durationMs: number) => world.clock.sleep(durationMs),
    }
    await expect(requestRelease({ ...ports, clock: late }, object.custody, held)).rejects.toMatchObject({
      code: 'CLOCK_SKEW',
      exitCode: 15,
    })
  })

  test('a stranger who got hold of the letter gets nothing', async () => {
    const { object, held } = await granted()
    const thief = await world.person('thief')
    await expect(requestRelease(world.ports(thief), object.custody, held)).rejects.toMatchObject({
      code: 'NO_GRANT',
    })
  })

  test('another purpose is refused', async () => {
    const { object, held } = await granted()
    await expect(
      requestRelease(world.ports(clinic), object.custody, held, { purpose: 'HRESCH' }),
    ).rejects.toThrow(/another purpose/)
  })

  test('no more readings than the owner allowed', async () => {
    const { object, held } = await granted({ maxReleases: 2 })
    await requestRelease(world.ports(clinic), object.custody, held)
    await requestRelease(world.ports(clinic), object.custody, held)
    await expect(requestRelease(world.ports(clinic), object.custody, held)).rejects.toMatchObject({
      code: 'NO_GRANT',
    })
  })

  test('letters wait for a reader who is away, and come only once', async () => {
    const { held } = await granted()
    expect(clinic.vault.received()).toHaveLength(1)
    const again = await fetchGrants(world.ports(clinic), clinic.vault, world.guardianValues())
    expect(again.arrived).toEqual([])
    expect(held.objects[0]!.name).toBe('Blood test')
  })
})

describe('receipts', () => {
  test('are anchored on the chain soon after a release', async () => {
    const { object, held } = await granted()
    await requestRelease(world.ports(clinic), object.custody, held)
    const at = receiptKey(world.guardians[0]!.keys.guardianId)
    await expect.poll(() => world.chain.get(at)).not.toBeNull()
    expect(receiptHeadValue.decode(world.chain.get(at)!).count).toBe(1)
  })

  test('a guardian that hides receipts behind its anchored head is named', async () => {
    const { object, held } = await granted()
    await requestRelease(world.ports(clinic), object.custody, held)
    const { guardianId } = world.guardians[0]!.keys
    world.chain.set(
      receiptKey(guardianId),
      receiptHeadValue.encode({ guardianId, seq: 9, head: new Uint8Array(32), count: 9 }),
    )
    const { problems, notices } = await fetchNotices(world.ports(owner), owner.vault)
    expect(problems).toHaveLength(1)
    expect(problems[0]!.error.message).toContain(guardianId)
    expect(notices[0]!.agreed).toBeGreaterThanOrEqual(2)
  })
})
