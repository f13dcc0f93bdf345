import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { XcareError } from '../../../src/errors.ts'
import { objectIdFromBytes } from '../../../src/ids.ts'
import { depositShares } from '../../../src/light-node/guardians/deposit.ts'
import { issueGrant, readGrant, revokeGrant } from '../../../src/light-node/guardians/grant.ts'
import { fetchGrants } from '../../../src/light-node/guardians/grants-inbox.ts'
import { mailboxesOf } from '../../../src/light-node/guardians/mailboxes.ts'
import { fetchNotices } from '../../../src/light-node/guardians/notices.ts'
import { noGrant, requestRelease } from '../../../src/light-node/guardians/release.ts'
import { ANCHORED, type TestPerson, World } from '../../guardian-node/world.ts'

const DAY_MS = 86_400_000
let world: World
let owner: TestPerson
let clinic: TestPerson

beforeEach(async () => {
  world = await World.open('grant', 3)
  owner = await world.person('owner')
  clinic = await world.person('clinic')
})
afterEach(() => world.close())

const to = ({ did, keys }: TestPerson) => ({
  did,
  signKey: keys.signing.publicKey,
  kemKey: keys.kem.publicKey,
})
const wish = (objectId: Uint8Array, changes = {}) => ({
  ...{ to: to(clinic), name: 'Lakeside Clinic', objects: [{ objectId, name: 'Blood test' }] },
  ...{ purpose: 'TREAT' as const, untilMs: world.clock.nowMs() + DAY_MS, ...changes },
})
const issue = (objectId: Uint8Array, changes = {}) =>
  issueGrant(world.ports(owner), world.guardianValues(), wish(objectId, changes))

describe('giving', () => {
  test('is in the vault before the chain knows, so that it can always be taken back', async () => {
    const { objectId } = await world.keep(owner, 'Blood test', 2)
    const ports = world.ports(owner)
    const cut = { ...ports.ledger, submit: () => Promise.reject(new Error('power cut')) }
    await expect(
      issueGrant({ ...ports, ledger: cut }, world.guardianValues(), wish(objectId)),
    ).rejects.toThrow('power cut')
    expect(owner.vault.issued()).toHaveLength(1)
    expect(owner.vault.issued()[0]).toMatchObject({ granteeName: 'Lakeside Clinic', revoked: false })
  })

  test('puts nothing on the chain that tells who, what or why', async () => {
    const { objectId } = await world.keep(owner, 'Blood test', 2)
    const { held } = await issue(objectId)
    const leaf = await readGrant(world.chain.ledger(), held.grant.grantId)
    expect(Object.keys(leaf!).sort()).toEqual([
      'commitment',
      'grantId',
      'height',
      'notAfterMs',
      'revokeKey',
      'status',
    ])
  })

  test('is refused with too many records, none, or an end in the past', async () => {
    const { objectId } = await world.keep(owner, 'Blood test', 2)
    for (const changes of [
      { objects: [] },
      { untilMs: world.clock.nowMs() },
      { objects: Array(257).fill({ objectId, name: 'x' }) },
    ])
      await expect(issue(objectId, changes)).rejects.toMatchObject({ code: 'USAGE' })
  })

  test('needs one mailbox that answers; two away are only named', async () => {
    const { objectId } = await world.keep(owner, 'Blood test', 2)
    world.guardians[0]!.down = true
    world.guardians[1]!.down = true
    expect(await issue(objectId)).toMatchObject({
      mailboxes: 1,
      problems: [{ reason: null }, { reason: null }],
    })
    world.guardians[2]!.down = true
    await expect(issue(objectId)).rejects.toMatchObject({ code: 'TOO_FEW_GUARDIANS' })
    await expect(
      fetchGrants(world.ports(clinic), clinic.vault, world.guardianValues()),
    ).rejects.toMatchObject({
      code: 'TOO_FEW_GUARDIANS',
    })
  })

  test('the letter is for its receiver alone, and junk in the box does not stop it', async () => {
    const { objectId } = await world.keep(owner, 'Blood test', 2)
    const thief = await world.person('thief')
    await issue(objectId)
    const { requestFrame } = await import('../../../src/wire/custody-protocol.ts')
    await world.ask(
      0,
      requestFrame.encode({ type: 'mail.put', recipient: clinic.did, letter: new Uint8Array(50) }),
    )
    const inbox = await fetchGrants(world.ports(clinic), clinic.vault, world.guardianValues())
    expect(inbox).toMatchObject({ unreadable: 1, problems: [] })
    expect(inbox.arrived).toHaveLength(1)
    expect((await fetchGrants(world.ports(thief), thief.vault, world.guardianValues())).arrived).toEqual([])
  })

  test('sender and receiver agree on the mailboxes, retired guardians left out', () => {
    const guardians = world.guardianValues()
    const boxes = mailboxesOf(guardians, clinic.did)
    expect(mailboxesOf([...guardians].reverse(), clinic.did)).toEqual(boxes)
    const retired = guardians.map((guardian) => ({ ...guardian, status: 'retired' as const }))
    expect(mailboxesOf(retired, clinic.did)).toEqual([])
  })
})

describe('reading under a permission', () => {
  test('a permission given again after it was taken back is found and used', async () => {
    const object = await world.keep(owner, 'Blood test', 2)
    const { custodyKeySource } = await import('../../../src/light-node/guardians/read-as-grantee.ts')
    const ports = { ...world.ports(clinic), progress: () => {} }
    const located = { objectId: objectIdFromBytes(object.objectId), custody: object.custody } as never
    const { held } = await issue(object.objectId)
    await fetchGrants(ports, clinic.vault, world.guardianValues())
    await revokeGrant(world.ports(owner), held.grant.grantId)
    expect(owner.vault.issued()[0]!.revoked).toBe(true)
    const again = await issue(object.objectId)
    await fetchGrants(ports, clinic.vault, world.guardianValues())
    expect(await custodyKeySource(ports)(located)).toEqual(object.custodyKey)
    await revokeGrant(world.ports(owner), again.held.grant.grantId)
    world.chain.set(new Uint8Array([1]), null)
    await expect(requestRelease(ports, object.custody, again.held)).rejects.toMatchObject({
      code: 'NO_GRANT',
    })
  })

  test('what a person is told names the reason and the next step', () => {
    const error = noGrant('revoked')
    expect(error.message).toBe('this record may not be read: the owner has revoked the permission')
    expect(error).toMatchObject({ exitCode: 18, next: 'ask the owner of the record for permission' })
  })

  test('a guardian that lies with another share is named, and the others are used', async () => {
    const object = await world.keep(owner, 'Blood test', 2)
    const { held } = await issue(object.objectId)
    const lied = { ...object.custody, guardians: [...object.custody.guardians] }
    const liar = world.guardians[0]!.keys.guardianId
    const ports = world.ports(clinic)
    const transport = {
      open: async (...args: Parameters<typeof ports.transport.open>) => {
        const stream = await ports.transport.open(...args)
        if (args[0].nodeId !== liar) return stream
        return { ...stream, read: async () => new Uint8Array([1, 2, 3]) }
      },
    }
    const released = await requestRelease({ ...ports, transport }, lied, held)
    expect(released.custodyKey).toEqual(object.custodyKey)
    expect(released.problems.map(({ guardianId }) => guardianId)).toEqual([liar])
  })
})

describe('deposits', () => {
  test('tell when there is no share to spare, and fail below the threshold', async () => {
    const first = await world.keep(owner, 'Blood test', 2)
    expect(first.deposited).toEqual({ holding: 3, spare: true, problems: [] })
    const again = () =>
      depositShares(world.ports(owner), first.dealt, world.guardianValues(), first.ownerKey, ANCHORED)
    world.guardians[0]!.down = true
    expect(await again()).toMatchObject({ holding: 2, spare: false, problems: [{ reason: null }] })
    world.guardians[1]!.down = true
    await expect(again()).rejects.toMatchObject({ code: 'TOO_FEW_GUARDIANS', exitCode: 16 })
  })

  test('reach nobody before the custody record is on the chain, and fail with the chain’s own reason when it is not', async () => {
    const { dealt, ownerKey } = await world.keep(owner, 'Blood test', 2)
    const ports = world.ports(owner)
    let opened = 0
    const open: typeof ports.transport.open = (...args) => {
      opened++
      return ports.transport.open(...args)
    }
    const counted = { ...ports, transport: { open } }
    let anchor: (height: number) => void = () => {}
    const anchored = new Promise<number>((resolve) => {
      anchor = resolve
    })
    const deposited = depositShares(counted, dealt, world.guardianValues(), ownerKey, anchored)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(opened).toBe(0)
    anchor(9)
    expect(await deposited).toMatchObject({ holding: 3 })
    expect(opened).toBe(3)
    const refused = Promise.reject(new XcareError('REFUSED', 'the chain says no'))
    await expect(
      depositShares(counted, dealt, world.guardianValues(), ownerKey, refused),
    ).rejects.toMatchObject({ code: 'REFUSED', message: 'the chain says no' })
    expect(opened).toBe(3)
  })
})

describe('notices', () => {
  test('are told once, kept, and show how the permission stands now', async () => {
    const object = await world.keep(owner, 'Blood test', 2)
    const { held } = await issue(object.objectId)
    const ports = world.ports(clinic)
    await requestRelease(ports, object.custody, held)
    expect((await fetchNotices(world.ports(owner), owner.vault)).arrived).toBe(1)
    await revokeGrant(world.ports(owner), held.grant.grantId)
    const later = await fetchNotices(world.ports(owner), owner.vault)
    expect(later.arrived).toBe(0)
    expect(later.notices[0]!.sentence).toMatch(/You have revoked this permission\.$/)
    world.guardians[1]!.down = true
    const down = await fetchNotices(world.ports(owner), owner.vault)
    expect(down.notices).toHaveLength(1)
    expect(down.problems).toHaveLength(1)
  })

  test('a guardian that rewrites its history after the owner has seen it is named', async () => {
    const object = await world.keep(owner, 'Blood test', 2)
    const { held } = await issue(object.objectId)
    await requestRelease(world.ports(clinic), object.custody, held)
    await fetchNotices(world.ports(owner), owner.vault)
    const { guardianId } = world.guardians[0]!.keys
    const { encodeCbor } = await import('../../../src/cbor.ts')
    await owner.vault.setMarker(`receipts/${guardianId}`, encodeCbor([1, new Uint8Array(32)]))
    const { problems } = await fetchNotices(world.ports(owner), owner.vault)
    expect(problems).toHaveLength(1)
    expect(problems[0]!.error).toMatchObject({ code: 'INTEGRITY' })
    expect(problems[0]!.error.message).toContain('changed its history')
  })
})
