import { fromHex, toHex } from '../../bytes.ts'
import type { Vault } from '../../identity/vault.ts'

const REMOVED = 'removed/'
const REVOKING = 'revoking/'

/** Keeps that an object was removed, for the time after its key and name are forgotten. */
export function noteRemoved(vault: Vault, objectId: Uint8Array): Promise<void> {
  return vault.setMarker(REMOVED + toHex(objectId), Uint8Array.of(1))
}

/** Keeps that a permission is to be taken back, while nobody knows whether the chain took that. */
export function noteRevoking(vault: Vault, grantId: Uint8Array): Promise<void> {
  return vault.setMarker(REVOKING + toHex(grantId), Uint8Array.of(1))
}

/** @returns the ids of objects that were removed. */
export function removedOf(vault: Vault): Uint8Array[] {
  return idsOf(vault, REMOVED)
}

/**
 * @returns the ids of permissions that were to be taken back at a time when the chain could not be seen to
 * take that.
 */
export function revokingOf(vault: Vault): Uint8Array[] {
  return idsOf(vault, REVOKING)
}

function idsOf(vault: Vault, prefix: string): Uint8Array[] {
  return vault
    .entries()
    .flatMap((entry) =>
      entry.type === 'marker' && entry.name.startsWith(prefix)
        ? [fromHex(entry.name.slice(prefix.length))]
        : [],
    )
}
