import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { custodyKey } from '../../src/chain-anchor/app/keys.ts'
import { custodyValue } from '../../src/chain-anchor/app/values.ts'
import { deal } from '../../src/custody/deal.ts'
import { destroyOrderFormat, destroyReceiptFormat } from '../../src/custody/destroy.ts'
import { mailQuestionFormat } from '../../src/custody/mail.ts'
import { questionFormat } from '../../src/custody/release/receipt.ts'
import { ownerKeyOf } from '../../src/identity/keypair.ts'
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

describe('receipts', () => {
  const ask = (person: TestPerson, objectId: Uint8Array, changes = {}) => {
    const { guardianId } = world.guardians[0]!.keys
    const nonce = world.random.bytes(32)
    const value = {
      v: 1 as const,
      network: NETWORK,
      guardianId,
      objectId,
      nonce,
      timeMs: world.clock.nowMs(),
    }
    const question = questionFormat.sign(ownerKeyOf(person.root, objectId), { ...value, ...changes })
    return requestFrame.encode({ type: 'receipts', fromSeq: 0, questions: [question] })
  }

  test('are shown to the owner of the object alone, once per question', async () => {
    const object = await keep()
    const held = await world.grant(owner, clinic, object)
    await world.ask(0, await world.releaseFrame(clinic, held, object.objectId, 0))
    const frame = ask(owner, object.objectId)
    expect(await world.ask(0, frame)).toMatchObject({
      type: 'receipts',
      count: 1,
      own: [expect.any(Uint8Array)],
    })
    expect(await world.ask(0, frame)).toEqual({ type: 'refused', reason: 'replayed' })
    expect(await world.ask(0, ask(clinic, object.objectId))).toEqual({ type: 'refused', reason: 'not-owner' })
    const late = ask(owner, object.objectId, { timeMs: world.clock.nowMs() - 61_000 })
    expect(await world.ask(0, late)).toEqual({ type: 'refused', reason: 'clock-skew' })
    const elsewhere = ask(owner, object.objectId, { guardianId: 'x' })
    expect(await world.ask(0, elsewhere)).toEqual({ type: 'refused', reason: 'wrong-guardian' })
  })

  test('come in windows that fit one answer, however many there are', async () => {
    const object = await keep()
    const held = await world.grant(owner, clinic, object)
    for (let at = 0; at < 40; at++)
      await world.ask(0, await world.releaseFrame(clinic, held, object.objectId, 0))
    const first = await world.ask(0, ask(owner, object.objectId))
    expect(first).toMatchObject({ type: 'receipts', count: 40 })
    if (first.type === 'receipts') expect(first.own).toHaveLength(32)
    const { fetchNotices } = await import('../../src/light-node/guardians/notices.ts')
    const { notices, problems } = await fetchNotices(world.ports(owner), owner.vault)
    expect(problems).toEqual([])
    expect(notices).toHaveLength(40)
  })
})

describe('letters', () => {
  const put = (letter: Uint8Array, recipient: string = clinic.did) =>
    world.ask(0, requestFrame.encode({ type: 'mail.put', recipient, letter }))
  const get = (person: TestPerson, after = 0, changes = {}) => {
    const { guardianId } = world.guardians[0]!.keys
    const value = {
      v: 1 as const,
      network: NETWORK,
      guardianId,
      did: clinic.did,
      after,
      nonce: world.random.bytes(32),
    }
    const question = mailQuestionFormat.sign(person.keys.signing, {
      ...value,
      timeMs: world.clock.nowMs(),
      ...changes,
    })
    return world.ask(0, requestFrame.encode({ type: 'mail.get', question }))
  }

  test('wait for their recipient, and go once fetched', async () => {
    await put(fill(1, 100))
    await put(fill(2, 100))
    const got = await get(clinic)
    expect(got).toMatchObject({
      type: 'mail',
      more: false,
      letters: [{ letter: fill(1, 100) }, { letter: fill(2, 100) }],
    })
    const last = got.type === 'mail' ? got.letters[1]!.number : 0
    expect(await get(clinic, last)).toMatchObject({ letters: [] })
    expect(await get(clinic, 0)).toMatchObject({ letters: [] })
  })

  test('are not given to anyone else', async () => {
    await put(fill(1, 100))
    expect(await get(owner)).toEqual({ type: 'refused', reason: 'bad-signature' })
    const stranger = await get(clinic, 0, { did: `${clinic.did.slice(0, -3)}aaa` })
    expect(stranger.type).toBe('refused')
  })

  test('to nobody, or to another network, are refused', async () => {
    expect(await put(fill(1), 'nobody')).toEqual({ type: 'refused', reason: 'malformed' })
    const elsewhere = clinic.did.replace(NETWORK, 'xcare-other')
    expect(await put(fill(1), elsewhere)).toEqual({ type: 'refused', reason: 'wrong-network' })
  })
})

describe('destruction', () => {
  test('is ordered by the owner alone, and leaves nothing of the share on disk', async () => {
    const object = await keep()
    const order = {
      v: 1 as const,
      network: NETWORK,
      objectId: object.objectId,
      epoch: 1,
      timeMs: world.clock.nowMs(),
    }
    const by = (key = object.ownerKey) =>
      world.ask(0, requestFrame.encode({ type: 'destroy', order: destroyOrderFormat.sign(key, order) }))
    expect(await by(clinic.keys.signing)).toEqual({ type: 'refused', reason: 'not-owner' })
    const first = await by()
    if (first.type !== 'destroyed') throw new Error(first.type)
    const { signing } = world.guardians[0]!.keys
    expect(destroyReceiptFormat.open(signing.publicKey, first.receipt).value.hadShare).toBe(true)
    const again = await by()
    if (again.type !== 'destroyed') throw new Error(again.type)
    expect(destroyReceiptFormat.open(signing.publicKey, again.receipt).value.hadShare).toBe(false)
    expect(await world.ask(0, requestFrame.encode({ type: 'status' }))).toMatchObject({ shares: 0 })
  })

  test('an order for an old epoch does not touch a newer share', async () => {
    const object = await keep()
    const order = { v: 1 as const, network: NETWORK, objectId: object.objectId, epoch: 1, timeMs: 1 }
    const next = await deal(
      { ...object.dealt.terms, epoch: 2, custodyKey: object.custodyKey },
      testRandom('epoch 2'),
    )
    world.chain.set(
      custodyKey(object.objectId),
      custodyValue.encode({ ...next.terms, frozen: false, status: 'active' }),
    )
    const { depositShares } = await import('../../src/light-node/guardians/deposit.ts')
    await depositShares(world.ports(owner), next, world.guardianValues(), object.ownerKey, ANCHORED)
    const statement = destroyOrderFormat.sign(object.ownerKey, order)
    await world.ask(0, requestFrame.encode({ type: 'destroy', order: statement }))
    expect(await world.ask(0, requestFrame.encode({ type: 'status' }))).toMatchObject({ shares: 1 })
  })
})
