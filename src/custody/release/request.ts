import { concat, u32be } from '../../bytes.ts'
import { type KemKey, sealEnvelope } from '../../crypto/envelope.ts'
import { sha256 } from '../../crypto/hash.ts'
import { GRANT_OBJECTS_MAX } from '../../limits.ts'
import { bytes, bytesMax, uint, z } from '../../schema.ts'
import * as shape from '../_shapes.ts'
import { type Signed, signedFormat } from '../_signed.ts'
import type { CustodyShare } from '../deal.ts'
import { decodeShare, encodeShare } from '../deposit.ts'
import { GRANT_BYTES_MAX } from '../grant.ts'
import { PURPOSE_CODES } from '../purpose.ts'

/** A release request before sealing, at most, in bytes. */
const REQUEST_BYTES_MAX = 4096
/** HPKE info of a sealed request; its AAD is the guardian's id. */
export const REQUEST_INFO = 'xcare/release-request/v1'

const RELEASE_INFO = 'xcare/release/v1'

const request = z.strictObject({
  v: z.literal(1),
  network: shape.network,
  guardianId: shape.guardianId,
  objectId: shape.objectId,
  grant: bytesMax(GRANT_BYTES_MAX),
  salt: shape.bytes32,
  blind: bytes(16),
  at: uint(GRANT_OBJECTS_MAX - 1),
  proof: z.array(bytes(32)).max(8),
  ownerSignature: bytes(64),
  granteeDid: shape.did,
  purpose: z.enum(PURPOSE_CODES),
  nonce: shape.bytes32,
  releaseId: bytes(16),
  timeMs: shape.timeMs,
})

/** A grantee asks one guardian for one share. `releaseId` is the same towards all guardians of one reading. Spec: docs/spec/custody.md 5. */
export type ReleaseRequest = z.infer<typeof request>
/** A request as it arrived. */
export type SignedReleaseRequest = Signed<ReleaseRequest>
/** Signed by the grantee's sign key. */
export const requestFormat = signedFormat<ReleaseRequest>(
  'release request',
  'xcare/release-request/v1',
  REQUEST_BYTES_MAX,
  request,
)

/** What binds a released share to its request, its custody record and its place. */
export interface ReleaseBinding {
  requestHash: Uint8Array
  recordHash: Uint8Array
  index: number
}

/** Seals a share for the grantee. */
export function sealRelease(
  granteeKemKey: Uint8Array,
  bind: ReleaseBinding,
  share: CustodyShare,
): Promise<Uint8Array> {
  return sealEnvelope(granteeKemKey, RELEASE_INFO, releaseAad(bind), encodeShare(share))
}

/** Opens what `sealRelease` made. @throws XcareError INTEGRITY, MALFORMED */
export async function openRelease(
  key: KemKey,
  bind: ReleaseBinding,
  sealed: Uint8Array,
): Promise<CustodyShare> {
  return decodeShare(await key.open(sealed, RELEASE_INFO, releaseAad(bind)), bind.index)
}

function releaseAad(bind: ReleaseBinding): Uint8Array {
  return sha256(concat(bind.requestHash, bind.recordHash, u32be(bind.index)))
}
