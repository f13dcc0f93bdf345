import { equalBytes, fromUtf8, toHex, utf8 } from '../../bytes.ts'
import type { GuardianValue } from '../../chain-anchor/app/values.ts'
import { sha256 } from '../../crypto/hash.ts'
import { decodeLetter, type HeldGrant, LETTER_INFO } from '../../custody/grant.ts'
import { mailQuestionFormat } from '../../custody/mail.ts'
import { XcareError } from '../../errors.ts'
import type { Vault } from '../../identity/vault.ts'
import { askAll, askGuardian, type GuardianProblem } from './ask-guardian.ts'
import { letterAad, mailboxesOf } from './mailboxes.ts'
import type { ReleasePorts } from './release.ts'

/** Answers of one guardian read in one go, at most: a full box takes a few dozen. */
const ROUNDS_MAX = 128

/** Permissions that arrived now. `unreadable` letters were not for these keys or not as they should be. */
export interface Inbox {
  arrived: HeldGrant[]
  unreadable: number
  problems: GuardianProblem[]
}

/**
 * Fetches letters from the mailboxes, keeps the permissions in them in the vault, and only then lets guardians forget them.
 * @param guardians from the newest epoch. @throws XcareError TOO_FEW_GUARDIANS when no mailbox answers.
 */
export async function fetchGrants(
  ports: Omit<ReleasePorts, 'ledger'>,
  vault: Vault,
  guardians: GuardianValue[],
): Promise<Inbox> {
  const inbox: Inbox = { arrived: [], unreadable: 0, problems: [] }
  const boxes = mailboxesOf(guardians, ports.did)
  const { good, problems } = await askAll(
    boxes.map(({ guardianId }) => guardianId),
    (_, at) => emptyBox(ports, vault, boxes[at]!, inbox),
  )
  if (good.length === 0 && boxes.length > 0)
    throw new XcareError('TOO_FEW_GUARDIANS', 'no guardian could be asked for new permissions', {
      cause: problems[0]?.error,
      next: 'run the command again when guardians are reachable',
    })
  return { ...inbox, problems }
}

/** @returns the permissions in the vault that name the object: those that have not ended first, the newest of them first. */
export function heldGrantsFor(vault: Vault, objectId: Uint8Array, nowMs: number): HeldGrant[] {
  const fitting = vault
    .received()
    .sort((a, b) => b.arrivedMs - a.arrivedMs)
    .map(({ letter }) => decodeLetter(letter))
    .filter(({ objects }) => objects.some((object) => equalBytes(object.objectId, objectId)))
  const ended = ({ grant }: HeldGrant) => (grant.notAfterMs > nowMs ? 0 : 1)
  return fitting.sort((a, b) => ended(a) - ended(b))
}

async function emptyBox(
  ports: Omit<ReleasePorts, 'ledger'>,
  vault: Vault,
  guardian: GuardianValue,
  inbox: Inbox,
): Promise<void> {
  const marker = `mail/${guardian.guardianId}`
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const after = readNumber(vault.marker(marker))
    const question = mailQuestionFormat.sign(ports.signing, {
      ...{ v: 1, network: ports.network, guardianId: guardian.guardianId, did: ports.did, after },
      ...{ nonce: ports.random.bytes(32), timeMs: ports.clock.nowMs() },
    })
    const { letters, more } = await askGuardian(
      ports.transport,
      guardian,
      { type: 'mail.get', question },
      'mail',
    )
    for (const { letter } of letters) await keep(ports, vault, letter, inbox)
    const last = letters.at(-1)?.number ?? after
    if (last > after) await vault.setMarker(marker, utf8(String(last)))
    if (!more || last <= after) return
  }
}

/** The same letter waits at several guardians: the first copy counts. */
async function keep(
  ports: Omit<ReleasePorts, 'ledger'>,
  vault: Vault,
  sealed: Uint8Array,
  inbox: Inbox,
): Promise<void> {
  const letter = await openLetter(ports, sealed)
  if (!letter) {
    inbox.unreadable++
    return
  }
  const { held, bytes } = letter
  const id = toHex(held.grant.grantId)
  if (vault.received().some(({ grantId }) => toHex(grantId) === id)) return
  if (inbox.arrived.some(({ grant }) => toHex(grant.grantId) === id)) return
  inbox.arrived.push(held)
  await vault.addReceived({ grantId: held.grant.grantId, letter: bytes, arrivedMs: ports.clock.nowMs() })
}

async function openLetter(
  ports: Omit<ReleasePorts, 'ledger'>,
  sealed: Uint8Array,
): Promise<{ held: HeldGrant; bytes: Uint8Array } | null> {
  try {
    const bytes = await ports.kem.open(sealed, LETTER_INFO, letterAad(ports.did))
    const held = decodeLetter(bytes)
    const { granteeDid, granteeKemHash, network } = held.grant
    const isForUs = granteeDid === ports.did && network === ports.network
    return isForUs && equalBytes(granteeKemHash, sha256(ports.kem.publicKey)) ? { held, bytes } : null
  } catch (error) {
    if (error instanceof XcareError && (error.code === 'INTEGRITY' || error.code === 'MALFORMED')) return null
    throw error
  }
}

function readNumber(marker: Uint8Array | null): number {
  const number = marker ? Number(fromUtf8(marker)) : 0
  return Number.isSafeInteger(number) && number >= 0 ? number : 0
}
