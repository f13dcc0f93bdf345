import type { Command } from 'commander'
import { rolesOf } from '../../sdk/network/local-network.ts'
import { networkFolder, readNetworkFile } from '../../sdk/network/network-folder.ts'
import { stopNetwork } from '../../sdk/network/start-network.ts'
import { action, type Invocation } from '../invocation.ts'

/** Adds `down`: stops every process of a local network; what it stores stays. */
export function addDownCommand(program: Command): void {
  program.command('down').description('stop the local network; everything stored stays').action(action(down))
}

async function down({ dir, out }: Invocation): Promise<Record<string, unknown>> {
  const folder = networkFolder(dir)
  // A network that never came up completely has parts, but may have no network file.
  if ((await rolesOf(folder)).length === 0) await readNetworkFile(folder.root)
  let stopped = 0
  await stopNetwork(folder, (kind, processes) => {
    stopped += processes
    out.event({ type: 'stopped', kind, processes })
  })
  return { stopped }
}
