import { custodyRecordHash } from '../chain-anchor/app/values.ts'
import { type CustodyShare, isDealtShare, shareCommitment } from '../custody/deal.ts'
import { type Deposit, depositFormat, depositReceiptFormat, openDeposit } from '../custody/deposit.ts'
import { XcareError } from '../errors.ts'
import type { AnswerOf } from '../wire/custody-protocol.ts'
import { readCustody } from './chain-view.ts'
import { type GuardianParts, Refusal } from './parts.ts'
import type { Place } from './places.ts'

/**
 * Takes a custody share in: only one that the chain's custody record of the object commits to, from its owner. Doing it twice
 * changes nothing. @param height where the asker saw the custody record: believed for nothing, it only says from which block on to look.
 * @returns the answer with a deposit receipt; the share is durable by then. @throws Refusal, XcareError
 */
export async function keepDeposit(
  parts: GuardianParts,
  statement: Uint8Array,
  height: number,
  place: Place,
): Promise<AnswerOf<'deposited'>> {
  const signed = depositFormat.decode(statement)
  const { keys, network, store, clock } = parts
  const deposit = signed.value
  if (deposit.network !== network) throw new Refusal('wrong-network')
  if (deposit.guardianId !== keys.guardianId) throw new Refusal('wrong-guardian')
  const { value: terms, height: provenHeight } = await readCustody(
    { ledger: parts.ledger, place },
    { objectId: deposit.objectId, height },
    (value) => value !== null && value.epoch >= deposit.epoch,
  )
  if (!terms) throw new Refusal('no-custody')
  if (terms.status !== 'active') throw new Refusal('destroyed')
  if (terms.epoch !== deposit.epoch || terms.version !== deposit.version) throw new Refusal('wrong-epoch')
  if (terms.guardians[deposit.index] !== keys.guardianId) throw new Refusal('wrong-guardian')
  if (!depositFormat.isBy(terms.ownerKey, signed)) throw new Refusal('not-owner')
  const share = await openShare(parts, custodyRecordHash(terms), deposit)
  if (!isDealtShare(terms, share)) throw new Refusal('wrong-share')
  const { objectId, epoch, version, index, noticeKey, noticeTag } = deposit
  const { policyHash, ownerKey } = terms
  await store.keepShare(
    { objectId, epoch, version, index, policyHash, ownerKey, noticeKey, noticeTag, sinceMs: clock.nowMs() },
    share,
  )
  if (store.share(objectId)?.sealed === null) throw new Refusal('destroyed')
  const where = { v: 1 as const, network, guardianId: keys.guardianId, objectId, version, epoch, index }
  const commitment = shareCommitment(terms, share)
  return {
    type: 'deposited',
    receipt: depositReceiptFormat.sign(keys.signing, { ...where, commitment, height: provenHeight }),
  }
}

async function openShare(
  parts: GuardianParts,
  recordHash: Uint8Array,
  deposit: Deposit,
): Promise<CustodyShare> {
  try {
    return await openDeposit(parts.keys.kem, recordHash, deposit.index, deposit.sealed)
  } catch (error) {
    if (error instanceof XcareError) throw new Refusal('wrong-share')
    throw error
  }
}
