import { equalBytes } from '../bytes.ts'
import { blake3, sha256 } from '../crypto/hash.ts'
import { merkleRoot } from '../crypto/merkle.ts'
import type { SigningKey } from '../crypto/sign.ts'
import { verifySignature } from '../crypto/sign.ts'
import { XcareError } from '../errors.ts'
import {
  FRAGMENT_HEAD_BYTES,
  MANIFEST_BYTES_MAX,
  OBJECT_BYTES_MAX,
  POSITIONS_MAX_GF16,
  SEALED_BYTES_MAX,
  SHARD_BYTES_MAX,
  STRIPES_MAX,
} from '../limits.ts'
import { bytes, bytesMax, format, text, uint, z } from '../schema.ts'
import type { FragmentHeader } from './header.ts'
import { decodeHead, sameHeader } from './header.ts'
import type { Layout } from './layout.ts'
import { fragmentBytesOf, layoutFrom } from './layout.ts'

export type { SealedManifest } from './sealed.ts'

const DOMAIN = 'xcare/manifest/v1'
const HASH_BYTES = 32
const U32_MAX = 2 ** 32 - 1

const bodyShape = {
  /** How the object is sealed; 1: two locks, Cobblestone-256, BLAKE3 fragments, SHA-256 roots. */
  suite: z.literal(1),
  network: text(64),
  objectId: bytes(32),
  version: uint(U32_MAX).min(1),
  k: uint(POSITIONS_MAX_GF16),
  n: uint(POSITIONS_MAX_GF16),
  shardBytes: uint(SHARD_BYTES_MAX),
  stripes: uint(STRIPES_MAX),
  bodyLength: uint(2 * OBJECT_BYTES_MAX),
  salt: bytes(24),
  commitment: bytes(32),
  columnRoots: z.array(bytes(HASH_BYTES)).max(POSITIONS_MAX_GF16),
  objectRoot: bytes(HASH_BYTES),
  kcv: bytes(32),
  custodyEpoch: uint(U32_MAX),
  ownerKey: bytes(32),
  sealed: bytesMax(SEALED_BYTES_MAX),
}
const unsigned = format('manifest', MANIFEST_BYTES_MAX, z.strictObject(bodyShape))
const signed = format('manifest', MANIFEST_BYTES_MAX, z.strictObject({ ...bodyShape, signature: bytes(64) }))

/** What the owner signs about one version of an object. All of it may be public. Spec: docs/spec/manifest.md. */
export interface ManifestBody {
  suite: 1
  /** Chain id of the network the object belongs to. */
  network: string
  /** 32 bytes. */
  objectId: Uint8Array
  /** From 1. */
  version: number
  k: number
  n: number
  shardBytes: number
  stripes: number
  bodyLength: number
  /** Cobblestone salt, 24 bytes, and key commitment, 32 bytes. */
  salt: Uint8Array
  commitment: Uint8Array
  /** n Merkle roots, each over the fragment hashes of a column. */
  columnRoots: Uint8Array[]
  /** Merkle root over the column roots. */
  objectRoot: Uint8Array
  /** Key check value of the custody key. */
  kcv: Uint8Array
  /** Epoch of the custody record under which the guardians got their shares. */
  custodyEpoch: number
  /** Ed25519, 32 bytes; its own for each object, so that it links nothing. */
  ownerKey: Uint8Array
  /** Private part, as `sealManifest` gives it. */
  sealed: Uint8Array
}

/** A signed manifest. */
export interface Manifest extends ManifestBody {
  /** Ed25519, 64 bytes, domain `xcare/manifest/v1`. */
  signature: Uint8Array
}

/** What a writer knows about the object it wrote: plain data that can cross threads. */
export interface WrittenObject {
  objectId: Uint8Array
  version: number
  /** Ed25519, 32 bytes: the key that the body is bound to. */
  ownerKey: Uint8Array
  layout: Layout
  salt: Uint8Array
  commitment: Uint8Array
  kcv: Uint8Array
  columnRoots: Uint8Array[]
}

/**
 * Makes and signs the manifest of a written object.
 * @param sealed private part from `sealManifest`. @param ownerKey signs. @returns the encoded manifest.
 * @throws XcareError INTERNAL when `ownerKey` is not the key that the writer was told: the object would never open.
 */
export function buildManifest(
  written: WrittenObject,
  { network, custodyEpoch, sealed }: { network: string; custodyEpoch: number; sealed: Uint8Array },
  ownerKey: SigningKey,
): Uint8Array {
  const { objectId, version, layout, salt, commitment, kcv, columnRoots } = written
  if (!equalBytes(written.ownerKey, ownerKey.publicKey))
    throw new XcareError('INTERNAL', 'the object was written for another owner key')
  const { k, n, shardBytes, stripes, bodyLength } = layout
  const named = { suite: 1 as const, network, objectId, version, k, n, shardBytes, stripes, bodyLength }
  const locked = {
    salt,
    commitment,
    columnRoots,
    objectRoot: merkleRoot(columnRoots),
    kcv,
    custodyEpoch,
    sealed,
  }
  const body: ManifestBody = { ...named, ...locked, ownerKey: ownerKey.publicKey }
  return encodeManifest({ ...body, signature: ownerKey.sign(DOMAIN, unsigned.encode(body)) })
}

/** @returns the one encoding of `manifest`. @throws XcareError INTERNAL on fields out of range. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  return signed.encode(manifest)
}

/**
 * Reads a manifest without believing it: neither signature nor roots are checked.
 * @throws XcareError MALFORMED on another shape, a layout that no object has, or a wrong number of column roots.
 */
export function decodeManifest(encoded: Uint8Array): Manifest {
  const manifest = signed.decode(encoded)
  layoutFrom(manifest)
  if (manifest.columnRoots.length !== manifest.n)
    throw new XcareError(
      'MALFORMED',
      `manifest: ${manifest.columnRoots.length} column roots for ${manifest.n} columns`,
    )
  return manifest
}

/**
 * Reads a manifest and proves that the owner key in it signed it. That the key is the owner's is for the chain to say.
 * @param network chain id that the caller trusts. @returns the manifest and SHA-256 of its bytes, as anchored.
 * @throws XcareError MALFORMED as decodeManifest, INTEGRITY on another network, roots that do not fit or a wrong signature.
 */
export function verifyManifest(
  encoded: Uint8Array,
  network: string,
): { manifest: Manifest; hash: Uint8Array } {
  const manifest = decodeManifest(encoded)
  if (manifest.network !== network)
    throw new XcareError(
      'INTEGRITY',
      `the manifest belongs to network "${manifest.network}", not "${network}"`,
    )
  if (!equalBytes(merkleRoot(manifest.columnRoots), manifest.objectRoot))
    throw new XcareError('INTEGRITY', "the manifest's column roots do not give its object root")
  const { signature, ...body } = manifest
  if (!verifySignature(manifest.ownerKey, DOMAIN, unsigned.encode(body), signature))
    throw new XcareError('INTEGRITY', "the manifest's signature is wrong")
  return { manifest, hash: sha256(encoded) }
}

/** @returns Merkle root of a column: over its fragment hashes, 32 bytes for each stripe in order. */
export function columnRoot(columnHashes: Uint8Array): Uint8Array {
  const leaves: Uint8Array[] = []
  for (let at = 0; at < columnHashes.length; at += HASH_BYTES)
    leaves.push(columnHashes.subarray(at, at + HASH_BYTES))
  return merkleRoot(leaves)
}

/**
 * Proves the fragment hashes that a node sent for a column.
 * @param columnHashes 32 bytes for each stripe. @throws XcareError INTEGRITY when the owner did not commit to them.
 */
export function verifyColumnHashes(manifest: Manifest, column: number, columnHashes: Uint8Array): void {
  const root = manifest.columnRoots[column]
  if (
    !root ||
    columnHashes.length !== manifest.stripes * HASH_BYTES ||
    !equalBytes(columnRoot(columnHashes), root)
  )
    throw new XcareError('INTEGRITY', `the fragment hashes of column ${column} are not those of the manifest`)
}

/**
 * Proves one fragment.
 * @param columnHashes hashes of its column, proven by `verifyColumnHashes`. @param fragment head and shard.
 * @returns its key share and a view of its shard. @throws XcareError INTEGRITY when it is not fragment (stripe, column).
 */
export function checkFragment(
  manifest: Manifest,
  columnHashes: Uint8Array,
  fragment: Uint8Array,
  stripe: number,
  column: number,
): { share: Uint8Array; shard: Uint8Array } {
  const name = `fragment (${stripe}, ${column})`
  if (fragment.length !== fragmentBytesOf(manifest))
    throw new XcareError(
      'INTEGRITY',
      `${name} has ${fragment.length} bytes instead of ${fragmentBytesOf(manifest)}`,
    )
  const hash = columnHashes.subarray(stripe * HASH_BYTES, (stripe + 1) * HASH_BYTES)
  if (!equalBytes(blake3(fragment), hash)) throw new XcareError('INTEGRITY', `${name} differs from its hash`)
  const { header, share } = decodeHead(fragment.subarray(0, FRAGMENT_HEAD_BYTES))
  if (!sameHeader(header, headerOf(manifest, stripe, column)))
    throw new XcareError('INTEGRITY', `${name} says that it is another fragment`)
  return { share, shard: fragment.subarray(FRAGMENT_HEAD_BYTES) }
}

/** @returns the header that fragment (stripe, column) of this object must have. */
export function headerOf(
  object: Omit<FragmentHeader, 'stripe' | 'column'>,
  stripe: number,
  column: number,
): FragmentHeader {
  const { objectId, version, k, n, shardBytes, stripes } = object
  return { objectId, version, stripe, column, k, n, shardBytes, stripes }
}
