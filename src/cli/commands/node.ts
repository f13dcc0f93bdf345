import type { Command } from 'commander'
import { XcareError } from '../../errors.ts'
import { initNode } from '../../sdk/roles/init-node.ts'
import { nodeStatus } from '../../sdk/roles/node-status.ts'
import { action, type Invocation } from '../invocation.ts'
import { sizeOf } from '../sentences.ts'

const UNITS = { M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 } as const
const SPACE_MIN = 64 * UNITS.M

interface InitOptions {
  network: string
  name: string
  space: string
  region: string
}

/** Adds `node init` and `node status` to the command `node`. */
export function addNodeCommands(node: Command): void {
  node
    .command('init')
    .description('set up a storage node in the folder given with --dir')
    .requiredOption('--network <folder>', 'folder of the network to join')
    .requiredOption('--name <name>', 'who contributes, as others see it')
    .option('--space <size>', 'disk it may use in all: 500M, 10G, 2T', '10G')
    .option('--region <name>', 'where it stands', 'local')
    .action(action(init))
  node.command('status').description('what the storage node of --dir keeps').action(action(status))
}

async function init({ dir }: Invocation, options: InitOptions): Promise<Record<string, unknown>> {
  const quotaBytes = parseSpace(options.space)
  const { network, name, region } = options
  const made = await initNode({ dir, networkDir: network, name, quotaBytes, region })
  const next = made.admitted
    ? `next: npx xcare node run --dir ${dir}`
    : `next: hand these to a governor of the network, who must admit you before the node can start\n  ${made.institution} ${made.operatorKey}`
  return {
    ...made,
    quotaBytes,
    text: `A storage node of ${sizeOf(quotaBytes)} is set up in ${made.dir}.\n  ${next}`,
  }
}

async function status({ dir }: Invocation): Promise<Record<string, unknown>> {
  const { usedBytes, quotaBytes, fragments, readOnly, ...rest } = await nodeStatus(dir)
  const mood = readOnly ? 'Read-only: its disk or its promised space is full' : 'Healthy'
  const text = `${mood}. ${sizeOf(usedBytes)} of ${sizeOf(quotaBytes)}, ${fragments} fragments.\n  ${rest.nodeId}, process ${rest.pid}`
  return { usedBytes, quotaBytes, fragments, readOnly, ...rest, text }
}

function parseSpace(text: string): number {
  const found = /^(\d{1,6})([MGT])i?B?$/i.exec(text)
  const bytes = found ? Number(found[1]) * UNITS[found[2]!.toUpperCase() as keyof typeof UNITS] : 0
  if (bytes >= SPACE_MIN) return bytes
  throw new XcareError('USAGE', `"${text.slice(0, 20)}" is not a size of at least 64M`, {
    next: 'write for example 500M, 10G or 2T',
  })
}
