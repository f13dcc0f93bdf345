import { join } from 'node:path'
import { systemRandom } from '../../crypto/random.ts'
import { startGuardian } from '../../guardian-node/start.ts'
import type { PeerAddress } from '../../ports.ts'
import { systemClock } from '../clock.ts'
import { openFolder } from '../folder.ts'
import { readNetworkFile } from '../network/network-folder.ts'
import { openNetworkLedger } from '../network/network-ledger.ts'
import type { StartedRole } from './role.ts'
import { keepPorts, keepSigningKey, readRoleFile } from './role-folder.ts'
import { logLine, onFreePorts, portsOf } from './role-peer.ts'

/** Starts the guardian of the folder `dir`, with a light client of its own. */
export async function startGuardianRole(dir: string): Promise<StartedRole> {
  const role = await readRoleFile(dir, 'guardian')
  const network = await readNetworkFile(role.networkDir)
  const ledger = await openNetworkLedger(network, await openFolder(join(dir, 'light')))
  const signing = await keepSigningKey(dir, 'operator')
  const guardian = await onFreePorts(role, (listen) =>
    startGuardian({
      dir,
      network: network.network,
      ledger,
      institution: { instId: role.institution, signing },
      jurisdiction: role.jurisdiction,
      listen,
      neighbours: network.bootstrap as PeerAddress[],
      clock: systemClock,
      random: systemRandom,
      log: logLine,
    }),
  )
  const { guardianId, addresses } = guardian
  await keepPorts(dir, role, portsOf(addresses))
  return { ready: { nodeId: guardianId, addresses }, stop: () => guardian.stop() }
}
