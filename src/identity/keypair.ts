import { u32be } from '../bytes.ts'
import { type KemKey, kemKeyFromSeed } from '../crypto/envelope.ts'
import { deriveKey } from '../crypto/kdf.ts'
import { type SigningKey, signingKeyFromSeed } from '../crypto/sign.ts'
import type { Did } from '../ids.ts'
import type { Random } from '../ports.ts'
import { type BoundKind, boundId, isBoundTo, nonceBytesOf, nonceOf } from './bound-id.ts'
import { createInception, keysHash } from './inception.ts'

/** Bytes of the root from which every key of a person follows. */
export const ROOT_BYTES = 32

/** The keys of one identity at one rotation. */
export interface IdentityKeys {
  signing: SigningKey
  kem: KemKey
}

/** @param root 32 bytes. @param seq rotations so far. @returns the sign and KEM key. Spec: docs/spec/identity.md 1. */
export async function identityKeysOf(root: Uint8Array, seq = 0): Promise<IdentityKeys> {
  return {
    signing: signingKeyFromSeed(deriveKey(root, 'xcare/sign/v1', u32be(seq))),
    kem: await kemKeyFromSeed(deriveKey(root, 'xcare/kem/v1', u32be(seq))),
  }
}

/** @returns what an event with the keys of rotation `seq` must promise: the hash of the keys of the next. */
async function nextKeysHashOf(root: Uint8Array, seq = 0): Promise<Uint8Array> {
  const next = await identityKeysOf(root, seq + 1)
  return keysHash(next.signing.publicKey, next.kem.publicKey)
}

/** @returns the DID of this root on `network`, its inception event and its first keys; always the same for the same root. */
export async function identityOf(
  root: Uint8Array,
  network: string,
): Promise<{ did: Did; inception: Uint8Array; keys: IdentityKeys }> {
  const keys = await identityKeysOf(root)
  const { did, bytes } = createInception(
    network,
    keys.signing,
    keys.kem.publicKey,
    await nextKeysHashOf(root),
  )
  return { did, inception: bytes, keys }
}

/** @returns the key that seals the wallet's own log, 32 bytes. */
export function vaultKeyOf(root: Uint8Array): Uint8Array {
  return deriveKey(root, 'xcare/vault/v1')
}

/** @returns a name for a new object, 32 bytes, that only the key which owns it can use, and that key. */
export function newObject(root: Uint8Array, random: Random): { objectId: Uint8Array; ownerKey: SigningKey } {
  const nonce = random.bytes(nonceBytesOf('object'))
  const ownerKey = oneTimeKey(root, 'object', nonce)
  return { objectId: boundId('object', nonce, ownerKey.publicKey), ownerKey }
}

/** @returns a name for a new grant, 16 bytes, that only its revoke key can use, and that key. */
export function newGrant(root: Uint8Array, random: Random): { grantId: Uint8Array; revokeKey: SigningKey } {
  const nonce = random.bytes(nonceBytesOf('grant'))
  const revokeKey = oneTimeKey(root, 'grant', nonce)
  return { grantId: boundId('grant', nonce, revokeKey.publicKey), revokeKey }
}

/** @returns the key that seals what is noted of puts under way, 32 bytes. */
export function journalKeyOf(root: Uint8Array): Uint8Array {
  return deriveKey(root, 'xcare/put-journal/v1')
}

/** @param objectId 32 bytes. @returns the one-time key that owns this object on the chain; unlinkable to others. */
export function ownerKeyOf(root: Uint8Array, objectId: Uint8Array): SigningKey {
  return keyOfName(root, 'object', objectId)
}

/** @param grantId 16 bytes. @returns the one-time key that creates and revokes this grant on the chain. */
export function revokeKeyOf(root: Uint8Array, grantId: Uint8Array): SigningKey {
  return keyOfName(root, 'grant', grantId)
}

/** Labels of the one-time keys: of names that follow from them, and of names that were all chance. */
const ONE_TIME = {
  object: { label: 'xcare/owner/v2', unboundLabel: 'xcare/owner/v1' },
  grant: { label: 'xcare/revoke/v2', unboundLabel: 'xcare/revoke/v1' },
} as const

function oneTimeKey(root: Uint8Array, kind: BoundKind, nonce: Uint8Array): SigningKey {
  return signingKeyFromSeed(deriveKey(root, ONE_TIME[kind].label, nonce))
}

/** Names made before they followed from their key still have the key that followed from them. */
function keyOfName(root: Uint8Array, kind: BoundKind, id: Uint8Array): SigningKey {
  const key = oneTimeKey(root, kind, nonceOf(kind, id))
  if (isBoundTo(kind, id, key.publicKey)) return key
  return signingKeyFromSeed(deriveKey(root, ONE_TIME[kind].unboundLabel, id))
}

/** @param grantId 16 bytes. @returns the secret of the grant's salt and blinds, 32 bytes. */
export function grantSecretOf(root: Uint8Array, grantId: Uint8Array): Uint8Array {
  return deriveKey(root, 'xcare/grant/v1', grantId)
}

/** @param objectId 32 bytes. @returns the key that opens notices about this object. */
export function noticeKeyOf(root: Uint8Array, objectId: Uint8Array): Promise<KemKey> {
  return kemKeyFromSeed(deriveKey(root, 'xcare/notice-key/v1', objectId))
}

/** @param objectId 32 bytes. @returns the secret, 32 bytes, by which notices about this object are recognised. */
export function noticeTagOf(root: Uint8Array, objectId: Uint8Array): Uint8Array {
  return deriveKey(root, 'xcare/notice-tag/v1', objectId)
}
