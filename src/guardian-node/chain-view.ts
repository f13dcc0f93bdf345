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
import type { GuardianParts } from './parts.ts'
import type { Place } from './places.ts'

/** Where a newer block could turn a no into a yes, one looks again so much later, each time longer than a ledger shares one header. */
export const LOOK_AGAIN_MS: readonly number[] = [35, 100, 400]

/** A chain view with the hash of its custody record. */
export interface ReleaseView extends ChainView {
  recordHash: Uint8Array | null
}

/** @returns what the guardian's own light client proves about a request, or null when it has no view that fresh. */
export async function readReleaseView(
  { ledger, log }: Pick<GuardianParts, 'ledger' | 'log'>,
  about: { guardianId: string; granteeDid: string; grantId: Uint8Array; objectId: Uint8Array },
): Promise<ReleaseView | null> {
  try {
    // First of all: blocks that come while the values are read must not make them look old.
    const head = await ledger.head(HEADER_AGE_MS_MAX)
    const [grantee, grant, custody, guardian] = await Promise.all([
      ledger.read(identityKey(about.granteeDid), HEADER_AGE_MS_MAX),
      ledger.read(grantKey(about.grantId), HEADER_AGE_MS_MAX),
      ledger.read(custodyKey(about.objectId), HEADER_AGE_MS_MAX),
      ledger.read(guardianKey(about.guardianId), HEADER_AGE_MS_MAX),
    ])
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
    if (!(error instanceof XcareError)) throw error
    log({ type: 'failed', what: 'view', code: error.code })
    return null
  }
}

/** Where the chain is read, and where one waits for a newer block. */
export interface LookingPorts {
  ledger: Ledger
  place: Place
}

/** @param height block of the record, 0 when it is not known. @returns the custody record of an object; looks again when `isEnough` says no. */
export async function readCustody(
  ports: LookingPorts,
  { objectId, height }: { objectId: Uint8Array; height: number },
  isEnough: (value: CustodyValue | null) => boolean,
): Promise<{ value: CustodyValue | null; height: number }> {
  return readAgain(ports, { key: custodyKey(objectId), codec: custodyValue, block: height }, isEnough)
}

/** @returns the current keys of an identity, or null when the chain knows none. */
export async function readIdentity(ports: LookingPorts, did: string): Promise<IdentityValue | null> {
  const { value } = await readAgain(
    ports,
    { key: identityKey(did), codec: identityValue, block: 0 },
    (found) => found !== null,
  )
  return value
}

async function readAgain<T>(
  { ledger, place }: LookingPorts,
  { key, codec, block }: { key: Uint8Array; codec: Format<T>; block: number },
  isEnough: (value: T | null) => boolean,
): Promise<{ value: T | null; height: number }> {
  const read = async () => {
    const proven = await ledger.read(key, HEADER_AGE_MS_MAX, block)
    return { value: decoded(proven, codec), height: proven.height }
  }
  let found = await read()
  for (const waitMs of LOOK_AGAIN_MS) {
    place.check()
    if (isEnough(found.value) || !(await place.pause(waitMs))) break
    found = await read()
  }
  return found
}

function decoded<T>(proven: ProvenValue, codec: Format<T>): T | null {
  return proven.value && codec.decode(proven.value)
}
