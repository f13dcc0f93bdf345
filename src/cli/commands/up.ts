import type { Command } from 'commander'
import { XcareError } from '../../errors.ts'
import { fileSource } from '../../sdk/file-source.ts'
import { LOCAL_SIZE } from '../../sdk/network/local-network.ts'
import { type NetworkFolder, networkFolder } from '../../sdk/network/network-folder.ts'
import { anyRunning, startNetwork, stopNetwork } from '../../sdk/network/start-network.ts'
import { samplePatient } from '../../sdk/sample/sample-patient.ts'
import { action, type Invocation } from '../invocation.ts'
import type { Output } from '../output.ts'
import { playStory } from '../story.ts'

const WATCH_MS = 3_000

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
): Promise<Record<string, unknown> | null> {
  const nodes = Number(options.nodes)
  if (!Number.isInteger(nodes) || nodes < LOCAL_SIZE.nodes || nodes > 64)
    throw new XcareError('USAGE', `a local network has ${LOCAL_SIZE.nodes} to 64 storage nodes`)
  const { out } = invocation
  const sources =
    files.length > 0 ? await Promise.all(files.map((file) => fileSource(file))) : samplePatient()
  const folder = networkFolder(invocation.dir)
  // What ran before this command is not this command's to stop.
  const wasRunning = await anyRunning(folder)
  const stopOwn = async () => {
    if (!wasRunning) await stopNetwork(folder)
  }
  invocation.atInterrupt = stopOwn
  out.event({
    type: 'step',
    text: `A network of ${nodes} storage nodes, 4 guardians and a chain, in ${folder.root}`,
  })
  try {
    const network = await startNetwork(folder, { ...LOCAL_SIZE, nodes }, out.event)
    const told = await playStory({ folder, network, sources, out, stays: wasRunning || !options.once })
    if (options.once || wasRunning) return told
    out.result(told)
    invocation.atInterrupt = null
    await untilTold(out, folder)
    return null
  } finally {
    await stopOwn()
  }
}

/** Lets the network run until this command is told to end; a killed terminal leaves it running. */
async function untilTold(out: Output, folder: NetworkFolder): Promise<void> {
  const text = 'The network keeps running. Stop it with Ctrl-C here, or with `npx xcare down`.'
  // With --json the result was the last line.
  if (!out.json) out.event({ type: 'fact', text })
  const ended = Promise.withResolvers<void>()
  // `down` from elsewhere ends this command too.
  const watch = setInterval(async () => {
    if (!(await anyRunning(folder))) ended.resolve()
  }, WATCH_MS)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => ended.resolve())
  await ended.promise
  clearInterval(watch)
  if (!out.json) out.event({ type: 'fact', text: 'Stopping; what is stored stays.' })
}
