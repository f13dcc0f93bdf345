import { concat, equalSecret, u32be, utf8 } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { merkleProof, merkleRoot, verifyMerkleProof } from '../crypto/merkle.ts'
import { splitSecret } from '../crypto/shamir.ts'
import { XcareError } from '../errors.ts'
import { CUSTODY_GUARDIANS_MAX } from '../limits.ts'
import type { Random } from '../ports.ts'

/** Bytes of a custody share: one y for each byte of the key, and x. */
export const SHARE_BYTES = 33
/** Bytes of the salt that hides a share behind its commitment. */
export const SALT_BYTES = 32

const CUSTODY_KEY_BYTES = 32
const SHARE_PREFIX = utf8('xcare/share/v1')
const KCV_PREFIX = utf8('xcare/kcv/v1')

/** SHA-256 of the only custody policy of this version: releases need an owner's grant, nothing else opens. */
export const OWNER_GRANT_POLICY_HASH = sha256(utf8('xcare/policy/v1/owner-grant'))

/** The public custody record of one object, as the chain holds it (`frozen`, `status` aside). Spec: docs/spec/custody.md 2. */
export interface CustodyTerms {
  objectId: Uint8Array
  version: number
  epoch: number
  /** Shares needed, and shares dealt. */
  t: number
  m: number
  /** Peer ids; the position is the share's index. */
  guardians: string[]
  commitRoot: Uint8Array
  kcv: Uint8Array
  policyHash: Uint8Array
  ownerKey: Uint8Array
}

/** One custody share with all that proves it against the custody record. */
export interface CustodyShare {
  /** Position in the custody record, from zero. */
  index: number
  /** 32 random bytes that hide the share behind its commitment. */
  salt: Uint8Array
  /** 33 bytes: Shamir value and its x coordinate. */
  share: Uint8Array
  /** Merkle path from the commitment to `commitRoot`. */
  path: Uint8Array[]
}

/** What a deal is made of. `guardians` in share order; `t` of them can read. */
export interface DealInput {
  objectId: Uint8Array
  version: number
  epoch: number
  custodyKey: Uint8Array
  t: number
  guardians: string[]
  ownerKey: Uint8Array
}

/** Splits a custody key for its guardians. @throws XcareError INTERNAL on impossible numbers. Spec: docs/spec/custody.md 3. */
export async function deal(
  input: DealInput,
  random: Random,
): Promise<{ terms: CustodyTerms; shares: CustodyShare[] }> {
  const { objectId, version, epoch, custodyKey, t, guardians, ownerKey } = input
  const m = guardians.length
  if (custodyKey.length !== CUSTODY_KEY_BYTES || t < 2 || t > m || m > CUSTODY_GUARDIANS_MAX)
    throw new XcareError('INTERNAL', `cannot deal ${t} of ${m} shares of ${custodyKey.length} bytes`)
  const values = await splitSecret(custodyKey, m, t)
  const salts = values.map(() => random.bytes(SALT_BYTES))
  const place = { objectId, version, epoch }
  const commitments = values.map((share, index) =>
    shareCommitment(place, { index, salt: salts[index]!, share }),
  )
  const terms: CustodyTerms = {
    ...place,
    t,
    m,
    guardians: [...guardians],
    commitRoot: merkleRoot(commitments),
    kcv: keyCheckValue(objectId, custodyKey),
    policyHash: OWNER_GRANT_POLICY_HASH,
    ownerKey,
  }
  const shares = values.map((share, index) => ({
    index,
    salt: salts[index]!,
    share,
    path: merkleProof(commitments, index),
  }))
  return { terms, shares }
}

/** @returns c_i = SHA-256("xcare/share/v1" || objectId || version || epoch || index || salt || share), numbers as u32 big endian. */
export function shareCommitment(
  place: { objectId: Uint8Array; version: number; epoch: number },
  share: { index: number; salt: Uint8Array; share: Uint8Array },
): Uint8Array {
  const numbers = concat(u32be(place.version), u32be(place.epoch), u32be(share.index))
  return sha256(concat(SHARE_PREFIX, place.objectId, numbers, share.salt, share.share))
}

/** @returns SHA-256("xcare/kcv/v1" || objectId || Kc): tells a right custody key from a wrong one. */
export function keyCheckValue(objectId: Uint8Array, custodyKey: Uint8Array): Uint8Array {
  return sha256(concat(KCV_PREFIX, objectId, custodyKey))
}

/** @returns whether `custodyKey` is the key of these terms, in constant time. */
export function isCustodyKey(terms: Pick<CustodyTerms, 'objectId' | 'kcv'>, custodyKey: Uint8Array): boolean {
  return equalSecret(keyCheckValue(terms.objectId, custodyKey), terms.kcv)
}

/** @returns whether the share is the one dealt for its index: right sizes, x not zero, commitment under `commitRoot`. */
export function isDealtShare(terms: CustodyTerms, share: CustodyShare): boolean {
  if (share.share.length !== SHARE_BYTES || share.salt.length !== SALT_BYTES) return false
  if (share.share[SHARE_BYTES - 1] === 0 || share.index >= terms.m) return false
  return verifyMerkleProof(terms.commitRoot, shareCommitment(terms, share), share.index, terms.m, share.path)
}
