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

/** What is to be brought: the public terms, and a share for each guardian. */
export interface Dealt {
  terms: CustodyTerms
  shares: CustodyShare[]
}

/** Guardians that hold their share durably; `spare` when one of them may be away. */
export interface Deposited {
  holding: number
  spare: boolean
  problems: GuardianProblem[]
}

/**
 * Seals each share for its guardian while the custody record is on its way to the chain, then brings them all at once, and checks the receipts.
 * @param guardians in share order. @param anchored the height of the block with the custody record, once it is there.
 * @returns how many hold their share durably; the caller warns when it is not all of them.
 * @throws XcareError TOO_FEW_GUARDIANS when fewer than t do: nobody could ever read the object under a grant; what `anchored` rejects with.
 */
export async function depositShares(
  ports: DepositPorts,
  dealt: Dealt,
  guardians: GuardianValue[],
  ownerKey: SigningKey,
  anchored: Promise<number>,
): Promise<Deposited> {
  // It is awaited once the shares are sealed; until then its failure must not count as unhandled.
  anchored.catch(() => {})
  const { terms, shares } = dealt
  const notices = await ports.noticeAddressOf(terms.objectId)
  const about = { network: ports.network, terms, ownerKey, notices }
  const sealed = terms.guardians.map(async (guardianId, index) => {
    const guardian = guardians.find((candidate) => candidate.guardianId === guardianId)
    if (!guardian) throw new XcareError('NOT_FOUND', `the chain lists no guardian ${guardianId}`)
    return { guardian, deposit: await sealFor(guardian, shares[index]!, about) }
  })
  await Promise.allSettled(sealed)
  const height = await anchored
  const { good, problems } = await askAll(terms.guardians, async (_, index) => {
    const { guardian, deposit } = await sealed[index]!
    await depositOne(ports, { terms, share: shares[index]!, deposit, height }, guardian)
  })
  if (good.length >= terms.t) return { holding: good.length, spare: good.length > terms.t, problems }
  const names = problems.map(({ error }) => error.message).join('; ')
  throw new XcareError(
    'TOO_FEW_GUARDIANS',
    `${good.length} of ${terms.m} guardians took their share of the key, ${terms.t} must: ${names}`,
    { cause: problems[0]?.error, next: 'run the command again when the guardians are back' },
  )
}

/** What the deposits of one object have in common. */
interface About {
  network: string
  terms: CustodyTerms
  ownerKey: SigningKey
  notices: NoticeAddress
}

/** @returns the signed statement that brings a guardian its share. */
async function sealFor(
  { guardianId, kemKey }: GuardianValue,
  share: CustodyShare,
  { network, terms, ownerKey, notices }: About,
): Promise<Uint8Array> {
  const { objectId, version, epoch } = terms
  const sealed = await sealDeposit(kemKey, custodyRecordHash(terms), share)
  const place = { v: 1 as const, network, guardianId, objectId, version, epoch, index: share.index }
  return depositFormat.sign(ownerKey, { ...place, sealed, ...notices })
}

async function depositOne(
  { network, transport }: DepositPorts,
  {
    terms,
    share,
    deposit,
    height,
  }: { terms: CustodyTerms; share: CustodyShare; deposit: Uint8Array; height: number },
  guardian: GuardianValue,
): Promise<void> {
  const { guardianId } = guardian
  const answer = await askGuardian(transport, guardian, { type: 'deposit', deposit, height }, 'deposited')
  const { value } = depositReceiptFormat.open(guardian.signKey, answer.receipt)
  const isOurs =
    value.network === network &&
    value.guardianId === guardianId &&
    equalBytes(value.objectId, terms.objectId) &&
    value.epoch === terms.epoch &&
    value.index === share.index &&
    equalBytes(value.commitment, shareCommitment(terms, share))
  if (!isOurs)
    throw new XcareError('INTEGRITY', `the receipt of guardian ${guardianId} is for something else`)
}
