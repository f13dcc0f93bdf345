import { equalBytes, fromUtf8, toHex, utf8 } from '../../bytes.ts'
import type { GuardianValue } from '../../chain-anchor/app/values.ts'
import { sha256 } from '../../crypto/hash.ts'
import { decodeLetter, type HeldGrant, LETTER_INFO } from '../../custody/grant.ts'
import { mailQuestionFormat } from '../../custody/mail.ts'
import { XcareError } from '../../errors.ts'
import type { Vault } from '../../identity/vault.ts'
import { INBOX_BYTES_MAX, INBOX_MS_MAX, RECEIVED_OF_OBJECT_MAX } from '../../limits.ts'
import { askAll, askGuardian, type GuardianProblem } from './ask-guardian.ts'
import { pruneReceived } from './held-grants.ts'
import { LetterProof } from './letter-proof.ts'
import { letterAad, mailboxesOf } from './mailboxes.ts'
import type { ReleasePorts } from './release.ts'

/** Answers of one guardian read in one go, at most: a full box takes a few dozen. */
const ROUNDS_MAX = 128
/** Permissions that older programs kept unproven and that are proven with one fetch. */
const OLD_LETTERS_AT_ONCE = 256

/**
 * Permissions that arrived now. `unreadable` letters were not for these keys or not as they should be;
 * `madeUp` ones are no permissions: the chain does not know them, or not everybody whose object they name
 * signed.
 */
export interface Inbox {
  arrived: HeldGrant[]
  unreadable: number
  madeUp: number
  problems: GuardianProblem[]
}

interface Fetch {
  ports: ReleasePorts
  vault: Vault
  proof: LetterProof
  untilMs: number
  inbox: Inbox
  /** Letters that were decided about, by the grant they bring. */
  seen: Set<string>
}

/**
 * Fetches letters from the mailboxes and keeps those that are proven to be permissions in the vault; only
 * then guardians may forget them. Whatever guardians and senders do, it ends within INBOX_MS_MAX and takes
 * INBOX_BYTES_MAX of each guardian at most; the rest comes next time.
 * @param guardians from the newest epoch.
 * @throws XcareError TOO_FEW_GUARDIANS when no mailbox answers, as the ledger
 */
export async function fetchGrants(
  ports: ReleasePorts,
  vault: Vault,
  guardians: GuardianValue[],
): Promise<Inbox> {
  const inbox: Inbox = { arrived: [], unreadable: 0, madeUp: 0, problems: [] }
  const untilMs = ports.clock.nowMs() + INBOX_MS_MAX
  const fetch = {
    ports,
    vault,
    proof: new LetterProof(ports.ledger),
    untilMs,
    inbox,
    seen: new Set<string>(),
  }
  await proveOld(fetch)
  for (const { grantId } of vault.received()) fetch.seen.add(toHex(grantId))
  const boxes = mailboxesOf(guardians, ports.did)
  const { good, problems } = await askAll(
    boxes.map(({ guardianId }) => guardianId),
    (_, at) => emptyBox(fetch, boxes[at]!),
  )
  if (good.length === 0 && boxes.length > 0)
    throw new XcareError('TOO_FEW_GUARDIANS', 'no guardian could be asked for new permissions', {
      cause: problems[0]?.error,
      next: 'run the command again when guardians are reachable',
    })
  await pruneReceived(vault, ports.clock.nowMs())
  return { ...inbox, problems }
}

/** Older programs kept whatever could be read. */
async function proveOld({ ports, vault, proof, untilMs, inbox }: Fetch): Promise<void> {
  const old = vault.received().filter(({ proven }) => !proven)
  for (const received of old.slice(0, OLD_LETTERS_AT_ONCE)) {
    if (ports.clock.nowMs() > untilMs) return
    const verdict = await proof.verdictOf(decodeLetter(received.letter))
    if (verdict === 'proven') await vault.addReceived({ ...received, proven: true })
    else if (verdict !== 'undecided') await vault.forgetReceived(received.grantId)
    if (verdict === 'made-up') inbox.madeUp++
  }
}

async function emptyBox(fetch: Fetch, guardian: GuardianValue): Promise<void> {
  const { ports, vault, untilMs } = fetch
  const marker = `mail/${guardian.guardianId}`
  let bytes = 0
  let after = readNumber(vault.marker(marker))
  // Behind a letter that cannot be decided about yet, the next fetch begins again.
  let isWaiting = false
  for (let round = 0; round < ROUNDS_MAX && bytes < INBOX_BYTES_MAX; round++) {
    if (ports.clock.nowMs() > untilMs) return
    const { letters, more } = await askBox(ports, guardian, after)
    for (const { number, letter } of letters) {
      // Numbers rise, or the guardian only keeps us busy.
      if (number <= after)
        throw new XcareError('MALFORMED', `guardian ${guardian.guardianId} repeats letters`)
      after = number
      bytes += letter.length
      isWaiting = !(await decide(fetch, letter)) || isWaiting
      if (ports.clock.nowMs() > untilMs) break
    }
    if (letters.length > 0 && !isWaiting) await vault.setMarker(marker, utf8(String(after)))
    if (!more || letters.length === 0) return
  }
}

async function askBox(ports: ReleasePorts, guardian: GuardianValue, after: number) {
  const question = mailQuestionFormat.sign(ports.signing, {
    ...{ v: 1, network: ports.network, guardianId: guardian.guardianId, did: ports.did, after },
    ...{ nonce: ports.random.bytes(32), timeMs: ports.clock.nowMs() },
  })
  return askGuardian(ports.transport, guardian, { type: 'mail.get', question }, 'mail')
}

/**
 * Keeps a letter that is a permission. The same waits at several guardians: the first copy counts.
 * @returns false when it is too early to tell
 */
async function decide({ ports, vault, proof, inbox, seen }: Fetch, sealed: Uint8Array): Promise<boolean> {
  const letter = await openLetter(ports, sealed)
  if (!letter) {
    inbox.unreadable++
    return true
  }
  const { held, bytes } = letter
  const { grantId, notAfterMs } = held.grant
  // A made-up letter under a true grant's id must not keep the true one out.
  const id = toHex(sha256(bytes))
  const nowMs = ports.clock.nowMs()
  if (seen.has(id) || seen.has(toHex(grantId)) || notAfterMs <= nowMs) return true
  seen.add(id)
  const verdict = await proof.verdictOf(held)
  if (verdict === 'undecided') {
    seen.delete(id)
    return false
  }
  if (verdict === 'made-up') inbox.madeUp++
  if (verdict !== 'proven' || seen.has(toHex(grantId))) return true
  seen.add(toHex(grantId))
  inbox.arrived.push(held)
  await vault.addReceived({ grantId, letter: bytes, arrivedMs: nowMs, proven: true })
  if (inbox.arrived.length % RECEIVED_OF_OBJECT_MAX === 0) await pruneReceived(vault, nowMs)
  return true
}

async function openLetter(
  ports: ReleasePorts,
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
