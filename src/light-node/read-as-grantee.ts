import type { HeldGrant } from '../custody/grant.ts'
import { XcareError } from '../errors.ts'
import type { Vault } from '../identity/vault.ts'
import { objectIdToBytes } from '../ids.ts'
import type { Ledger, Progress } from '../ports.ts'
import type { CustodyKeySource } from './get.ts'
import { fetchGrants, heldGrantFor } from './grants-inbox.ts'
import { readNetworkView } from './network-view.ts'
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

async function findGrant(ports: CustodyKeyPorts, objectId: Uint8Array): Promise<HeldGrant> {
  const { vault, clock } = ports
  const kept = heldGrantFor(vault, objectId, clock.nowMs())
  if (kept && kept.grant.notAfterMs > clock.nowMs()) return kept
  const { guardians } = await readNetworkView(ports.ledger, null)
  await fetchGrants(ports, vault, guardians)
  const held = heldGrantFor(vault, objectId, clock.nowMs())
  if (held) return held
  throw new XcareError('NO_GRANT', 'you have no permission to read this record', {
    next: 'ask its owner for one: `npx xcare grant OBJECT --to YOUR-DID`',
  })
}
