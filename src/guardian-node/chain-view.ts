import { custodyKey, grantKey, guardianKey, identityKey } from '../chain-anchor/app/keys.ts'
import {
  type CustodyValue,
  custodyRecordHash,
  custodyValue,
  grantValue,
  guardianValue,
  type IdentityValue,
  identityValue,
} from '../chain-anchor/app/values.ts'
import type { ChainView } from '../custody/release/checks.ts'
import { XcareError } from '../errors.ts'
import { HEADER_AGE_MS_MAX } from '../limits.ts'
import type { Ledger, ProvenValue } from '../ports.ts'
import type { Format } from '../schema.ts'

/** A second look, when a newer header could turn a no into a yes, asks for a header at most this old. */
export const FRESH_HEADER_MS = 2_000

/** A chain view with the hash of its custody record. */
export interface ReleaseView extends ChainView {
  recordHash: Uint8Array | null
}

/** @returns what the guardian's own light client proves about a request, or null when it has no view that fresh. */
export async function readReleaseView(
  ledger: Ledger,
  about: { guardianId: string; granteeDid: string; grantId: Uint8Array; objectId: Uint8Array },
  maxAgeMs = HEADER_AGE_MS_MAX,
): Promise<ReleaseView | null> {
  try {
    const [grantee, grant, custody, guardian] = await Promise.all([
      ledger.read(identityKey(about.granteeDid), maxAgeMs),
      ledger.read(grantKey(about.grantId), maxAgeMs),
      ledger.read(custodyKey(about.objectId), maxAgeMs),
      ledger.read(guardianKey(about.guardianId), maxAgeMs),
    ])
    const head = await ledger.head(maxAgeMs)
    const record = decoded(custody, custodyValue)
    return {
      chainId: head.chainId,
      headHeight: head.height,
      headTimeMs: head.timeMs,
      provenHeight: Math.min(grantee.height, grant.height, custody.height, guardian.height),
      grantee: decoded(grantee, identityValue),
      grant: decoded(grant, grantValue),
      custody: record,
      recordHash: record && custodyRecordHash(record),
      guardianActive: decoded(guardian, guardianValue)?.status === 'active',
    }
  } catch (error) {
    // Whatever keeps the guardian from a proven view keeps it from releasing.
    if (error instanceof XcareError) return null
    throw error
  }
}

/** @returns the custody record of an object; looks again for a fresh one when `isEnough` says no. */
export async function readCustody(
  ledger: Ledger,
  objectId: Uint8Array,
  isEnough: (value: CustodyValue | null) => boolean,
): Promise<{ value: CustodyValue | null; height: number }> {
  const read = async (maxAgeMs: number) => {
    const proven = await ledger.read(custodyKey(objectId), maxAgeMs)
    return { value: decoded(proven, custodyValue), height: proven.height }
  }
  const first = await read(HEADER_AGE_MS_MAX)
  if (isEnough(first.value)) return first
  return read(FRESH_HEADER_MS).catch(() => first)
}

/** @returns the current keys of an identity, or null when the chain knows none. */
export async function readIdentity(ledger: Ledger, did: string): Promise<IdentityValue | null> {
  const first = decoded(await ledger.read(identityKey(did), HEADER_AGE_MS_MAX), identityValue)
  if (first) return first
  return ledger.read(identityKey(did), FRESH_HEADER_MS).then(
    (proven) => decoded(proven, identityValue),
    () => null,
  )
}

function decoded<T>(proven: ProvenValue, codec: Format<T>): T | null {
  return proven.value && codec.decode(proven.value)
}
