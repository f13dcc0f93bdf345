import { equalBytes } from '../../bytes.ts'
import { custodyRecordHash, type GuardianValue } from '../../chain-anchor/app/values.ts'
import type { SigningKey } from '../../crypto/sign.ts'
import { type CustodyShare, type CustodyTerms, shareCommitment } from '../../custody/deal.ts'
import { depositFormat, depositReceiptFormat, sealDeposit } from '../../custody/deposit.ts'
import type { NoticeAddress } from '../../custody/notice.ts'
import { XcareError } from '../../errors.ts'
import type { Transport } from '../../ports.ts'
import { askAll, askGuardian, type GuardianProblem } from './ask-guardian.ts'

/** What a deposit needs of the world. */
export interface DepositPorts {
  network: string
  transport: Transport
  /** Where guardians send notices about an object: both keys follow from the owner's root and the object's id. */
  noticeAddressOf(objectId: Uint8Array): Promise<NoticeAddress>
}

/**
 * Brings each guardian its share, all at once, and checks the receipts. The custody record must be on the chain already.
 * @param guardians in share order. @returns how many hold their share durably; the caller warns when it is not all of them.
 * @throws XcareError TOO_FEW_GUARDIANS when fewer than t do: nobody could ever read the object under a grant.
 */
export async function depositShares(
  ports: DepositPorts,
  dealt: { terms: CustodyTerms; shares: CustodyShare[] },
  guardians: GuardianValue[],
  ownerKey: SigningKey,
): Promise<{ custodians: number; spare: boolean; problems: GuardianProblem[] }> {
  const { terms, shares } = dealt
  const notices = await ports.noticeAddressOf(terms.objectId)
  const { good, problems } = await askAll(terms.guardians, async (guardianId, index) => {
    const guardian = guardians.find((candidate) => candidate.guardianId === guardianId)
    if (!guardian) throw new XcareError('NOT_FOUND', `the chain lists no guardian ${guardianId}`)
    await depositOne(ports, terms, shares[index]!, guardian, ownerKey, notices)
  })
  if (good.length >= terms.t) return { custodians: good.length, spare: good.length > terms.t, problems }
  const names = problems.map(({ error }) => error.message).join('; ')
  throw new XcareError(
    'TOO_FEW_GUARDIANS',
    `${good.length} of ${terms.m} guardians took their share of the key, ${terms.t} must: ${names}`,
    { cause: problems[0]?.error, next: 'run the command again when the guardians are back' },
  )
}

async function depositOne(
  ports: DepositPorts,
  terms: CustodyTerms,
  share: CustodyShare,
  guardian: GuardianValue,
  ownerKey: SigningKey,
  notices: NoticeAddress,
): Promise<void> {
  const { objectId, version, epoch } = terms
  const { guardianId } = guardian
  const sealed = await sealDeposit(guardian.kemKey, custodyRecordHash(terms), share)
  const place = {
    v: 1 as const,
    network: ports.network,
    guardianId,
    objectId,
    version,
    epoch,
    index: share.index,
  }
  const deposit = depositFormat.sign(ownerKey, { ...place, sealed, ...notices })
  const answer = await askGuardian(ports.transport, guardian, { type: 'deposit', deposit }, 'deposited')
  const { value } = depositReceiptFormat.open(guardian.signKey, answer.receipt)
  const isOurs =
    value.network === ports.network &&
    value.guardianId === guardianId &&
    equalBytes(value.objectId, objectId) &&
    value.epoch === epoch &&
    value.index === share.index &&
    equalBytes(value.commitment, shareCommitment(terms, share))
  if (!isOurs)
    throw new XcareError('INTEGRITY', `the receipt of guardian ${guardianId} is for something else`)
}
