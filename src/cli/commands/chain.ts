import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline/promises'
import type { Command } from 'commander'
import { chainEnd } from '../../anchor-node/chain-end.ts'
import { fromHex, toHex } from '../../bytes.ts'
import { timeToMs } from '../../chain-anchor/comet/time.ts'
import type { LightBlock } from '../../chain-anchor/comet/types.ts'
import { offeredBlock } from '../../chain-anchor/light/offered-block.ts'
import { rpcProvider } from '../../chain-anchor/light/rpc-provider.ts'
import { inWords } from '../../chain-anchor/light/verifier.ts'
import { asXcareError, XcareError } from '../../errors.ts'
import { readNetworkView } from '../../light-node/network-view.ts'
import { HEADER_AGE_MS_MAX } from '../../limits.ts'
import { systemClock } from '../../sdk/clock.ts'
import { openFolder } from '../../sdk/folder.ts'
import { askEndpoints } from '../../sdk/network/endpoints.ts'
import {
  lightFolderOf,
  type NetworkFile,
  networkFolder,
  readNetworkFile,
} from '../../sdk/network/network-folder.ts'
import { openNetworkLedger } from '../../sdk/network/network-ledger.ts'
import {
  type ChainMemory,
  chainMemories,
  newestRemembered,
  rememberedBy,
  trustBlock,
} from '../../sdk/network/remembered-chain.ts'
import { action, type Invocation } from '../invocation.ts'

interface TrustOptions {
  restored?: boolean
  part?: string
  yes?: boolean
}

/** Adds `chain status`: the newest header, verified here from the trusted one. */
export function addChainCommands(program: Command): void {
  program
    .command('chain')
    .description('the anchoring chain')
    .command('status')
    .description('newest header, verified by a light client of your own')
    .action(action(chainStatus))
}

/**
 * Adds `light status` and `light trust`: what is believed of the chain here, and a person's word for another
 * block.
 */
export function addLightCommands(program: Command): void {
  const light = program.command('light').description('what this machine believes of the chain, and why')
  light
    .command('status')
    .description('the newest block that each part and wallet here has verified')
    .action(action(status))
  light
    .command('trust [height] [hash]')
    .description(
      'take a block on your word, where nothing can prove it any more; says what that costs and asks',
    )
    .option(
      '--restored',
      'the newest block of the stopped chain in this folder, after it was put back from a copy',
    )
    .option('--part <folder>', 'for one part of the network only, in its own folder')
    .option('--yes', 'do not ask')
    .action(action(trust))
}

async function chainStatus({ dir }: Invocation): Promise<Record<string, unknown>> {
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

async function status({ dir, out }: Invocation): Promise<Record<string, unknown>> {
  const folder = networkFolder(dir)
  const network = await readNetworkFile(folder.root)
  for (const memory of await chainMemories(folder)) {
    const block = await rememberedBy(memory, network.network)
    const fields = block && fieldsOf(block)
    const known = fields
      ? `block ${fields.height} of ${fields.time}, ${fields.hash.slice(0, 16)}…`
      : 'nothing yet'
    out.event({ type: 'light', name: memory.name, ...fields, text: `  ${memory.name}: ${known}` })
  }
  for (const { url, height } of await askEndpoints(network))
    out.event({
      type: 'light',
      url,
      height,
      text: `  ${url} says: ${height === null ? 'nothing' : `block ${height}`}`,
    })
  const { height, hash } = network.trust
  return {
    network: network.network,
    trust: network.trust,
    text: `Trusted from the start: block ${height}, hash ${hash}.`,
  }
}

async function trust(
  { dir, out }: Invocation,
  height: string | undefined,
  hash: string | undefined,
  options: TrustOptions,
): Promise<Record<string, unknown>> {
  const folder = networkFolder(dir)
  const network = await readNetworkFile(folder.root)
  const wanted = wantedOf(height, hash)
  const block = options.restored ? restored(folder.anchor, network) : await offered(network, wanted)
  const memories: ChainMemory[] = options.part
    ? [{ name: 'this part', folder: join(resolve(options.part), 'light') }]
    : await chainMemories(folder)
  const known = options.part
    ? await knownBy(memories[0]!, network)
    : await newestRemembered(folder, network.network)
  const fields = fieldsOf(block)
  out.event({
    type: 'light',
    ...fields,
    known: known && { height: known.height, hash: toHex(known.hash), by: known.by },
    text: riskOf(block, known),
  })
  if (!options.yes && !(await agrees(`Take block ${fields.height} for the truth? [y/N] `)))
    throw new XcareError('USAGE', 'nothing was changed')
  await trustBlock(memories, block)
  return {
    ...fields,
    memories: memories.map(({ name }) => name),
    text: `${memories.length === 1 ? memories[0]!.name : `${memories.length} parts and wallets here`} now begin at block ${fields.height}. Parts that run must be started again: \`npx xcare down\`, then \`npx xcare up\`.`,
  }
}

function wantedOf(height: string | undefined, hash: string | undefined) {
  if (height === undefined) return { height: null, hash: null }
  if (!/^[1-9]\d{0,14}$/.test(height) || !/^[0-9a-fA-F]{64}$/.test(hash ?? ''))
    throw new XcareError(
      'USAGE',
      'a block is named by its height and the 64 hexadecimal digits of its hash',
      {
        next: '`npx xcare light trust` alone shows the newest one',
      },
    )
  return { height: Number(height), hash: fromHex(hash!.toLowerCase()) }
}

/** The block asked for, from the first endpoint that has it. @throws XcareError the first failure */
async function offered(
  { rpc, network }: NetworkFile,
  { height, hash }: ReturnType<typeof wantedOf>,
): Promise<LightBlock> {
  const failures: XcareError[] = []
  for (const url of rpc)
    try {
      return await offeredBlock(rpcProvider(url, systemClock), network, height, hash)
    } catch (error) {
      failures.push(asXcareError(error))
    }
  throw failures.find(({ code }) => code === 'INTEGRITY') ?? failures[0]!
}

function restored(anchor: string, { network }: NetworkFile): LightBlock {
  const block = chainEnd(anchor)
  if (block?.header.chainId === network) return block
  throw new XcareError('NOT_INITIALISED', `there is no chain of network ${network} in ${anchor}`, {
    next: 'name the folder of the network whose chain was put back with --dir',
  })
}

async function knownBy(memory: ChainMemory, { network }: NetworkFile) {
  const block = await rememberedBy(memory, network)
  return block && { height: block.header.height, hash: block.commit.blockId.hash, by: memory.name }
}

function fieldsOf({ header, commit }: LightBlock) {
  const time = new Date(timeToMs(header.time)).toISOString()
  return { height: header.height, hash: toHex(commit.blockId.hash), time }
}

function riskOf(block: LightBlock, known: { height: number; by: string } | null): string {
  const { height, hash, time } = fieldsOf(block)
  const age = inWords(systemClock.nowMs() - timeToMs(block.header.time))
  const lines = [`Block ${height}, made ${time} (${age} ago)`, `  hash ${hash}`]
  if (known && known.height > height)
    lines.push(
      `  ${known.by} has verified block ${known.height}: what happened in the ${known.height - height} blocks between is given up.`,
      '  Permissions taken back in them hold again until their owners send that again (each wallet does when it is next used);',
      '  records put in them are no longer on the chain, records removed in them are there again.',
    )
  else if (known)
    lines.push(
      `  ${known.by} has verified block ${known.height} before; nothing proves here that this one follows from it.`,
    )
  lines.push(
    '  Whoever gives you a made-up chain can show you permissions, removals and guardians that are not true.',
    '  Compare the hash with an institution that runs this network, by telephone or in person, not over this connection.',
  )
  return lines.join('\n')
}

async function agrees(question: string): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new XcareError('USAGE', 'there is no terminal to ask on', {
      next: 'compare the hash, then say so with --yes',
    })
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await terminal.question(question)).trim())
  } finally {
    terminal.close()
  }
}
