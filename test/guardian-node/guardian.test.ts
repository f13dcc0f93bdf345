import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { toHex, utf8 } from '../../src/bytes.ts'
import { custodyKey } from '../../src/chain-anchor/app/keys.ts'
import { custodyRecordHash, custodyValue } from '../../src/chain-anchor/app/values.ts'
import { deal } from '../../src/custody/deal.ts'
import { type Deposit, depositFormat, depositReceiptFormat, sealDeposit } from '../../src/custody/deposit.ts'
import { isNoticeFor, readNotice } from '../../src/custody/notice.ts'
import { loadGuardianKeys } from '../../src/guardian-node/keys.ts'
import { noticeTagOf } from '../../src/identity/keypair.ts'
import { destroyCustody } from '../../src/light-node/guardians/destroy.ts'
import { recogniseNotice } from '../../src/light-node/guardians/notices.ts'
import { requestRelease } from '../../src/light-node/guardians/release.ts'
import { requestFrame } from '../../src/wire/custody-protocol.ts'
import { testRandom } from './ports.ts'
import { ANCHORED, NETWORK, type TestPerson, World } from './world.ts'

const fill = (byte: number, length = 32) => new Uint8Array(length).fill(byte)
let world: World
let owner: TestPerson
let clinic: TestPerson

beforeEach(async () => {
  world = await World.open('guardian', 2)
  owner = await world.person('owner')
  clinic = await world.person('clinic')
})
afterEach(() => world.close())

const keep = () => world.keep(owner, 'Blood test', 2)

describe('a deposit', () => {
  const deposit = (
    object: Awaited<ReturnType<typeof keep>>,
    changes: Partial<Deposit> = {},
    key = object.ownerKey,
    height = 9,
  ) => {
    const { objectId } = object
    const place = {
      v: 1 as const,
      network: NETWORK,
      guardianId: world.guardians[0]!.keys.guardianId,
      objectId,
    }
    const value = {
      ...place,
      version: 1,
      epoch: 1,
      index: 0,
      sealed: fill(1, 1200),
      noticeKey: fill(2, 1216),
      noticeTag: fill(3),
    }
    return requestFrame.encode({
      type: 'deposit',
      height,
      deposit: depositFormat.sign(key, { ...value, ...changes }),
    })
  }
  const sealedFor = async (object: Awaited<ReturnType<typeof keep>>, index = 0) =>
    sealDeposit(
      world.guardians[0]!.keys.kem.publicKey,
      custodyRecordHash(object.custody),
      object.dealt.shares[index]!,
    )

  test('done twice gives a receipt twice and keeps one share', async () => {
    const object = await keep()
    const answer = await world.ask(0, deposit(object, { sealed: await sealedFor(object) }))
    if (answer.type !== 'deposited') throw new Error(answer.type)
    const { signing } = world.guardians[0]!.keys
    expect(depositReceiptFormat.open(signing.publicKey, answer.receipt).value.index).toBe(0)
    expect(await world.ask(0, requestFrame.encode({ type: 'status' }))).toMatchObject({ shares: 1 })
  })

  test.each([
    ['of another network', { network: 'xcare-other' }, 'wrong-network'],
    ['for another guardian', { guardianId: 'someone' }, 'wrong-guardian'],
    ['for another place', { index: 1 }, 'wrong-guardian'],
    ['of another epoch', { epoch: 2 }, 'wrong-epoch'],
    ['of another version', { version: 2 }, 'wrong-epoch'],
    ['of an object nobody knows', { objectId: fill(99) }, 'no-custody'],
    ['that does not open', {}, 'wrong-share'],
  ])('%s is refused', async (_, changes, reason) => {
    const object = await keep()
    expect(await world.ask(0, deposit(object, changes))).toEqual({ type: 'refused', reason })
  })

  test('is looked up in the block that it names, though the header at hand is older', async () => {
    const object = await keep()
    const sealed = await sealedFor(object)
    world.guardians[0]!.view.heldAt = 9
    const at = (height: number) => world.ask(0, deposit(object, { sealed }, object.ownerKey, height))
    expect(await at(0)).toEqual({ type: 'refused', reason: 'no-custody' })
    expect(await at(9)).toMatchObject({ type: 'deposited' })
    expect(await at(Number.MAX_SAFE_INTEGER)).toMatchObject({ type: 'deposited' })
  })

  test('by someone else than the owner is refused', async () => {
    const object = await keep()
    const sealed = await sealedFor(object)
    const frame = deposit(object, { sealed }, clinic.keys.signing)
    expect(await world.ask(0, frame)).toEqual({ type: 'refused', reason: 'not-owner' })
  })

  test('of a share that the chain does not commit to is refused', async () => {
    const object = await keep()
    const { terms } = object.dealt
    const other = await deal(
      { ...terms, custodyKey: fill(1), guardians: terms.guardians },
      testRandom('other'),
    )
    const record = custodyRecordHash(object.custody)
    const sealed = await sealDeposit(world.guardians[0]!.keys.kem.publicKey, record, other.shares[0]!)
    expect(await world.ask(0, deposit(object, { sealed }))).toEqual({
      type: 'refused',
      reason: 'wrong-share',
    })
  })

  test('after the owner had the shares destroyed is refused, also when replayed', async () => {
    const object = await keep()
    const frame = deposit(object, { sealed: await sealedFor(object) })
    const result = await destroyCustody(world.ports(owner), object.custody, object.ownerKey)
    expect(result).toMatchObject({ destroyed: 2, of: 2, shredded: true, problems: [] })
    expect(await world.ask(0, frame)).toEqual({ type: 'refused', reason: 'destroyed' })
    // Even if the chain were to forget.
    world.chain.set(custodyKey(object.objectId), custodyValue.encode(object.custody))
    expect(await world.ask(0, frame)).toEqual({ type: 'refused', reason: 'destroyed' })
  })

  test('of a new epoch replaces the share of the old one', async () => {
    const object = await keep()
    const { guardians, t } = object.dealt.terms
    const input = { ...object.dealt.terms, epoch: 2, t, guardians, custodyKey: object.custodyKey }
    const next = await deal(input, testRandom('epoch 2'))
    const custody = { ...next.terms, frozen: false, status: 'active' as const }
    world.chain.set(custodyKey(object.objectId), custodyValue.encode(custody))
    const { depositShares } = await import('../../src/light-node/guardians/deposit.ts')
    await depositShares(world.ports(owner), next, world.guardianValues(), object.ownerKey, ANCHORED)
    const held = await world.grant(owner, clinic, object)
    const { custodyKey: key } = await requestRelease(world.ports(clinic), custody, held)
    expect(key).toEqual(object.custodyKey)
    await expect(requestRelease(world.ports(clinic), object.custody, held)).rejects.toThrow()
  })
})

describe('a release', () => {
  test('is given once per request, also after a restart', async () => {
    const object = await keep()
    const frame = await world.releaseFrame(
      clinic,
      await world.grant(owner, clinic, object),
      object.objectId,
      0,
    )
    expect((await world.ask(0, frame)).type).toBe('released')
    expect(await world.ask(0, frame)).toEqual({ type: 'refused', reason: 'replayed' })
    await world.guardians[0]!.restart()
    expect(await world.ask(0, frame)).toEqual({ type: 'refused', reason: 'replayed' })
    world.clock.advance(61_000)
    expect(await world.ask(0, frame)).toEqual({ type: 'refused', reason: 'clock-skew' })
  })

  test('asked ten times at once with one request is given once', async () => {
    const object = await keep()
    const frame = await world.releaseFrame(
      clinic,
      await world.grant(owner, clinic, object),
      object.objectId,
      0,
    )
    const answers = await Promise.all(Array.from({ length: 10 }, () => world.ask(0, frame)))
    expect(answers.filter(({ type }) => type === 'released')).toHaveLength(1)
    expect(await world.ask(0, requestFrame.encode({ type: 'status' }))).toMatchObject({ receipts: 1 })
  })

  test('request to one guardian is useless at another', async () => {
    const object = await keep()
    const frame = await world.releaseFrame(
      clinic,
      await world.grant(owner, clinic, object),
      object.objectId,
      0,
    )
    expect(await world.ask(1, frame)).toEqual({ type: 'refused', reason: 'malformed' })
  })

  test.each([
    ['no chain', { offline: true }],
    ['an old header', { headAgeMs: 30_500 }],
    ['values that lag', { lagBlocks: 3 }],
  ])('is refused with %s, and given again when it is back', async (_, view) => {
    const object = await keep()
    const held = await world.grant(owner, clinic, object)
    Object.assign(world.guardians[0]!.view, view)
    const refused = await world.ask(0, await world.releaseFrame(clinic, held, object.objectId, 0))
    expect(refused).toEqual({ type: 'refused', reason: 'stale-view' })
    world.guardians[0]!.view = Object.assign(world.guardians[0]!.view, {
      offline: false,
      headAgeMs: 10,
      lagBlocks: 0,
    })
    expect((await world.ask(0, await world.releaseFrame(clinic, held, object.objectId, 0))).type).toBe(
      'released',
    )
  })

  test('of a frozen record is refused until the owner thaws it', async () => {
    const object = await keep()
    const held = await world.grant(owner, clinic, object)
    const freeze = (frozen: boolean) =>
      world.chain.set(custodyKey(object.objectId), custodyValue.encode({ ...object.custody, frozen }))
    freeze(true)
    const frame = await world.releaseFrame(clinic, held, object.objectId, 0)
    expect(await world.ask(0, frame)).toEqual({ type: 'refused', reason: 'frozen' })
    freeze(false)
    // The refusal left no trace, so the same request may be tried again.
    expect((await world.ask(0, frame)).type).toBe('released')
  })

  test('sends a notice that only the owner recognises', async () => {
    const object = await keep()
    const held = await world.grant(owner, clinic, object)
    await requestRelease(world.ports(clinic), object.custody, held)
    await expect.poll(() => world.notices.length).toBe(2)
    const [payload] = world.notices
    expect(isNoticeFor(readNotice(payload!, NETWORK)!.value, noticeTagOf(owner.root, object.objectId))).toBe(
      true,
    )
    expect(recogniseNotice(payload!, NETWORK, owner.root, owner.vault)).toEqual(object.objectId)
    expect(recogniseNotice(payload!, NETWORK, clinic.root, owner.vault)).toBeNull()
  })
})

describe('what lies on disk and in the log', () => {
  test('holds no share, no key, no name; files are for their owner alone', async () => {
    const object = await keep()
    const held = await world.grant(owner, clinic, object)
    await requestRelease(world.ports(clinic), object.custody, held)
    const files = readdirSync(join(world.folderOf(0), 'data')).map((name) =>
      join(world.folderOf(0), 'data', name),
    )
    const disk = files.map((path) => toHex(readFileSync(path))).join(' ')
    const share = object.dealt.shares[0]!
    for (const secret of [share.share, share.salt, object.custodyKey, utf8(object.name), utf8(clinic.did)])
      expect(disk.includes(toHex(secret))).toBe(false)
    const log = JSON.stringify(world.guardians[0]!.log)
    for (const secret of [object.name, clinic.did, owner.did, toHex(object.objectId)])
      expect(log).not.toContain(secret)
    expect(log).toContain('"served"')
  })

  test('keys are made once, mode 0600, and a damaged key file is told', async () => {
    const dir = join(world.folderOf(0), 'keyed')
    const made = await loadGuardianKeys(dir, world.random)
    expect((await loadGuardianKeys(dir, world.random)).guardianId).toBe(made.guardianId)
    const path = join(dir, 'keys', 'guardian.seed')
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(join(dir, 'keys')).mode & 0o777).toBe(0o700)
    const { writeFileSync } = await import('node:fs')
    writeFileSync(path, 'short')
    await expect(loadGuardianKeys(dir, world.random)).rejects.toMatchObject({ code: 'INTEGRITY' })
  })
})

describe('garbage', () => {
  test('is refused, and the next request on the same stream is served', async () => {
    for (const frame of [fill(0, 0), fill(255, 100), fill(0xa0, 1)])
      expect(await world.ask(0, frame)).toEqual({ type: 'refused', reason: 'malformed' })
    expect((await world.ask(0, requestFrame.encode({ type: 'status' }))).type).toBe('status')
  })
})
