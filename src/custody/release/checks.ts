import { equalBytes } from '../../bytes.ts'
import { sha256 } from '../../crypto/hash.ts'
import { XcareError } from '../../errors.ts'
import { HEADER_AGE_MS_MAX, HEADER_DRIFT_MS, REQUEST_SKEW_MS_MAX } from '../../limits.ts'
import type { CustodyTerms } from '../deal.ts'
import { type Grant, grantCommitment, grantFormat, isGrantSignedBy, isInGrant } from '../grant.ts'
import type { RefusalReason } from './refusal.ts'
import { requestFormat, type SignedReleaseRequest } from './request.ts'

/** Blocks by which a proven value may lag behind the newest header. */
const PROOF_LAG_BLOCKS_MAX = 2

/** What a guardian's own light client proved about one request. */
export interface ChainView {
  chainId: string
  headHeight: number
  headTimeMs: number
  /** Lowest state height of the values below. */
  provenHeight: number
  grantee: { signKey: Uint8Array; kemKey: Uint8Array } | null
  grant: {
    commitment: Uint8Array
    revokeKey: Uint8Array
    notAfterMs: number
    status: 'active' | 'revoked'
  } | null
  custody: (CustodyTerms & { frozen: boolean; status: 'active' | 'destroyed' }) | null
  /** Whether the chain lists this guardian as active. */
  guardianActive: boolean
}

/** How many releases there were before this one. */
export interface ReleaseCounts {
  /** Of this object under this grant. */
  object: number
  /** To this grantee. */
  granteeHour: number
  granteeMinute: number
}

/** Caps on releases in a time, per grantee and for the guardian. */
export interface ReleaseLimits {
  granteeHour: number
  granteeMinute: number
  guardianMinute: number
}

/** Everything the decision is made from. Nothing in it comes from the asker but `request` and `grant`. */
export interface ReleaseFacts {
  nowMs: number
  network: string
  guardianId: string
  request: SignedReleaseRequest
  /** The grant inside the request, or null when it cannot be read. */
  grant: Grant | null
  nonceUsed: boolean
  /** Null when no view fresh enough could be had. */
  view: ChainView | null
  /** The share as deposited, or null when there is none. */
  row: { index: number; epoch: number; policyHash: Uint8Array; destroyed: boolean } | null
  counts: ReleaseCounts
  limits: ReleaseLimits
  /** Whether the guardian has a release left for this grantee in this minute. */
  hasRoom: boolean
}

type Check = (facts: ReleaseFacts) => RefusalReason | null

/** Checks 1 to 8 in their order; check 9 is the durable receipt. Source: docs/spec/custody.md 6. */
export const RELEASE_CHECKS: readonly (readonly [name: string, check: Check])[] = [
  ['form', checkForm],
  ['grantee', checkGrantee],
  ['view', checkView],
  ['grant', checkGrant],
  ['scope', checkScope],
  ['purpose', checkPurpose],
  ['limits', checkLimits],
  ['standing', checkStanding],
]

/** @returns the first reason against the release, or null when every check passes. */
export function firstRefusal(facts: ReleaseFacts): RefusalReason | null {
  for (const [, check] of RELEASE_CHECKS) {
    const reason = check(facts)
    if (reason) return reason
  }
  return null
}

/** Check 1, alone: needs no chain and stops a flood early. */
export function checkForm({
  request,
  grant,
  network,
  guardianId,
  nowMs,
  nonceUsed,
}: ReleaseFacts): RefusalReason | null {
  const { value } = request
  if (!grant) return 'malformed'
  if (value.network !== network || grant.network !== network) return 'wrong-network'
  if (value.guardianId !== guardianId) return 'wrong-guardian'
  if (Math.abs(value.timeMs - nowMs) > REQUEST_SKEW_MS_MAX) return 'clock-skew'
  return nonceUsed ? 'replayed' : null
}

function checkGrantee({ request, grant, view }: ReleaseFacts): RefusalReason | null {
  // Keys are those of the proven state: without a view there are none.
  if (!view) return 'stale-view'
  if (!view.grantee) return 'unknown-grantee'
  if (!requestFormat.isBy(view.grantee.signKey, request)) return 'bad-signature'
  if (request.value.granteeDid !== grant?.granteeDid) return 'wrong-grantee'
  return equalBytes(sha256(view.grantee.kemKey), grant.granteeKemHash) ? null : 'wrong-key'
}

function checkView({ view, nowMs, network }: ReleaseFacts): RefusalReason | null {
  if (!view) return 'stale-view'
  if (view.chainId !== network) return 'wrong-network'
  if (nowMs - view.headTimeMs > HEADER_AGE_MS_MAX || view.headTimeMs - nowMs > HEADER_DRIFT_MS)
    return 'stale-view'
  return view.provenHeight < view.headHeight - PROOF_LAG_BLOCKS_MAX ? 'stale-view' : null
}

function checkGrant({ request, grant, view, nowMs }: ReleaseFacts): RefusalReason | null {
  const { value } = request
  if (!grant || !view) return 'malformed'
  if (!view.grant) return 'no-grant'
  if (!view.custody) return 'no-custody'
  if (view.custody.status !== 'active') return 'destroyed'
  if (!equalBytes(grantCommitment(value.salt, value.grant), view.grant.commitment)) return 'altered-grant'
  // The commitment hides the grant, so what the chain enforces must be what the owner signed.
  if (!equalBytes(view.grant.revokeKey, grant.revokeKey) || view.grant.notAfterMs !== grant.notAfterMs)
    return 'altered-grant'
  if (!isGrantSignedBy(view.custody.ownerKey, value.grant, value.ownerSignature)) return 'not-by-owner'
  if (view.grant.status !== 'active') return 'revoked'
  if (view.headTimeMs < grant.notBeforeMs) return 'not-yet-valid'
  // Whichever clock is ahead ends the grant.
  return Math.max(view.headTimeMs, nowMs) >= grant.notAfterMs ? 'expired' : null
}

function checkScope({ request, grant, view, row, guardianId }: ReleaseFacts): RefusalReason | null {
  if (!grant || !view?.custody) return 'malformed'
  if (!isInGrant(grant, request.value, request.value.objectId)) return 'out-of-scope'
  if (!equalBytes(view.custody.objectId, request.value.objectId)) return 'out-of-scope'
  if (!row) return 'no-share'
  if (row.destroyed) return 'destroyed'
  if (row.epoch !== view.custody.epoch) return 'wrong-epoch'
  if (view.custody.guardians[row.index] !== guardianId) return 'no-share'
  return equalBytes(row.policyHash, view.custody.policyHash) ? null : 'wrong-policy'
}

function checkPurpose({ request, grant }: ReleaseFacts): RefusalReason | null {
  return request.value.purpose === grant?.purpose ? null : 'wrong-purpose'
}

/** Check 7, alone: looked at again right before the receipt. */
export function checkLimits({
  grant,
  counts,
  limits,
  hasRoom,
}: Pick<ReleaseFacts, 'grant' | 'counts' | 'limits' | 'hasRoom'>): RefusalReason | null {
  if (!grant || counts.object >= grant.maxReleases) return 'limit-reached'
  if (counts.granteeHour >= limits.granteeHour || counts.granteeMinute >= limits.granteeMinute)
    return 'rate-limited'
  return hasRoom ? null : 'rate-limited'
}

function checkStanding({ view }: ReleaseFacts): RefusalReason | null {
  if (!view?.custody || view.custody.frozen) return 'frozen'
  return view.guardianActive ? null : 'guardian-retired'
}

/** @returns the grant inside a request, or null when it is not in its only form. */
export function grantInside(request: SignedReleaseRequest): Grant | null {
  try {
    return grantFormat.decode(request.value.grant)
  } catch (error) {
    if (error instanceof XcareError) return null
    throw error
  }
}
