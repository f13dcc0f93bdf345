import { equalBytes, utf8 } from '../../bytes.ts'
import { type CustodyValue, custodyRecordHash, type GuardianValue } from '../../chain-anchor/app/values.ts'
import { type KemKey, sealEnvelope } from '../../crypto/envelope.ts'
import { sha256 } from '../../crypto/hash.ts'
import type { SigningKey } from '../../crypto/sign.ts'
import { combine } from '../../custody/combine.ts'
import { type CustodyShare, isDealtShare } from '../../custody/deal.ts'
import { type HeldGrant, openingFor } from '../../custody/grant.ts'
import type { Purpose } from '../../custody/purpose.ts'
import { receiptFormat } from '../../custody/release/receipt.ts'
import { isAboutGrant, type RefusalReason, refusalWords } from '../../custody/release/refusal.ts'
import { openRelease, REQUEST_INFO, requestFormat } from '../../custody/release/request.ts'
import { XcareError } from '../../errors.ts'
import type { Clock, Ledger, Random, Transport } from '../../ports.ts'
import { askGuardian, type GuardianProblem, problemOf, readGuardian } from './ask-guardian.ts'

/** What a release needs of the world, and who asks. */
export interface ReleasePorts {
  network: string
  ledger: Ledger
  transport: Transport
  clock: Clock
  random: Random
  did: string
  signing: SigningKey
  kem: KemKey
}

/** A custody key as guardians released it. */
export interface ReleasedKey {
  /** 32 bytes, checked against the chain. */
  custodyKey: Uint8Array
  /** Guardians whose shares were good, in the order they came. */
  from: string[]
  /** Guardians that refused, failed or gave a bad share. */
  problems: GuardianProblem[]
  /** Whoever dealt the shares dealt some of them wrong. */
  dealerFault: boolean
}

/**
 * Asks all guardians of an object at once for their shares under a grant, and combines the first t good ones.
 * @param custody the object's custody record as the chain has it. @param held a grant that names the object.
 * @param options `purpose` why it is read, that of the grant when left out; `releaseId` 16 bytes, the same for all objects of one
 * reading, so that the owner sees one notice.
 * @throws XcareError NO_GRANT when the permission is the obstacle, TOO_FEW_GUARDIANS when too few answer, INTEGRITY when
 * good shares give no key, CLOCK_SKEW when guardians see another time than we do.
 */
export async function requestRelease(
  ports: ReleasePorts,
  custody: CustodyValue,
  held: HeldGrant,
  options: { purpose?: Purpose; releaseId?: Uint8Array } = {},
): Promise<ReleasedKey> {
  const { purpose = held.grant.purpose, releaseId = ports.random.bytes(16) } = options
  const shares: { guardianId: string; share: CustodyShare }[] = []
  const problems: GuardianProblem[] = []
  const enough = Promise.withResolvers<void>()
  const asked = custody.guardians.map(async (guardianId, index) => {
    try {
      const guardian = await readGuardian(ports.ledger, guardianId)
      shares.push({
        guardianId,
        share: await askShare(ports, custody, held, purpose, guardian, index, releaseId),
      })
    } catch (error) {
      problems.push(problemOf(guardianId, error))
    }
    if (shares.length >= custody.t || problems.length > custody.m - custody.t) enough.resolve()
  })
  await Promise.race([enough.promise, Promise.all(asked)])
  if (shares.length < custody.t) {
    // Whoever is still thinking may tell the true reason.
    await Promise.all(asked)
    if (shares.length < custody.t) throw refusalOf(custody, shares.length, problems)
  }
  const released = await combineOrWait(custody, shares, asked)
  return { ...released, from: shares.map(({ guardianId }) => guardianId), problems }
}

/** Shares as dealt that give a wrong key are the dealer's fault: then every other share counts. */
async function combineOrWait(
  custody: CustodyValue,
  shares: { share: CustodyShare }[],
  asked: Promise<void>[],
): Promise<{ custodyKey: Uint8Array; dealerFault: boolean }> {
  const attempt = () =>
    combine(
      custody,
      shares.map(({ share }) => share),
    )
  try {
    return await attempt()
  } catch (error) {
    if (!(error instanceof XcareError && error.code === 'INTEGRITY')) throw error
    await Promise.all(asked)
    return attempt()
  }
}

async function askShare(
  ports: ReleasePorts,
  custody: CustodyValue,
  held: HeldGrant,
  purpose: Purpose,
  guardian: GuardianValue,
  index: number,
  releaseId: Uint8Array,
): Promise<CustodyShare> {
  const { network, random, clock, signing, did } = ports
  const { guardianId } = guardian
  const request = requestFormat.sign(signing, {
    ...{ v: 1, network, guardianId, objectId: custody.objectId, ...openingFor(held, custody.objectId) },
    ...{ granteeDid: did, purpose, nonce: random.bytes(32), releaseId, timeMs: clock.nowMs() },
  })
  const sealed = await sealEnvelope(guardian.kemKey, REQUEST_INFO, utf8(guardianId), request)
  const answer = await askGuardian(ports.transport, guardian, { type: 'release', sealed }, 'released')
  const bind = { requestHash: sha256(request), recordHash: custodyRecordHash(custody), index }
  const wrong = (what: string) => new XcareError('INTEGRITY', `guardian ${guardianId} gave ${what}`)
  if (!equalBytes(answer.requestHash, bind.requestHash) || answer.index !== index)
    throw wrong('the answer to another request')
  const receipt = receiptFormat.open(guardian.signKey, answer.receipt)
  if (!equalBytes(receipt.value.requestHash, bind.requestHash)) throw wrong('the receipt of another request')
  const share = await openRelease(ports.kem, bind, answer.sealed)
  if (!isDealtShare(custody, share)) throw wrong('a share that is not the one dealt')
  return share
}

/** Few reasons matter to a person: no permission, wrong clock, or guardians that are away. */
function refusalOf(custody: CustodyValue, good: number, problems: GuardianProblem[]): XcareError {
  const reasons = problems.map(({ reason }) => reason).filter((reason) => reason !== null)
  const aboutGrant = reasons.filter(isAboutGrant)
  const cause = problems[0]?.error
  if (aboutGrant.length > custody.m - custody.t) return noGrant(mostFrequent(aboutGrant), cause)
  if (reasons.filter((reason) => reason === 'clock-skew').length > custody.m - custody.t)
    return new XcareError('CLOCK_SKEW', 'the clock of this device is wrong: the guardians see another time', {
      cause,
      next: 'set the clock and run the command again',
    })
  const named = problems.map(({ guardianId, error }) => `${guardianId} (${error.message})`).join('; ')
  return new XcareError(
    'TOO_FEW_GUARDIANS',
    `${good} of ${custody.m} guardians gave their share of the key, ${custody.t} are needed: ${named}`,
    { cause, next: 'run the command again when more guardians are reachable' },
  )
}

/** @returns the error a person sees when the permission is the obstacle. */
export function noGrant(reason: RefusalReason, cause?: unknown): XcareError {
  return new XcareError('NO_GRANT', `this record may not be read: ${refusalWords(reason)}`, {
    cause,
    next: 'ask the owner of the record for permission',
  })
}

function mostFrequent(reasons: RefusalReason[]): RefusalReason {
  const count = (reason: RefusalReason) => reasons.filter((other) => other === reason).length
  return reasons.reduce((best, reason) => (count(reason) > count(best) ? reason : best))
}
