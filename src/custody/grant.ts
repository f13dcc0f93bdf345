import { concat, cutText, equalBytes, utf8 } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { deriveKey } from '../crypto/kdf.ts'
import { merkleProof, merkleRoot, verifyMerkleProof } from '../crypto/merkle.ts'
import { type SigningKey, verifySignature } from '../crypto/sign.ts'
import { XcareError } from '../errors.ts'
import { GRANT_OBJECTS_MAX, LETTER_BYTES_MAX } from '../limits.ts'
import { bytes, bytesMax, format, text, uint, z } from '../schema.ts'
import * as shape from './_shapes.ts'
import { PURPOSE_CODES } from './purpose.ts'

/** An encoded grant, at most, in bytes. */
export const GRANT_BYTES_MAX = 1024
/** Releases of one object by one guardian under one grant, at most. */
const GRANT_RELEASES_MAX = 1_000_000
/** View of a grant that gives the record as it is; other views name a de-identification profile. */
export const FULL_VIEW = 'full'
/** HPKE info of a letter. */
export const LETTER_INFO = 'xcare/letter/v1'

const GRANT_DOMAIN = 'xcare/grant/v1'
const COMMITMENT_PREFIX = utf8('xcare/grant-commitment/v1')
const BLIND_BYTES = 16
const NAME_IN_LETTER_MAX = 80

const grant = z
  .strictObject({
    v: z.literal(1),
    network: shape.network,
    grantId: shape.grantId,
    objectsRoot: shape.bytes32,
    objectCount: uint(GRANT_OBJECTS_MAX).min(1),
    granteeDid: shape.did,
    granteeKemHash: shape.bytes32,
    purpose: z.enum(PURPOSE_CODES),
    view: text(64),
    notBeforeMs: shape.timeMs,
    notAfterMs: shape.timeMs,
    maxReleases: uint(GRANT_RELEASES_MAX).min(1),
    revokeKey: shape.bytes32,
  })
  .refine((value) => value.notBeforeMs < value.notAfterMs, 'notBeforeMs < notAfterMs')

const letter = z.strictObject({
  v: z.literal(1),
  grant: bytesMax(GRANT_BYTES_MAX),
  secret: shape.bytes32,
  objects: z
    .array(z.tuple([bytes(32), bytes(64), text(NAME_IN_LETTER_MAX)]))
    .min(1)
    .max(GRANT_OBJECTS_MAX),
})

/** An owner's permission for one grantee. Stays off the chain. Spec: docs/spec/grant.md 2. */
export type Grant = z.infer<typeof grant>
/** Codec of a grant; its bytes are what owners sign and what the commitment covers. */
export const grantFormat = format<Grant>('grant', GRANT_BYTES_MAX, grant)
const letterFormat = format<z.infer<typeof letter>>('grant letter', LETTER_BYTES_MAX, letter)

/** One object of a grant, as the grantee holds it. */
export interface GrantedObject {
  objectId: Uint8Array
  /** By the owner key of this object, over the grant. */
  ownerSignature: Uint8Array
  /** What the owner calls it. */
  name: string
}

/** A grant with everything the grantee needs to use it. */
export interface HeldGrant {
  grant: Grant
  /** The exact bytes that were signed. */
  grantBytes: Uint8Array
  /** 32 bytes from which salt and blinds follow; known to owner and grantee. */
  secret: Uint8Array
  objects: GrantedObject[]
}

/** What shows one guardian that one object is in the grant, and nothing about the others. */
export interface GrantOpening {
  grant: Uint8Array
  salt: Uint8Array
  blind: Uint8Array
  at: number
  proof: Uint8Array[]
  ownerSignature: Uint8Array
}

/** @param objects with the owner key of each. @param terms the rest of the grant. @returns the signed grant. Spec: docs/spec/grant.md 3. */
export function makeGrant(
  terms: Omit<Grant, 'v' | 'objectsRoot' | 'objectCount'>,
  secret: Uint8Array,
  objects: { objectId: Uint8Array; ownerKey: SigningKey; name: string }[],
): HeldGrant {
  const leaves = objects.map(({ objectId }) => leafOf(secret, objectId))
  const made: Grant = { v: 1, ...terms, objectsRoot: merkleRoot(leaves), objectCount: objects.length }
  const grantBytes = grantFormat.encode(made)
  return {
    grant: made,
    grantBytes,
    secret,
    objects: objects.map(({ objectId, ownerKey, name }) => ({
      objectId,
      ownerSignature: ownerKey.sign(GRANT_DOMAIN, grantBytes),
      name: cutText(name, NAME_IN_LETTER_MAX),
    })),
  }
}

/** @returns SHA-256("xcare/grant-commitment/v1" || salt || grant): all of a grant that the chain sees. */
export function grantCommitment(salt: Uint8Array, grantBytes: Uint8Array): Uint8Array {
  return sha256(concat(COMMITMENT_PREFIX, salt, grantBytes))
}

/** @returns the 32-byte salt of the commitment. */
export function saltOf(secret: Uint8Array): Uint8Array {
  return deriveKey(secret, 'xcare/grant-salt/v1')
}

/** @returns the opening for one object. @throws XcareError NO_GRANT when the grant does not name it. */
export function openingFor(held: HeldGrant, objectId: Uint8Array): GrantOpening {
  const at = held.objects.findIndex((object) => equalBytes(object.objectId, objectId))
  const found = held.objects[at]
  if (!found) throw new XcareError('NO_GRANT', 'the grant does not name this record')
  const leaves = held.objects.map((object) => leafOf(held.secret, object.objectId))
  return {
    grant: held.grantBytes,
    salt: saltOf(held.secret),
    blind: blindOf(held.secret, objectId),
    at,
    proof: merkleProof(leaves, at),
    ownerSignature: found.ownerSignature,
  }
}

/** @returns whether the opening proves that `objectId` is one of the grant's objects. */
export function isInGrant(value: Grant, opening: GrantOpening, objectId: Uint8Array): boolean {
  const leaf = concat(opening.blind, objectId)
  return verifyMerkleProof(value.objectsRoot, leaf, opening.at, value.objectCount, opening.proof)
}

/** @returns whether the holder of `ownerKey` signed exactly these grant bytes. */
export function isGrantSignedBy(
  ownerKey: Uint8Array,
  grantBytes: Uint8Array,
  signature: Uint8Array,
): boolean {
  return verifySignature(ownerKey, GRANT_DOMAIN, grantBytes, signature)
}

/** @returns the letter that brings a grant to its grantee; to be sealed with LETTER_INFO. */
export function encodeLetter(held: HeldGrant): Uint8Array {
  return letterFormat.encode({
    v: 1,
    grant: held.grantBytes,
    secret: held.secret,
    objects: held.objects.map(({ objectId, ownerSignature, name }) => [objectId, ownerSignature, name]),
  })
}

/**
 * Reads a letter. Whether owners really signed is for wallets and guardians to check against the chain.
 * @throws XcareError MALFORMED, INTEGRITY when its parts do not fit.
 */
export function decodeLetter(bytesOfLetter: Uint8Array): HeldGrant {
  const read = letterFormat.decode(bytesOfLetter)
  const value = grantFormat.decode(read.grant)
  const root = merkleRoot(read.objects.map(([objectId]) => leafOf(read.secret, objectId)))
  if (!equalBytes(root, value.objectsRoot) || read.objects.length !== value.objectCount)
    throw new XcareError('INTEGRITY', 'the records named in the letter are not those of the grant')
  const objects = read.objects.map(([objectId, ownerSignature, name]) => ({ objectId, ownerSignature, name }))
  return { grant: value, grantBytes: read.grant, secret: read.secret, objects }
}

function blindOf(secret: Uint8Array, objectId: Uint8Array): Uint8Array {
  return deriveKey(secret, 'xcare/grant-blind/v1', objectId).slice(0, BLIND_BYTES)
}

/** Blinded, so that the siblings in a proof cannot be compared with object ids on the chain. */
function leafOf(secret: Uint8Array, objectId: Uint8Array): Uint8Array {
  return concat(blindOf(secret, objectId), objectId)
}
