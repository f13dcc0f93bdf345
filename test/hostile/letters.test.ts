import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { grantKey } from '../../src/chain-anchor/app/keys.ts'
import { grantValue } from '../../src/chain-anchor/app/values.ts'
import { sealEnvelope } from '../../src/crypto/envelope.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import {
  encodeLetter,
  FULL_VIEW,
  grantCommitment,
  type HeldGrant,
  LETTER_INFO,
  makeGrant,
  saltOf,
} from '../../src/custody/grant.ts'
import { ownerKeyOf, revokeKeyOf } from '../../src/identity/keypair.ts'
import { objectIdFromBytes } from '../../src/ids.ts'
import { issueGrant, revokeGrant } from '../../src/light-node/guardians/grant.ts'
import { fetchGrants } from '../../src/light-node/guardians/grants-inbox.ts'
import { letterAad, mailboxesOf } from '../../src/light-node/guardians/mailboxes.ts'
import { custodyKeySource } from '../../src/light-node/guardians/read-as-grantee.ts'
import { RECEIVED_OF_OBJECT_MAX } from '../../src/limits.ts'
import { requestFrame } from '../../src/wire/custody-protocol.ts'
import { NETWORK, type TestPerson, World } from '../guardian-node/world.ts'

const DAY_MS = 86_400_000
let world: World
let owner: TestPerson
let stranger: TestPerson
let clinic: TestPerson
let object: Awaited<ReturnType<World['keep']>>

beforeEach(async () => {
  world = await World.open('letters', 3)
  owner = await world.person('owner')
  stranger = await world.person('stranger')
  clinic = await world.person('clinic')
  object = await world.keep(owner, 'Allergies', 2)
})
afterEach(() => world.close())

const issue = (by: TestPerson) =>
  issueGrant(world.ports(by), world.guardianValues(), {
    to: { did: clinic.did, signKey: clinic.keys.signing.publicKey, kemKey: clinic.keys.kem.publicKey },
    ...{ objects: [{ objectId: object.objectId, name: 'Allergies' }], purpose: 'TREAT' as const },
    untilMs: world.clock.nowMs() + DAY_MS,
  })
const fetch = () => fetchGrants(world.ports(clinic), clinic.vault, world.guardianValues())
const read = () =>
  custodyKeySource({ ...world.ports(clinic), progress: () => {} })({
    ...{ objectId: objectIdFromBytes(object.objectId), custody: object.custody },
  } as never)

/**
 * A permission that is made but not sent.
 * @param signer whose owner key signs, which only for the owner is the record's
 */
function make(signer: TestPerson): HeldGrant {
  const grantId = world.random.bytes(16)
  const nowMs = world.clock.nowMs()
  const terms = {
    ...{ network: NETWORK, grantId, granteeDid: clinic.did, purpose: 'TREAT' as const, view: FULL_VIEW },
    ...{ granteeKemHash: sha256(clinic.keys.kem.publicKey), maxReleases: 100 },
    ...{ notBeforeMs: nowMs - 60_000, notAfterMs: nowMs + DAY_MS },
    revokeKey: revokeKeyOf(signer.root, grantId).publicKey,
  }
  const ownerKey = signer === owner ? object.ownerKey : ownerKeyOf(signer.root, object.objectId)
  return makeGrant(terms, world.random.bytes(32), [
    { objectId: object.objectId, ownerKey, name: 'Allergies' },
  ])
}

function anchor({ grant, grantBytes, secret }: HeldGrant): void {
  const { grantId, revokeKey, notAfterMs } = grant
  const commitment = grantCommitment(saltOf(secret), grantBytes)
  const value = { grantId, commitment, revokeKey, notAfterMs, status: 'active' as const, height: 1 }
  world.chain.set(grantKey(grantId), grantValue.encode(value))
}

/** Brings a letter to every mailbox of the clinic, as anybody can. */
async function mail(held: HeldGrant): Promise<void> {
  const letter = await sealEnvelope(
    clinic.keys.kem.publicKey,
    LETTER_INFO,
    letterAad(clinic.did),
    encodeLetter(held),
  )
  const boxes = new Set(mailboxesOf(world.guardianValues(), clinic.did).map(({ guardianId }) => guardianId))
  for (const [at, { keys }] of world.guardians.entries())
    if (boxes.has(keys.guardianId))
      await world.ask(at, requestFrame.encode({ type: 'mail.put', recipient: clinic.did, letter }))
}

describe('letters of strangers', () => {
  test('do not hide a permission, however many name its record, and leave nothing in the wallet', async () => {
    const { held } = await issue(owner)
    for (let at = 0; at < 12; at++) await issue(stranger)
    await fetch()
    expect(await read()).toEqual(object.custodyKey)
    expect(clinic.vault.received().map(({ grantId }) => toHex(grantId))).toEqual([toHex(held.grant.grantId)])
  })

  test('that bring a grant no chain knows are left out and counted', async () => {
    await issue(owner)
    await mail(make(owner))
    // What the chain does not know yet may still come: only a later block tells.
    expect(await fetch()).toMatchObject({ madeUp: 0, arrived: [{}] })
    world.chain.set(new Uint8Array([1]), null)
    const ledger = world.chain.ledger()
    const read = ledger.read
    ledger.read = (key, maxAgeMs, block) => {
      world.chain.height++
      return read(key, maxAgeMs, block)
    }
    const inbox = await fetchGrants({ ...world.ports(clinic), ledger }, clinic.vault, world.guardianValues())
    expect(inbox).toMatchObject({ madeUp: 1, arrived: [] })
    expect(clinic.vault.received()).toHaveLength(1)
    expect(await fetch()).toMatchObject({ madeUp: 0, unreadable: 0 })
  })

  test('with a true grant and other signatures do not keep the true letter out', async () => {
    const held = make(owner)
    anchor(held)
    const forged = held.objects.map((named) => ({ ...named, ownerSignature: new Uint8Array(64).fill(1) }))
    await mail({ ...held, objects: forged })
    await mail(held)
    expect(await fetch()).toMatchObject({ madeUp: 1, arrived: [{}] })
    expect(await read()).toEqual(object.custodyKey)
  })

  test('that an older program kept hide nothing either, and are forgotten', async () => {
    await issue(owner)
    await fetch()
    for (let at = 0; at < 12; at++) {
      const junk = make(stranger)
      anchor(junk)
      const { grantId } = junk.grant
      await clinic.vault.addReceived({
        grantId,
        letter: encodeLetter(junk),
        arrivedMs: world.clock.nowMs() + at + 1,
      })
    }
    expect(await read()).toEqual(object.custodyKey)
    expect(clinic.vault.received()).toHaveLength(1)
    for (let at = 0; at < 3; at++) {
      const junk = make(stranger)
      anchor(junk)
      await clinic.vault.addReceived({
        grantId: junk.grant.grantId,
        letter: encodeLetter(junk),
        arrivedMs: 1,
      })
    }
    expect(await fetch()).toMatchObject({ madeUp: 3 })
    expect(clinic.vault.received()).toHaveLength(1)
  })

  test('a permission that our view of the chain does not show yet is not lost', async () => {
    const before = world.chain.height
    await issue(owner)
    const held = world.chain.ledger({ heldAt: before })
    const stale = { ...held, read: (key: Uint8Array, maxAgeMs: number) => held.read(key, maxAgeMs) }
    const early = await fetchGrants(
      { ...world.ports(clinic), ledger: stale },
      clinic.vault,
      world.guardianValues(),
    )
    expect(early).toMatchObject({ arrived: [], madeUp: 0 })
    expect((await fetch()).arrived).toHaveLength(1)
  })

  test('of the owner itself are kept up to a number for each record, the newest of them', async () => {
    for (let at = 0; at < RECEIVED_OF_OBJECT_MAX + 4; at++) {
      await issue(owner)
      world.clock.advance(1000)
      await fetch()
    }
    expect(clinic.vault.received()).toHaveLength(RECEIVED_OF_OBJECT_MAX)
    expect(await read()).toEqual(object.custodyKey)
  })

  test('permissions that were taken back before they arrived are not kept, ended ones go', async () => {
    const { held } = await issue(owner)
    await revokeGrant(world.ports(owner), held.grant.grantId)
    expect(await fetch()).toMatchObject({ arrived: [], madeUp: 0 })
    await issue(owner)
    await fetch()
    expect(clinic.vault.received()).toHaveLength(1)
    world.clock.advance(40 * DAY_MS)
    await fetch()
    expect(clinic.vault.received()).toEqual([])
  })
})
