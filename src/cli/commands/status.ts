import { basename } from 'node:path'
import type { Command } from 'commander'
import { rolesOf } from '../../sdk/network/local-network.ts'
import { networkFolder, readNetworkFile } from '../../sdk/network/network-folder.ts'
import { runningRole } from '../../sdk/roles/role.ts'
import { action, type Invocation } from '../invocation.ts'

/** Adds `status`: which parts of the network run, and what that means for records. */
export function addStatusCommand(program: Command): void {
  program
    .command('status')
    .description('what runs here and whether records can be put and read')
    .action(action(status, 'shows'))
}

async function status({ dir, out }: Invocation): Promise<Record<string, unknown>> {
  const folder = networkFolder(dir)
  const { network } = await readNetworkFile(folder.root)
  const parts = await Promise.all(
    (await rolesOf(folder)).map(async (role) => {
      const run = await runningRole(role.folder)
      const name = role.kind === 'anchor' ? 'anchor' : basename(role.folder)
      return {
        kind: role.kind,
        name,
        folder: role.folder,
        running: run !== null,
        pid: run?.pid ?? null,
        ...factsOf(run?.ready),
      }
    }),
  )
  for (const part of parts) out.event({ type: 'part', ...part })
  const up = (kind: string) => parts.filter((part) => part.kind === kind && part.running).length
  const all = (kind: string) => parts.filter((part) => part.kind === kind).length
  return {
    network,
    consensus: 'single-process (not fault tolerant)',
    anchor: up('anchor') === 1,
    nodes: { running: up('node'), of: all('node') },
    guardians: { running: up('guardian'), of: all('guardian') },
    parts,
  }
}

function factsOf(ready: Record<string, unknown> | undefined): Record<string, unknown> {
  if (!ready) return {}
  const { nodeId, addresses, rpcUrl } = ready
  return Object.fromEntries(
    Object.entries({ nodeId, addresses, rpcUrl }).filter(([, value]) => value !== undefined),
  )
}
