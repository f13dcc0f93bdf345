import type { Command } from 'commander'
import { XcareError } from '../../errors.ts'
import { resetNode } from '../../sdk/network/renew.ts'
import { initNode } from '../../sdk/roles/init-node.ts'
import type { NodeHealth } from '../../sdk/roles/node-health.ts'
import { nodeStatus } from '../../sdk/roles/node-status.ts'
import { action, type Invocation } from '../invocation.ts'
import { ageText, sizeOf } from '../sentences.ts'

const UNITS = { M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 } as const
const SPACE_MIN = 64 * UNITS.M

interface InitOptions {
  network: string
  name: string
  space: string
  region: string
}

/** Adds `node init`, `node status` and `node reset` to the command `node`. */
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
  node
    .command('reset')
    .description('begin the storage node of --dir anew, empty; what it had is set aside and not deleted')
    .option('--new-identity', 'as another node in its place, when its keys are not to be used any more')
    .action(action(reset))
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

async function reset(
  { dir }: Invocation,
  { newIdentity }: { newIdentity?: boolean },
): Promise<Record<string, unknown>> {
  const made = await resetNode(dir, newIdentity === true)
  const kept = made.aside === null ? 'There was nothing to set aside.' : `What it had is in ${made.aside}.`
  const next = made.isOther
    ? 'next: `npx xcare up`, which tells the chain, then `npx xcare repair`'
    : 'next: start it again, then `npx xcare repair` makes its fragments again from the other nodes'
  const who = made.isOther ? 'another node, in its place' : 'the same node'
  return { ...made, text: `It starts empty, as ${who}. ${kept}\n  ${next}` }
}

async function status({ dir }: Invocation): Promise<Record<string, unknown>> {
  const { usedBytes, quotaBytes, fragments, readOnly, ...rest } = await nodeStatus(dir)
  const moods = [
    ...(rest.hasVolumes ? [] : ['BROKEN: its volumes are gone from the disk; end it and start it again']),
    ...(readOnly ? ['Read-only: its disk or its promised space is full'] : []),
    ...(rest.health && rest.health.damaged > 0
      ? [`${rest.health.damaged} of its fragments are damaged: their owners can make them again with repair`]
      : []),
    ...(rest.chain ? [] : ['The chain cannot be reached: nobody new finds this node']),
  ]
  const mood = moods.length > 0 ? moods.join('. ') : 'Healthy'
  const text = `${mood}. ${sizeOf(usedBytes)} of ${sizeOf(quotaBytes)}, ${fragments} fragments${unreadText(rest.health)}.\n  ${rest.nodeId}, process ${rest.pid}`
  return { usedBytes, quotaBytes, fragments, readOnly, ...rest, text }
}

function unreadText(health: NodeHealth | null): string {
  if (health === null || health.unreadSinceMs === 0) return ''
  return `, all read from its disk within ${ageText(Date.now() - health.unreadSinceMs)}`
}

function parseSpace(text: string): number {
  const found = /^(\d{1,6})([MGT])i?B?$/i.exec(text)
  const bytes = found ? Number(found[1]) * UNITS[found[2]!.toUpperCase() as keyof typeof UNITS] : 0
  if (bytes >= SPACE_MIN) return bytes
  throw new XcareError('USAGE', `"${text.slice(0, 20)}" is not a size of at least 64M`, {
    next: 'write for example 500M, 10G or 2T',
  })
}
