import type { Command } from 'commander'
import { toHex } from '../../bytes.ts'
import { readNetworkView } from '../../light-node/network-view.ts'
import { HEADER_AGE_MS_MAX } from '../../limits.ts'
import { systemClock } from '../../sdk/clock.ts'
import { openFolder } from '../../sdk/folder.ts'
import { lightFolderOf, networkFolder, readNetworkFile } from '../../sdk/network/network-folder.ts'
import { openNetworkLedger } from '../../sdk/network/network-ledger.ts'
import { action, type Invocation } from '../invocation.ts'

/** Adds `chain status`: the newest header, verified here from the trusted one. */
export function addChainCommands(program: Command): void {
  program
    .command('chain')
    .description('the anchoring chain')
    .command('status')
    .description('newest header, verified by a light client of your own')
    .action(action(status))
}

async function status({ dir }: Invocation): Promise<Record<string, unknown>> {
  const folder = networkFolder(dir)
  const network = await readNetworkFile(folder.root)
  const ledger = await openNetworkLedger(network, await openFolder(lightFolderOf(folder)))
  const { height, timeMs, hash, chainId } = await ledger.head(HEADER_AGE_MS_MAX)
  const { epoch, nodes, guardians } = await readNetworkView(ledger, null)
  const ageSeconds = Math.max(0, Math.round((systemClock.nowMs() - timeMs) / 100) / 10)
  return {
    chainId,
    height,
    hash: toHex(hash),
    time: new Date(timeMs).toISOString(),
    ageSeconds,
    consensus: 'single-process (not fault tolerant)',
    epoch: epoch.epoch,
    registeredNodes: nodes.length,
    registeredGuardians: guardians.length,
    text: `Chain ${chainId} is at block ${height}, ${ageSeconds} s old, verified here.\n  consensus: single process, not fault tolerant\n  epoch ${epoch.epoch}: ${nodes.length} storage nodes, ${guardians.length} guardians`,
  }
}
