import type { HeldGrant } from '../../custody/grant.ts'
import { XcareError } from '../../errors.ts'
import type { Vault } from '../../identity/vault.ts'
import { LOSS_NEXT, lossWords } from '../../identity/vault-loss.ts'
import { objectIdToBytes } from '../../ids.ts'
import type { Ledger, Progress } from '../../ports.ts'
import type { CustodyKeySource } from '../get.ts'
import { readNetworkView } from '../network-view.ts'
import { fetchGrants } from './grants-inbox.ts'
import { heldGrantsFor, usableGrant } from './held-grants.ts'
import { type ReleasePorts, requestRelease } from './release.ts'

/** What finding a custody key needs of the world, and whose vault is asked. */
export interface CustodyKeyPorts extends ReleasePorts {
  ledger: Ledger
  vault: Vault
  progress: Progress
}

/** @returns custody keys: of own objects from the vault, of others by a release of their guardians under a grant that arrived. */
export function custodyKeySource(ports: CustodyKeyPorts): CustodyKeySource {
  return async ({ objectId, custody }) => {
    const raw = objectIdToBytes(objectId)
    const own = ports.vault.get(raw)
    if (own) return own.custodyKey
    const held = await findGrant(ports, { objectId: raw, ownerKey: custody.ownerKey })
    const { custodyKey, problems, dealerFault } = await requestRelease(ports, custody, held)
    for (const { guardianId, error } of problems)
      ports.progress({
        type: 'guardian-refused',
        guardian: guardianId,
        code: error.code,
        message: error.message,
      })
    if (dealerFault)
      ports.progress({
        type: 'warning',
        text: 'whoever stored this record dealt some of its key shares wrong',
      })
    return custodyKey
  }
}

/** A permission that works; else one that did, so that the guardians' answer tells why. */
async function findGrant(ports: CustodyKeyPorts, object: Grantable): Promise<HeldGrant> {
  const { vault, clock, ledger } = ports
  const kept = await usableGrant(ports, candidatesOf(ports, object), object, clock.nowMs())
  if (kept.active) return kept.active
  await vault.refresh()
  const { guardians } = await readNetworkView(ledger, null)
  const { madeUp } = await fetchGrants(ports, vault, guardians)
  if (madeUp > 0) ports.progress({ type: 'letters-left-out', letters: madeUp })
  const { active, past } = await usableGrant(ports, candidatesOf(ports, object), object, clock.nowMs())
  const found = active ?? past ?? kept.past
  if (found) return found
  const loss = vault.loss()
  // It may have been an own record.
  if (loss)
    throw new XcareError('NO_GRANT', `this wallet knows no key of this record, and ${lossWords(loss)}`, {
      next: LOSS_NEXT,
    })
  throw new XcareError('NO_GRANT', 'you have no permission to read this record', {
    next: 'ask its owner for one: `npx xcare grant OBJECT --to YOUR-DID`',
  })
}

interface Grantable {
  objectId: Uint8Array
  ownerKey: Uint8Array
}

function candidatesOf({ vault, clock }: CustodyKeyPorts, { objectId }: Grantable): HeldGrant[] {
  return heldGrantsFor(vault, objectId, clock.nowMs())
}
