import { join } from 'node:path'
import { nodeKey } from '../../chain-anchor/app/keys.ts'
import { nodeValue } from '../../chain-anchor/app/values.ts'
import { systemRandom } from '../../crypto/random.ts'
import { addressOf } from '../../light-node/network-view.ts'
import type { PeerAddress, Progress } from '../../ports.ts'
import { loadNodeKeys } from '../../storage-node/keys.ts'
import { startStorageNode } from '../../storage-node/node.ts'
import { systemClock } from '../clock.ts'
import { openFolder } from '../folder.ts'
import { openNetworkLedger } from '../network/network-ledger.ts'
import { refuseIfElsewhere } from './elsewhere.ts'
import { networkOfPart } from './network-of.ts'
import type { StartedRole } from './role.ts'
import { keepPorts, keepSigningKey, readRoleFile } from './role-folder.ts'
import { onFreePorts, portsOf } from './role-peer.ts'

const MIB = 2 ** 20

/**
 * Starts the storage node of the folder `dir`, with a light client of its own.
 * @param takesOver also when it lives elsewhere.
 */
export async function startNodeRole(dir: string, log: Progress, takesOver = false): Promise<StartedRole> {
  const role = await readRoleFile(dir, 'node')
  const reread = () => networkOfPart(dir, role.networkDir)
  const network = await reread()
  const ledger = await openNetworkLedger(network, await openFolder(join(dir, 'light')), reread)
  const signing = await keepSigningKey(dir, 'operator')
  const key = nodeKey((await loadNodeKeys(dir, systemRandom)).nodeId)
  if (!takesOver)
    await refuseIfElsewhere(ledger, {
      kind: 'node',
      key,
      addressOf: (value) => addressOf(nodeValue.decode(value)),
    })
  const node = await onFreePorts(role, log, (listen) =>
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
      log,
    }),
  )
  const { nodeId, addresses } = node
  await keepPorts(dir, role, portsOf(addresses))
  return {
    ready: { nodeId, addresses },
    stop: () => node.stop(),
    report: async () => {
      const { fragments, usedBytes, quotaBytes, readOnly } = await node.status()
      const space = `${Math.ceil(usedBytes / MIB)} of ${Math.floor(quotaBytes / MIB)} MiB`
      const chain = node.registered ? '' : '; the chain cannot be reached, so nobody new finds this node'
      return `${fragments} fragments, ${space}${readOnly ? ', full: it takes nothing more' : ''}${chain}`
    },
  }
}
