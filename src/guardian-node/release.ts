import { toHex, utf8 } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { isDealtShare } from '../custody/deal.ts'
import { type Grant, isGrantSignedBy } from '../custody/grant.ts'
import {
  checkForm,
  checkLimits,
  firstRefusal,
  grantInside,
  type ReleaseFacts,
} from '../custody/release/checks.ts'
import { receiptFormat } from '../custody/release/receipt.ts'
import type { RefusalReason } from '../custody/release/refusal.ts'
import {
  REQUEST_INFO,
  requestFormat,
  type SignedReleaseRequest,
  sealRelease,
} from '../custody/release/request.ts'
import { XcareError } from '../errors.ts'
import { SHARE_NEWCOMER_MS } from '../limits.ts'
import type { AnswerOf } from '../wire/custody-protocol.ts'
import { LOOK_AGAIN_MS, type ReleaseView, readReleaseView } from './chain-view.ts'
import { type GuardianParts, Refusal } from './parts.ts'
import type { Place } from './places.ts'
import type { ReleaseStanding } from './release-shares.ts'
import type { ShareRow } from './store.ts'

/** A busy machine or a burst of blocks may leave one view behind; not several in a row. */
const STALE_LOOKS_MAX = 6

/** Refusals that a newer block may have lifted: looked at again before they are given. */
const CURABLE: ReadonlySet<RefusalReason> = new Set([
  'stale-view',
  'unknown-grantee',
  'no-grant',
  'no-custody',
  'wrong-epoch',
  'frozen',
  'not-yet-valid',
])

type Facts = ReleaseFacts & { view: ReleaseView | null; share: ShareRow | null }

/**
 * Releases a share under a live grant, or refuses: checks 1 to 8 in their order against the guardian's own light client, then the
 * receipt is made durable, and only then does the share leave. Spec: docs/spec/custody.md 6.
 * @throws Refusal
 */
export async function release(
  parts: GuardianParts,
  sealed: Uint8Array,
  place: Place,
): Promise<AnswerOf<'released'>> {
  const request = await openRequest(parts, sealed)
  const own = ownFacts(parts, request)
  const early = checkForm({ ...own, view: null }) ?? checkHeld(own)
  if (early) throw new Refusal(early)
  if (standingOf(own.share, own.nowMs) === 'owner') place.proven()
  const facts = await decide(parts, request, place)
  return giveShare(parts, request, facts)
}

/**
 * What the own disk tells already: who has no grant by the owner of a share that is here does not make the
 * guardian ask the chain.
 */
function checkHeld({ request, grant, share }: Omit<Facts, 'view'>): RefusalReason | null {
  const { value } = request
  if (!grant) return 'malformed'
  if (!share) return 'no-share'
  if (share.sealed === null) return 'destroyed'
  return isGrantSignedBy(share.ownerKey, value.grant, value.ownerSignature) ? null : 'not-by-owner'
}

function standingOf(share: ShareRow | null, nowMs: number): ReleaseStanding {
  return share && nowMs - share.sinceMs >= SHARE_NEWCOMER_MS ? 'owner' : 'stranger'
}

async function openRequest(parts: GuardianParts, sealed: Uint8Array): Promise<SignedReleaseRequest> {
  try {
    const { kem, guardianId } = parts.keys
    return requestFormat.decode(await kem.open(sealed, REQUEST_INFO, utf8(guardianId)))
  } catch (error) {
    if (error instanceof XcareError) throw new Refusal('malformed')
    throw error
  }
}

/** Judges on a fresh view; a view that fell behind is taken again, and a no that a newer block may have lifted is checked again. */
async function decide(parts: GuardianParts, request: SignedReleaseRequest, place: Place): Promise<Facts> {
  for (let look = 1; ; look++) {
    const facts = await gather(parts, request)
    place.check()
    const reason = firstRefusal(facts)
    if (!reason) return facts
    const looks =
      reason === 'stale-view' ? STALE_LOOKS_MAX : CURABLE.has(reason) ? LOOK_AGAIN_MS.length + 1 : 1
    if (look >= looks || !(await place.pause(LOOK_AGAIN_MS[Math.min(look, LOOK_AGAIN_MS.length) - 1]!)))
      throw new Refusal(reason)
  }
}

async function gather(parts: GuardianParts, request: SignedReleaseRequest): Promise<Facts> {
  const { granteeDid, objectId } = request.value
  const grant = grantInside(request)
  const view =
    grant &&
    (await readReleaseView(parts, {
      guardianId: parts.keys.guardianId,
      grantId: grant.grantId,
      granteeDid,
      objectId,
    }))
  return { ...ownFacts(parts, request), view }
}

/** What the guardian knows without the chain. */
function ownFacts(parts: GuardianParts, request: SignedReleaseRequest): Omit<Facts, 'view'> {
  const { store, clock, network, keys, limits } = parts
  const { objectId, nonce } = request.value
  const grant = grantInside(request)
  const nowMs = clock.nowMs()
  const share = store.share(objectId)
  return {
    nowMs,
    network,
    guardianId: keys.guardianId,
    request,
    grant,
    nonceUsed: store.nonceUsed(nonce),
    share,
    row: share && { ...share, destroyed: share.sealed === null },
    counts: grant
      ? store.counts(grant.grantId, objectId, grant.granteeKemHash, nowMs)
      : { object: 0, granteeHour: 0, granteeMinute: 0 },
    limits,
    hasRoom: grant !== null && parts.shares.hasRoom(...shareOf(grant, share, nowMs)),
  }
}

/** Whose part of the guardian's releases one is. */
function shareOf(
  grant: Grant,
  share: ShareRow | null,
  nowMs: number,
): [grantee: string, standing: ReleaseStanding, nowMs: number] {
  return [toHex(grant.granteeKemHash), standingOf(share, nowMs), nowMs]
}

async function giveShare(
  parts: GuardianParts,
  request: SignedReleaseRequest,
  facts: Facts,
): Promise<AnswerOf<'released'>> {
  const { view, share: row } = facts
  if (!view?.grantee || !view.custody || !view.recordHash || !row) throw new Refusal('failed')
  const share = parts.store.openShare(row)
  if (!isDealtShare(view.custody, share)) throw new Refusal('failed')
  const bind = { requestHash: request.hash, recordHash: view.recordHash, index: row.index }
  const sealed = await sealRelease(view.grantee.kemKey, bind, share)
  const receipt = writeReceipt(parts, request, row, view.headHeight)
  const { objectId } = request.value
  parts.released(receipt, objectId)
  return {
    type: 'released',
    requestHash: request.hash,
    objectId,
    epoch: row.epoch,
    index: row.index,
    sealed,
    receipt,
  }
}

/** Check 9. Sealing took its time, so nonce and limits are looked at once more inside the transaction. */
function writeReceipt(
  parts: GuardianParts,
  request: SignedReleaseRequest,
  row: ShareRow,
  height: number,
): Uint8Array {
  const { store, keys, network, clock, limits, shares } = parts
  const { value } = request
  const timeMs = clock.nowMs()
  const grant = grantInside(request)
  if (!grant) throw new Refusal('malformed')
  const found = { objectId: value.objectId, grantId: grant.grantId, grantee: grant.granteeKemHash }
  const receipt = store.addReceipt({ ...found, nonce: value.nonce, timeMs }, (at) => {
    const counts = store.counts(grant.grantId, value.objectId, grant.granteeKemHash, timeMs)
    const reason = checkLimits({ grant, counts, limits, hasRoom: true })
    if (reason) throw new Refusal(reason)
    if (store.share(value.objectId)?.sealed === null) throw new Refusal('destroyed')
    if (!shares.take(...shareOf(grant, row, timeMs))) throw new Refusal('rate-limited')
    const made = receiptFormat.sign(keys.signing, {
      ...{ v: 1, network, guardianId: keys.guardianId, seq: at.count, prev: at.link },
      ...{ requestHash: request.hash, releaseId: value.releaseId, grantId: grant.grantId },
      ...{ objectId: value.objectId, epoch: row.epoch, index: row.index },
      ...{ granteeKemHash: grant.granteeKemHash, purpose: value.purpose, height, timeMs },
    })
    return { receipt: made, hash: sha256(made) }
  })
  if (!receipt) throw new Refusal('replayed')
  return receipt
}
