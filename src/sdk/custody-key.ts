import { objectIdToBytes } from '../ids.ts'
import type { CustodyKeySource } from '../light-node/get.ts'
import type { OpenWallet } from './wallet.ts'

/** @returns where this wallet gets custody keys: its vault for own objects, else guardians under a grant it was given. */
export function custodyKeySource(wallet: OpenWallet, release: CustodyKeySource): CustodyKeySource {
  return async (located) =>
    wallet.vault.get(objectIdToBytes(located.objectId))?.custodyKey ?? release(located)
}
