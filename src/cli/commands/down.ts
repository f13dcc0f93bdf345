import type { Command } from 'commander'
import { networkFolder, readNetworkFile } from '../../sdk/network/network-folder.ts'
import { rolesOf } from '../../sdk/network/parts.ts'
import { startingProcess } from '../../sdk/network/start-lock.ts'
import { stopNetwork } from '../../sdk/network/start-network.ts'
import { endProcess } from '../../sdk/roles/processes.ts'
import { action, type Invocation } from '../invocation.ts'

/** Adds `down`: stops every process of a local network; what it stores stays. */
export function addDownCommand(program: Command): void {
  program.command('down').description('stop the local network; everything stored stays').action(action(down))
}

async function down({ dir, out }: Invocation): Promise<Record<string, unknown>> {
  const folder = networkFolder(dir)
  // A network that never came up completely has parts, but may have no network file.
  if ((await rolesOf(folder)).length === 0) await readNetworkFile(folder.root)
  // Whoever is still starting it would start again what is ended here.
  const starting = startingProcess(folder.root)
  if (starting) {
    out.event({ type: 'fact', text: 'Ending the `xcare up` that is starting this network.' })
    await endProcess(starting)
  }
  let stopped = 0
  await stopNetwork(folder, (kind, processes) => {
    stopped += processes
    out.event({ type: 'stopped', kind, processes })
  })
  return { stopped }
}
