import { concat, equalBytes } from '../bytes.ts'
import { custodyKey } from '../chain-anchor/app/keys.ts'
import { custodyValue } from '../chain-anchor/app/values.ts'
import { destroyOrderFormat, destroyReceiptFormat } from '../custody/destroy.ts'
import { questionFormat } from '../custody/release/receipt.ts'
import {
  HEADER_AGE_MS_MAX,
  RECEIPT_HASHES_MAX,
  RECEIPTS_IN_ANSWER_MAX,
  REQUEST_SKEW_MS_MAX,
} from '../limits.ts'
import type { AnswerOf } from '../wire/custody-protocol.ts'
import { type GuardianParts, Refusal } from './parts.ts'
import type { Place } from './places.ts'

/**
 * Destroys the shares of an object on its owner's order. Doing it again only makes a new receipt.
 * @throws Refusal when someone else ordered it.
 */
export async function destroy(
  parts: GuardianParts,
  statement: Uint8Array,
  place: Place,
): Promise<AnswerOf<'destroyed'>> {
  const order = destroyOrderFormat.decode(statement)
  const { network, keys, store, clock } = parts
  const { objectId, epoch } = order.value
  if (order.value.network !== network) throw new Refusal('wrong-network')
  const ownerKey = await ownerKeyOf(parts, objectId)
  if (!ownerKey) throw new Refusal('no-custody')
  place.check()
  if (!destroyOrderFormat.isBy(ownerKey, order)) throw new Refusal('not-owner')
  const hadShare = store.destroyShares(objectId, epoch)
  const receipt = destroyReceiptFormat.sign(keys.signing, {
    ...{ v: 1, network, guardianId: keys.guardianId, objectId, epoch },
    ...{ orderHash: order.hash, hadShare, timeMs: clock.nowMs() },
  })
  return { type: 'destroyed', receipt }
}

async function ownerKeyOf(parts: GuardianParts, objectId: Uint8Array): Promise<Uint8Array | null> {
  const row = parts.store.share(objectId)
  if (row) return row.ownerKey
  // Nobody waits for a block here: who destroys what was never brought has nothing to lose by a no.
  const { value } = await parts.ledger.read(custodyKey(objectId), HEADER_AGE_MS_MAX)
  return value && custodyValue.decode(value).ownerKey
}

/**
 * Gives an owner the receipts of own objects, and the hashes of all others in between, so that the chain can be followed to its
 * anchored head. @throws Refusal when one question is not its owner's, stale or used before.
 */
export function listReceipts(
  parts: GuardianParts,
  fromSeq: number,
  statements: Uint8Array[],
): AnswerOf<'receipts'> {
  const objectIds = checkQuestions(parts, statements)
  const { store } = parts
  const from = store.chainAt(fromSeq)
  const hashes = store.receiptHashes(from.count, RECEIPT_HASHES_MAX)
  const own = objectIds
    .flatMap((objectId) =>
      store.receiptsOf(objectId, from.count, from.count + hashes.length, RECEIPTS_IN_ANSWER_MAX + 1),
    )
    .sort((a, b) => a.seq - b.seq)
  // A window ends before the first receipt that no longer fits the answer.
  const end = own[RECEIPTS_IN_ANSWER_MAX]?.seq ?? from.count + hashes.length
  return {
    type: 'receipts',
    fromSeq: from.count,
    prev: from.link,
    hashes: concat(...hashes.slice(0, end - from.count)),
    own: own.filter(({ seq }) => seq < end).map(({ receipt }) => receipt),
    count: store.chain().count,
  }
}

/** All questions of one request carry one nonce, which is then used up. */
function checkQuestions(parts: GuardianParts, statements: Uint8Array[]): Uint8Array[] {
  const { network, keys, store, clock } = parts
  const questions = statements.map((statement) => questionFormat.decode(statement))
  const nonce = questions[0]!.value.nonce
  const seen = new Set<string>()
  let owned = 0
  for (const question of questions) {
    const { value } = question
    if (value.network !== network) throw new Refusal('wrong-network')
    if (value.guardianId !== keys.guardianId) throw new Refusal('wrong-guardian')
    if (Math.abs(value.timeMs - clock.nowMs()) > REQUEST_SKEW_MS_MAX) throw new Refusal('clock-skew')
    if (!equalBytes(value.nonce, nonce) || seen.has(value.objectId.join())) throw new Refusal('malformed')
    seen.add(value.objectId.join())
    const row = store.share(value.objectId)
    // Nothing was ever released of what was never deposited here.
    if (!row) continue
    if (!questionFormat.isBy(row.ownerKey, question)) throw new Refusal('not-owner')
    owned++
  }
  // The hashes of all receipts are for those whose receipts are among them.
  if (owned === 0) throw new Refusal('no-share')
  if (!parts.questions.use(nonce, clock.nowMs())) throw new Refusal('replayed')
  return questions.map(({ value }) => value.objectId)
}
