import { sha256 } from '../../src/crypto/hash.ts'
import { signingKeyFromSeed } from '../../src/crypto/sign.ts'
import { deal } from '../../src/custody/deal.ts'
import { type Grant, makeGrant, openingFor } from '../../src/custody/grant.ts'
import { type ReleaseRequest, requestFormat } from '../../src/custody/release/request.ts'
import { testRandom } from '../guardian-node/ports.ts'

/** A moment of the sample world, in ms. */
export const NOW_MS = 1_800_000_000_000
export const NETWORK = 'xcare-test'
export const fill = (byte: number, length = 32) => new Uint8Array(length).fill(byte)

export const ownerKey = signingKeyFromSeed(fill(1))
export const otherKey = signingKeyFromSeed(fill(2))
export const granteeKey = signingKeyFromSeed(fill(3))
export const guardianKey = signingKeyFromSeed(fill(4))
export const revokeKey = signingKeyFromSeed(fill(5))
export const granteeKemKey = fill(6, 1216)
export const objectId = fill(10)
export const guardians = ['guardian-a', 'guardian-b', 'guardian-c', 'guardian-d']

/** A deal of 3 of 4. */
export const dealSample = (custodyKey = fill(11)) =>
  deal(
    { objectId, version: 1, epoch: 1, custodyKey, t: 3, guardians, ownerKey: ownerKey.publicKey },
    testRandom('deal'),
  )

/** A grant of `objectId` and another object. */
export function grantSample(
  changes: Partial<Grant> = {},
  objects = [objectId, fill(20)],
  name = 'Blood test',
) {
  const terms = {
    ...{ network: NETWORK, grantId: fill(12, 16), granteeDid: 'did:xcare:xcare-test:grantee' },
    ...{ granteeKemHash: sha256(granteeKemKey), purpose: 'TREAT' as const, view: 'full' },
    ...{
      notBeforeMs: NOW_MS - 1000,
      notAfterMs: NOW_MS + 86_400_000,
      maxReleases: 5,
      revokeKey: revokeKey.publicKey,
    },
    ...changes,
  }
  return makeGrant(
    terms,
    fill(13),
    objects.map((id) => ({ objectId: id, ownerKey, name })),
  )
}

/** A request of guardian-a for `objectId`, by the grantee. */
export function requestSample(changes: Partial<ReleaseRequest> = {}, held = grantSample(), key = granteeKey) {
  const request: ReleaseRequest = {
    ...{ v: 1, network: NETWORK, guardianId: guardians[0]!, objectId, ...openingFor(held, objectId) },
    ...{ granteeDid: held.grant.granteeDid, purpose: 'TREAT', nonce: fill(14), releaseId: fill(15, 16) },
    timeMs: NOW_MS,
    ...changes,
  }
  const bytes = requestFormat.sign(key, request)
  return { bytes, signed: requestFormat.decode(bytes) }
}

/** Reads a request as a guardian does. */
export const decodeRequest = (bytes: Uint8Array) => requestFormat.decode(bytes)
