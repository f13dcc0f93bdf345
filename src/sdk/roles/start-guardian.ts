import { join } from 'node:path'
import { guardianKey } from '../../chain-anchor/app/keys.ts'
import { guardianValue } from '../../chain-anchor/app/values.ts'
import { systemRandom } from '../../crypto/random.ts'
import { loadGuardianKeys } from '../../guardian-node/keys.ts'
import { startGuardian } from '../../guardian-node/start.ts'
import { addressOf } from '../../light-node/network-view.ts'
import type { PeerAddress, Progress } from '../../ports.ts'
import { systemClock } from '../clock.ts'
import { openFolder } from '../folder.ts'
import { openNetworkLedger } from '../network/network-ledger.ts'
import { refuseIfElsewhere } from './elsewhere.ts'
import { networkOfPart } from './network-of.ts'
import type { StartedRole } from './role.ts'
import { keepPorts, keepSigningKey, readRoleFile } from './role-folder.ts'
import { onFreePorts, portsOf } from './role-peer.ts'

/**
 * Starts the guardian of the folder `dir`, with a light client of its own.
 * @param takesOver also when it lives elsewhere.
 */
export async function startGuardianRole(dir: string, log: Progress, takesOver = false): Promise<StartedRole> {
  const role = await readRoleFile(dir, 'guardian')
  const reread = () => networkOfPart(dir, role.networkDir)
  const network = await reread()
  const ledger = await openNetworkLedger(network, await openFolder(join(dir, 'light')), reread)
  const signing = await keepSigningKey(dir, 'operator')
  const key = guardianKey((await loadGuardianKeys(dir, systemRandom)).guardianId)
  if (!takesOver)
    await refuseIfElsewhere(ledger, {
      kind: 'guardian',
      key,
      addressOf: (value) => addressOf(guardianValue.decode(value)),
    })
  const guardian = await onFreePorts(role, log, (listen) =>
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
      log,
    }),
  )
  const { guardianId, addresses } = guardian
  await keepPorts(dir, role, portsOf(addresses))
  return { ready: { nodeId: guardianId, addresses }, stop: () => guardian.stop() }
}
