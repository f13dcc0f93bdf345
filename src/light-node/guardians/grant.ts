import { grantKey } from '../../chain-anchor/app/keys.ts'
import { type GrantValue, type GuardianValue, grantValue } from '../../chain-anchor/app/values.ts'
import { submitMessages } from '../../chain-anchor/light/submit-messages.ts'
import { sealEnvelope } from '../../crypto/envelope.ts'
import { sha256 } from '../../crypto/hash.ts'
import {
  encodeLetter,
  FULL_VIEW,
  grantCommitment,
  type HeldGrant,
  LETTER_INFO,
  makeGrant,
  saltOf,
} from '../../custody/grant.ts'
import type { Purpose } from '../../custody/purpose.ts'
import { asXcareError, XcareError } from '../../errors.ts'
import { grantSecretOf, newGrant, ownerKeyOf, revokeKeyOf } from '../../identity/keypair.ts'
import type { Vault } from '../../identity/vault.ts'
import { GRANT_OBJECTS_MAX, HEADER_AGE_MS_MAX, LETTER_BYTES_MAX, REQUEST_SKEW_MS_MAX } from '../../limits.ts'
import type { Clock, Ledger, PublicIdentity, Random, Transport } from '../../ports.ts'
import { noteRevoking } from '../unfinished/taken-back.ts'
import { askAll, askGuardian, type GuardianProblem } from './ask-guardian.ts'
import { letterAad, mailboxesOf } from './mailboxes.ts'

/** Readings of one record through one guardian that a grant allows when its owner names no number. */
const RELEASES_DEFAULT = 10_000

/** What giving and taking back permissions needs of the world. */
export interface GrantPorts {
  network: string
  ledger: Ledger
  transport: Transport
  clock: Clock
  random: Random
  /** The owner's root, 32 bytes. */
  root: Uint8Array
  /** Where the owner's list of permissions is kept. */
  vault: Vault
}

/** A permission to be given. Times in ms; `fromMs` is now when left out. */
export interface GrantWish {
  to: PublicIdentity
  /** What the owner calls the receiver; the DID when left out. */
  name?: string
  objects: { objectId: Uint8Array; name: string }[]
  purpose: Purpose
  untilMs: number
  fromMs?: number
  /** De-identification profile, or "full". */
  view?: string
  maxReleases?: number
}

/** A permission that is on the chain, and where its letter lies. */
export interface GivenGrant {
  held: HeldGrant
  height: number
  /** Guardians that keep the letter for the grantee. */
  mailboxes: number
  problems: GuardianProblem[]
}

/**
 * Gives a permission: signed with the owner key of every object, its commitment on the chain, its letter in guardians' mailboxes.
 * @param guardians from the newest epoch. @throws XcareError USAGE, REFUSED by the chain, TOO_FEW_GUARDIANS when no mailbox took the letter.
 */
export async function issueGrant(
  ports: GrantPorts,
  guardians: GuardianValue[],
  wish: GrantWish,
): Promise<GivenGrant> {
  const held = draw(ports, wish)
  const { grantId, notAfterMs } = held.grant
  const revokeKey = revokeKeyOf(ports.root, grantId)
  const letter = await sealLetter(held, wish.to)
  const commitment = grantCommitment(saltOf(held.secret), held.grantBytes)
  const create = {
    type: 'grant.create' as const,
    grantId,
    commitment,
    revokeKey: revokeKey.publicKey,
    notAfterMs,
  }
  // Before the chain knows it: what was given can be taken back, whatever happens in between.
  await remember(ports.vault, held, wish)
  const { height } = await submitMessages(ports, [create], [revokeKey]).catch(async (error: unknown) => {
    if (asXcareError(error).code === 'REFUSED') await ports.vault.markRevoked(grantId)
    throw error
  })
  const sent = await mail(ports, guardians, wish.to.did, letter)
  return { held, height, ...sent }
}

/** Takes a permission back. Reads under way may still end; new ones are refused within block time and 30 s. @throws XcareError NOT_FOUND, REFUSED, OFFLINE */
export async function revokeGrant(ports: GrantPorts, grantId: Uint8Array): Promise<{ height: number }> {
  const revokeKey = revokeKeyOf(ports.root, grantId)
  const message = { type: 'grant.revoke' as const, grantId }
  const revoked = await submitMessages(ports, [message], [revokeKey]).catch(async (error: unknown) => {
    // Nobody knows whether it happened: the wallet sees to it.
    if (asXcareError(error).code === 'TIMEOUT') await noteRevoking(ports.vault, grantId)
    throw error
  })
  await ports.vault.markRevoked(grantId)
  return revoked
}

/** @returns what the chain says of a grant, or null when it knows none. */
export async function readGrant(ledger: Ledger, grantId: Uint8Array): Promise<GrantValue | null> {
  const { value } = await ledger.read(grantKey(grantId), HEADER_AGE_MS_MAX)
  return value && grantValue.decode(value)
}

function draw(ports: GrantPorts, wish: GrantWish): HeldGrant {
  const { network, root, random, clock } = ports
  const nowMs = clock.nowMs()
  if (wish.objects.length === 0 || wish.objects.length > GRANT_OBJECTS_MAX)
    throw new XcareError(
      'USAGE',
      `one permission covers 1 to ${GRANT_OBJECTS_MAX} records, not ${wish.objects.length}`,
    )
  if (wish.untilMs <= nowMs) throw new XcareError('USAGE', 'the permission would have ended already')
  const { grantId, revokeKey } = newGrant(root, random)
  const terms = {
    ...{ network, grantId, granteeDid: wish.to.did, granteeKemHash: sha256(wish.to.kemKey) },
    ...{ purpose: wish.purpose, view: wish.view ?? FULL_VIEW, notAfterMs: wish.untilMs },
    // Block times lag behind clocks: a grant from now on would be refused for a moment.
    notBeforeMs: wish.fromMs ?? Math.max(0, nowMs - REQUEST_SKEW_MS_MAX),
    maxReleases: wish.maxReleases ?? RELEASES_DEFAULT,
    revokeKey: revokeKey.publicKey,
  }
  const objects = wish.objects.map(({ objectId, name }) => ({
    objectId,
    name,
    ownerKey: ownerKeyOf(root, objectId),
  }))
  return makeGrant(terms, grantSecretOf(root, grantId), objects)
}

async function remember(vault: Vault, { grant, objects }: HeldGrant, wish: GrantWish): Promise<void> {
  const { grantId, granteeDid, purpose, notBeforeMs, notAfterMs } = grant
  await vault.addIssued({
    ...{ grantId, granteeDid, granteeName: wish.name ?? granteeDid, purpose, notBeforeMs, notAfterMs },
    objectIds: objects.map(({ objectId }) => objectId),
    revoked: false,
  })
}

async function sealLetter(held: HeldGrant, to: PublicIdentity): Promise<Uint8Array> {
  const letter = await sealEnvelope(to.kemKey, LETTER_INFO, letterAad(to.did), encodeLetter(held))
  if (letter.length <= LETTER_BYTES_MAX) return letter
  throw new XcareError('USAGE', 'the names of these records are too long for one permission', {
    next: 'give fewer records at once',
  })
}

async function mail(
  ports: GrantPorts,
  guardians: GuardianValue[],
  recipient: string,
  letter: Uint8Array,
): Promise<{ mailboxes: number; problems: GuardianProblem[] }> {
  const boxes = mailboxesOf(guardians, recipient)
  const { good, problems } = await askAll(
    boxes.map(({ guardianId }) => guardianId),
    (_, at) => askGuardian(ports.transport, boxes[at]!, { type: 'mail.put', recipient, letter }, 'mailed'),
  )
  if (good.length > 0) return { mailboxes: good.length, problems }
  throw new XcareError(
    'TOO_FEW_GUARDIANS',
    'the permission is on the chain, but no guardian took the letter for its receiver',
    {
      cause: problems[0]?.error,
      next: 'revoke it and give it again when guardians are reachable',
    },
  )
}
