import { type Command, Option } from 'commander'
import { asXcareError, XcareError } from '../../errors.ts'
import { PROFILES } from '../../fragment/profile.ts'
import type { RecordSource } from '../../light-node/put-record.ts'
import { fileSource } from '../../sdk/file-source.ts'
import { LOCAL_SIZE, type LocalSize } from '../../sdk/network/local-network.ts'
import { type NetworkFolder, networkFolder } from '../../sdk/network/network-folder.ts'
import type { PartNote } from '../../sdk/network/part-note.ts'
import { takeStartTurn } from '../../sdk/network/start-lock.ts'
import { anyRunning, type BroughtUp, bringUp } from '../../sdk/network/start-network.ts'
import { Launch } from '../../sdk/roles/processes.ts'
import { samplePatient } from '../../sdk/sample/sample-patient.ts'
import { action, type Invocation } from '../invocation.ts'
import type { Output } from '../output.ts'
import { playStory } from '../story.ts'

const WATCH_MS = 3_000
const NODES_MAX = 64
const PARTIAL_EXIT = new XcareError('PARTIAL', '').exitCode

interface UpOptions {
  nodes?: string
  story?: boolean
  once?: boolean
}

/** Adds `up`: the whole local network in processes of its own, and the story that shows what it does. */
export function addUpCommand(program: Command): void {
  program
    .command('up')
    .description(
      'bring up the local network; a new one also shows what it does, on FILEs or a made-up patient',
    )
    .argument('[file...]')
    .addOption(
      new Option('--nodes <count>', `storage nodes (default: ${LOCAL_SIZE.nodes}, or those that are there)`),
    )
    .option(
      '--story',
      'show the story also on a network that is there: it ends storage nodes and starts them again',
    )
    .option('--once', 'show the story and stop everything after it')
    .action(action(up))
}

async function up(
  invocation: Invocation,
  files: string[],
  options: UpOptions,
): Promise<Record<string, unknown> | null> {
  const size = { ...LOCAL_SIZE, nodes: nodesOf(options.nodes) }
  const { out } = invocation
  const sources =
    files.length > 0 ? await Promise.all(files.map((file) => fileSource(file))) : samplePatient()
  const folder = networkFolder(invocation.dir)
  // What this command did not start is not this command's to stop.
  const launch = new Launch()
  let isInterrupted = false
  invocation.atInterrupt = () => {
    isInterrupted = true
    return launch.end()
  }
  const giveTurn = await takeStartTurn(folder.root, () =>
    out.event({
      type: 'fact',
      text: 'Another `xcare up` is starting this network: waiting for it. Nothing of it is ended.',
    }),
  )
  try {
    const told = await run(invocation, {
      folder,
      launch,
      sources,
      size,
      options,
      giveTurn,
      plays: files.length > 0,
    })
    // Whoever interrupted this command waits for the end of what it started, and for nothing else.
    return isInterrupted ? await forever : told
  } catch (error) {
    if (isInterrupted) await forever
    await launch.end()
    throw error
  }
}

const forever = new Promise<never>(() => {})

interface Run {
  folder: NetworkFolder
  launch: Launch
  sources: RecordSource[]
  size: LocalSize
  options: UpOptions
  plays: boolean
  giveTurn: () => void
}

async function run(invocation: Invocation, given: Run): Promise<Record<string, unknown> | null> {
  const { folder, launch, sources, size, options, giveTurn } = given
  const { out } = invocation
  out.event({ type: 'step', text: `The network in ${folder.root}` })
  const grows = options.nodes !== undefined
  const state = await bringUp(folder, { size, grows, progress: out.event, launch })
  tellState(out, state)
  const { network, isNew, wasRunning } = state
  const stays = wasRunning || !options.once
  const stage = { folder, network, sources, out, launch, stays, isNew }
  const plays = isNew || options.story || options.once || given.plays
  const story = plays ? await shown(out, stays, () => playStory(stage)) : {}
  giveTurn()
  if (stays) return endOf(invocation, folder, launch, state, story)
  await launch.end()
  return resultOf(state, story)
}

function nodesOf(text: string | undefined): number {
  const nodes = Number(text ?? LOCAL_SIZE.nodes)
  if (Number.isInteger(nodes) && nodes >= LOCAL_SIZE.nodes && nodes <= NODES_MAX) return nodes
  throw new XcareError('USAGE', `a local network has ${LOCAL_SIZE.nodes} to ${NODES_MAX} storage nodes`)
}

/** A story that fails is told; it takes nothing down with it. */
async function shown(
  out: Output,
  stays: boolean,
  play: () => Promise<Record<string, unknown>>,
): Promise<Record<string, unknown>> {
  try {
    return await play()
  } catch (error) {
    const { code, message, next, exitCode } = asXcareError(error)
    if (!stays) throw error
    out.event({
      type: 'warning',
      code,
      text: `the story could not be shown to its end: ${message}${next ? `\n  next: ${next}` : ''}`,
    })
    return { story: { ok: false, code, message }, exitCode }
  }
}

function tellState(out: Output, { running, missing, changed, wasRunning, isNew }: BroughtUp): void {
  const { node, guardian } = running
  if (!isNew && wasRunning)
    out.event({ type: 'fact', text: 'It runs already; what was missing of it is started.' })
  out.event({
    type: 'fact',
    nodes: node,
    guardians: guardian,
    text: `${node.running} of ${node.of} storage nodes, ${guardian.running} of ${guardian.of} guardians and the chain run. ${useOf(node.running, guardian.running)}`,
  })
  for (const note of missing) out.event({ type: 'warning', ...note, text: noteText(note, 'does not run') })
  for (const note of changed)
    out.event({ type: 'warning', ...note, text: noteText(note, 'is not as it was') })
}

function noteText({ name, message, next }: PartNote, what: string): string {
  return `${name} ${what}: ${message}${next ? `\n  next: ${next}` : ''}`
}

/** What that many parts are good for. */
function useOf(nodes: number, guardians: number): string {
  const { k, target, t } = PROFILES.grid
  if (nodes < k) return `Reading takes ${k} storage nodes: nothing can be read until more run.`
  if (nodes < target) return `Records can be read; storing takes ${target} storage nodes.`
  if (guardians < t) return `Owners can read; permissions take ${t} guardians.`
  return 'Records can be stored and read.'
}

function resultOf({ missing, changed }: BroughtUp, story: Record<string, unknown>): Record<string, unknown> {
  return { ...story, missing, changed, ...(missing.length > 0 ? { exitCode: PARTIAL_EXIT } : {}) }
}

async function endOf(
  invocation: Invocation,
  folder: NetworkFolder,
  launch: Launch,
  state: BroughtUp,
  story: Record<string, unknown>,
): Promise<Record<string, unknown> | null> {
  const { out } = invocation
  const result = resultOf(state, story)
  // Whoever has something to see to gets the prompt back; the network stays.
  if (state.wasRunning || launch.isEmpty || state.missing.length + state.changed.length > 0) {
    if (!out.json)
      out.event({ type: 'fact', text: `The network keeps running. Stop it with \`${downOf(folder)}\`.` })
    return result
  }
  out.result(result)
  invocation.atInterrupt = null
  await untilTold(out, folder)
  await launch.end()
  return null
}

const downOf = (folder: NetworkFolder) =>
  folder.root === networkFolder('.xcare').root ? 'npx xcare down' : `npx xcare down --dir ${folder.root}`

/** Lets the network run until this command is told to end; a killed terminal leaves it running. */
async function untilTold(out: Output, folder: NetworkFolder): Promise<void> {
  const text = `The network keeps running. Stop it with Ctrl-C here, or with \`${downOf(folder)}\`.`
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
