import { concat, equalSecret, u32be, u64be, utf8 } from '../bytes.ts'
import { hmacSha512, sha256 } from '../crypto/hash.ts'
import { hkdfExpandSha512 } from '../crypto/kdf.ts'
import { XcareError } from '../errors.ts'
import type { Layout } from './layout.ts'

/** Two locks, both fully needed: custody and dispersal. */
const MODE_TWO_LOCKS = 1
const KEY_BYTES = 32

/** What names one version of an object. */
export interface ObjectName {
  /** 32 bytes. */
  objectId: Uint8Array
  /** From 1. */
  version: number
}

/** The keys of one version of an object, 32 bytes each. */
export interface ObjectKeys {
  /** Seals the body. */
  body: Uint8Array
  /** Seals the private part of the manifest. */
  sealed: Uint8Array
}

/**
 * Derives the keys from both locks: HMAC-SHA512 as combiner, then HKDF-Expand with a label for each. Spec: docs/spec/object.md.
 * @param custodyKey Kc, 32 bytes. @param secret R, the dispersal secret, 32 bytes.
 */
export function deriveObjectKeys(custodyKey: Uint8Array, secret: Uint8Array, name: ObjectName): ObjectKeys {
  const prk = hmacSha512(custodyKey, secret)
  const expand = (label: string) =>
    hkdfExpandSha512(prk, concat(utf8(label), name.objectId, u32be(name.version)), KEY_BYTES)
  return { body: expand('xcare/dek/v1'), sealed: expand('xcare/sealed/v1') }
}

/** @returns the key check value of a custody key: 32 bytes that anyone may see. */
export function keyCheckValue(objectId: Uint8Array, custodyKey: Uint8Array): Uint8Array {
  return sha256(utf8('xcare/kcv/v1'), objectId, custodyKey)
}

/** @throws XcareError INTEGRITY when `custodyKey` is not the one behind `kcv`. */
export function checkCustodyKey(objectId: Uint8Array, kcv: Uint8Array, custodyKey: Uint8Array): void {
  if (!equalSecret(keyCheckValue(objectId, custodyKey), kcv))
    throw new XcareError('INTEGRITY', 'the custody key does not belong to this object', {
      next: 'ask the guardians again: a share of the key is wrong',
    })
}

/**
 * Binds the sealed body to its object, owner and layout, so that no body opens under another header.
 * @param ownerKey Ed25519, 32 bytes. @returns 32 bytes. Spec: docs/spec/object.md.
 */
export function bodyContext(name: ObjectName, ownerKey: Uint8Array, layout: Layout): Uint8Array {
  const { k, n, shardBytes, stripes, paddedLength } = layout
  return sha256(
    utf8('xcare/obj/v1\0'),
    name.objectId,
    u32be(name.version),
    sha256(ownerKey),
    ...[k, n, shardBytes, stripes].map(u32be),
    Uint8Array.of(MODE_TWO_LOCKS),
    u64be(paddedLength),
  )
}
