import { decodeLetter } from '../../custody/grant.ts'
import type { Purpose } from '../../custody/purpose.ts'
import type { Vault } from '../../identity/vault.ts'

/** An object of somebody else that this wallet holds a permission for. */
export interface SharedObject {
  objectId: Uint8Array
  /** What its owner calls it. */
  name: string
  grantId: Uint8Array
  purpose: Purpose
  /** Times in ms. */
  arrivedMs: number
  untilMs: number
}

/**
 * @returns what permissions in the vault name, the newest permission first. Whether one was taken back
 * meanwhile only the chain knows.
 */
export function heldObjects(vault: Vault): SharedObject[] {
  return vault
    .received()
    .sort((a, b) => b.arrivedMs - a.arrivedMs)
    .flatMap(({ letter, arrivedMs }) => {
      const { grant, objects } = decodeLetter(letter)
      const { grantId, purpose, notAfterMs: untilMs } = grant
      return objects.map(({ objectId, name }) => ({ objectId, name, grantId, purpose, arrivedMs, untilMs }))
    })
}
