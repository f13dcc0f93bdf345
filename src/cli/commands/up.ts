import type { Command } from 'commander'
import { XcareError } from '../../errors.ts'
import { fileSource } from '../../sdk/file-source.ts'
import { LOCAL_SIZE } from '../../sdk/network/local-network.ts'
import { networkFolder } from '../../sdk/network/network-folder.ts'
import { startNetwork, stopNetwork } from '../../sdk/network/start-network.ts'
import { samplePatient } from '../../sdk/sample/sample-patient.ts'
import { action, type Invocation } from '../invocation.ts'
import { playStory } from '../story.ts'

interface UpOptions {
  nodes: string
  once?: boolean
}

/** Adds `up`: the whole local network in processes of its own, and the story that shows what it does. */
export function addUpCommand(program: Command): void {
  program
    .command('up')
    .description('bring up a whole local network and show what it does, on FILEs or a made-up patient')
    .argument('[file...]')
    .option('--nodes <count>', 'storage nodes', String(LOCAL_SIZE.nodes))
    .option('--once', 'stop everything after the story')
    .action(action(up))
}

async function up(
  invocation: Invocation,
  files: string[],
  options: UpOptions,
): Promise<Record<string, unknown>> {
  const nodes = Number(options.nodes)
  if (!Number.isInteger(nodes) || nodes < LOCAL_SIZE.nodes || nodes > 64)
    throw new XcareError('USAGE', `a local network has ${LOCAL_SIZE.nodes} to 64 storage nodes`)
  const { out } = invocation
  const sources =
    files.length > 0 ? await Promise.all(files.map((file) => fileSource(file))) : samplePatient()
  const folder = networkFolder(invocation.dir)
  const stopAll = () => stopNetwork(folder)
  invocation.atInterrupt = stopAll
  out.event({
    type: 'step',
    text: `A network of ${nodes} storage nodes, 4 guardians and a chain, in ${folder.root}`,
  })
  const network = await startNetwork(folder, { ...LOCAL_SIZE, nodes }, out.event)
  const told = await playStory({ folder, network, sources, out })
  if (options.once) {
    await stopAll()
    return told
  }
  out.event({ type: 'network-running', dir: folder.root, ...told })
  out.event({
    type: 'fact',
    text: 'The network keeps running. Stop it with Ctrl-C here, or with `npx xcare down`.',
  })
  // SIGTERM ends this command as Ctrl-C does; a killed terminal leaves the network running.
  const ended = Promise.withResolvers<void>()
  const alive = setInterval(() => {}, 60_000)
  process.once('SIGTERM', () => ended.resolve())
  await ended.promise
  clearInterval(alive)
  await stopAll()
  return told
}
