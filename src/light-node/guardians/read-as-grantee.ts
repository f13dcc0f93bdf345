import type { HeldGrant } from '../../custody/grant.ts'
import { XcareError } from '../../errors.ts'
import type { Vault } from '../../identity/vault.ts'
import { objectIdToBytes } from '../../ids.ts'
import type { Ledger, Progress } from '../../ports.ts'
import type { CustodyKeySource } from '../get.ts'
import { readNetworkView } from '../network-view.ts'
import { readGrant } from './grant.ts'
import { fetchGrants, heldGrantsFor } from './grants-inbox.ts'
import { type ReleasePorts, requestRelease } from './release.ts'

/** Permissions for one object looked up on the chain before letters are fetched, at most. */
const CANDIDATES_MAX = 8

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
    const held = await findGrant(ports, raw)
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

/** A permission that works; else one that does not, so that the guardians' answer tells why. */
async function findGrant(ports: CustodyKeyPorts, objectId: Uint8Array): Promise<HeldGrant> {
  const { vault, clock, ledger } = ports
  const kept = await activeOf(ledger, heldGrantsFor(vault, objectId, clock.nowMs()), clock.nowMs())
  if (kept) return kept
  const { guardians } = await readNetworkView(ledger, null)
  await fetchGrants(ports, vault, guardians)
  const all = heldGrantsFor(vault, objectId, clock.nowMs())
  const found = (await activeOf(ledger, all, clock.nowMs())) ?? all[0]
  if (found) return found
  throw new XcareError('NO_GRANT', 'you have no permission to read this record', {
    next: 'ask its owner for one: `npx xcare grant OBJECT --to YOUR-DID`',
  })
}

async function activeOf(ledger: Ledger, candidates: HeldGrant[], nowMs: number): Promise<HeldGrant | null> {
  for (const held of candidates.slice(0, CANDIDATES_MAX)) {
    if (held.grant.notAfterMs <= nowMs) continue
    if ((await readGrant(ledger, held.grant.grantId))?.status === 'active') return held
  }
  return null
}
