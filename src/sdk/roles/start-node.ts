import { join } from 'node:path'
import { systemRandom } from '../../crypto/random.ts'
import type { PeerAddress } from '../../ports.ts'
import { startStorageNode } from '../../storage-node/node.ts'
import { systemClock } from '../clock.ts'
import { openFolder } from '../folder.ts'
import { readNetworkFile } from '../network/network-folder.ts'
import { openNetworkLedger } from '../network/network-ledger.ts'
import type { StartedRole } from './role.ts'
import { keepPorts, keepSigningKey, readRoleFile } from './role-folder.ts'
import { logLine, onFreePorts, portsOf } from './role-peer.ts'

/** Starts the storage node of the folder `dir`, with a light client of its own. */
export async function startNodeRole(dir: string): Promise<StartedRole> {
  const role = await readRoleFile(dir, 'node')
  const network = await readNetworkFile(role.networkDir)
  const ledger = await openNetworkLedger(network, await openFolder(join(dir, 'light')))
  const signing = await keepSigningKey(dir, 'operator')
  const node = await onFreePorts(role, (listen) =>
    startStorageNode({
      dir,
      network: network.network,
      ledger,
      institution: { instId: role.institution, signing },
      location: { network: role.network, region: role.region },
      quotaBytes: role.quotaBytes,
      listen,
      neighbours: network.bootstrap as PeerAddress[],
      clock: systemClock,
      random: systemRandom,
      log: logLine,
    }),
  )
  const { nodeId, addresses } = node
  await keepPorts(dir, role, portsOf(addresses))
  return { ready: { nodeId, addresses }, stop: () => node.stop() }
}
