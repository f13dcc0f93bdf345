import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import type { Command } from 'commander'
import { asXcareError } from '../../errors.ts'
import type { PeerAddress } from '../../ports.ts'
import { openFolder } from '../../sdk/folder.ts'
import { type ContributedNode, contributedNodes } from '../../sdk/network/contributed.ts'
import { askEndpoints, type EndpointAnswer } from '../../sdk/network/endpoints.ts'
import {
  lightFolderOf,
  type NetworkFile,
  type NetworkFolder,
  networkFolder,
  readNetworkFile,
} from '../../sdk/network/network-folder.ts'
import { openNetworkLedger } from '../../sdk/network/network-ledger.ts'
import { findParts, type Parts, partName } from '../../sdk/network/parts.ts'
import { lifeOf } from '../../sdk/roles/life.ts'
import { type DiskHealth, diskHealth } from '../../sdk/roles/node-health.ts'
import type { Role } from '../../sdk/roles/processes.ts'
import { lastFailure } from '../../sdk/roles/role.ts'
import { action, type Invocation } from '../invocation.ts'
import { ageText, shortId } from '../sentences.ts'

/** Adds `status`: which parts of the network run, and what that means for records. */
export function addStatusCommand(program: Command): void {
  program
    .command('status')
    .description('what runs here and whether records can be put and read')
    .action(action(status, 'shows'))
}

interface PartStatus {
  kind: Role['kind']
  name: string
  folder: string
  running: boolean
  pid: number | null
  nodeId?: string
  /** Why it does not run, where that is known. */
  why: string | null
}

async function status({ dir, out }: Invocation): Promise<Record<string, unknown>> {
  const folder = networkFolder(dir)
  const network = await readNetworkFile(folder.root)
  const found = await findParts(folder)
  const parts = await Promise.all(found.roles.map(partStatus))
  for (const part of parts) {
    out.event({ type: 'part', ...part })
    if (part.why !== null) out.event({ type: 'fact', text: part.why })
  }
  for (const text of oddities(found)) out.event({ type: 'warning', text })
  const endpoints = await askEndpoints(network)
  const contributed = await contributedOf(folder, network, endpoints, parts)
  for (const node of contributed ?? []) out.event({ type: 'fact', ...node, text: contributedLine(node) })
  const count = (kind: string) => ({
    running: parts.filter((part) => part.kind === kind && part.running).length,
    of:
      parts.filter((part) => part.kind === kind).length +
      found.gone.filter((part) => part.kind === kind).length,
  })
  const facts: Facts = {
    network: network.network,
    anchor: parts.some((part) => part.kind === 'anchor' && part.running),
    nodes: count('node'),
    guardians: count('guardian'),
    contributed: contributed && {
      answering: contributed.filter(({ answers }) => answers).length,
      of: contributed.length,
    },
    endpoints,
    disks: await disksOf(parts),
  }
  const hasChain = existsSync(folder.anchor)
  return {
    ...facts,
    consensus: 'single-process (not fault tolerant)',
    parts,
    text: hasChain ? localText(facts, folder) : elsewhereText(facts),
  }
}

interface Facts {
  network: string
  anchor: boolean
  nodes: { running: number; of: number }
  guardians: { running: number; of: number }
  /** Nodes of others; null when the chain could not be asked. */
  contributed: { answering: number; of: number } | null
  endpoints: EndpointAnswer[]
  /** What the running storage nodes say of their disks. */
  disks: DiskHealth
}

function disksOf(parts: PartStatus[]): Promise<DiskHealth> {
  const running = parts.filter(({ kind, running: runs, nodeId }) => kind === 'node' && runs && nodeId)
  return diskHealth(running as unknown as PeerAddress[])
}

/** One line about what the disks say, or none when there is nothing on them. */
function diskText({ damaged, unreadSinceMs }: DiskHealth): string {
  const rot =
    damaged > 0
      ? `\n  ${damaged} fragments are damaged on their disks: \`npx xcare repair\` makes those of your records again`
      : ''
  const read =
    unreadSinceMs > 0
      ? `\n  every fragment was read from its disk within ${ageText(Date.now() - unreadSinceMs)}`
      : ''
  return rot + read
}

async function partStatus(role: Role): Promise<PartStatus> {
  const life = await lifeOf(role.folder)
  const running = life.state === 'runs' || life.state === 'held'
  const failure = running ? null : await lastFailure(role.folder)
  const ready = life.state === 'runs' ? life.run.ready : {}
  return {
    kind: role.kind,
    name: role.kind === 'anchor' ? 'anchor' : basename(role.folder),
    folder: role.folder,
    running,
    pid: life.state === 'stopped' ? null : (life.process?.pid ?? null),
    ...factsOf(ready),
    why:
      life.state === 'starting'
        ? 'it is starting'
        : failure &&
          `did not start at ${timeOf(failure.atMs)}: ${failure.message}${failure.next ? `\n  next: ${failure.next}` : ''}`,
  }
}

const timeOf = (ms: number) => new Date(ms).toISOString().slice(0, 16).replace('T', ' ')

function factsOf({ nodeId, addresses, rpcUrl }: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries({ nodeId, addresses, rpcUrl }).filter(([, value]) => value !== undefined),
  )
}

function oddities({ gone, copies, strangers }: Parts): string[] {
  return [
    ...gone.map((role) => `${partName(role)} is gone: there is no folder ${role.folder}`),
    ...copies.map(
      ({ folder }) => `${folder} is a copy of a part that is there; it is not started. Keep copies elsewhere`,
    ),
    ...strangers.map((path) => `${path} is no part of the network; it is left alone`),
  ]
}

/** Nodes of others are on the chain only: when it does not answer, nothing is known of them. */
async function contributedOf(
  folder: NetworkFolder,
  network: NetworkFile,
  endpoints: EndpointAnswer[],
  parts: PartStatus[],
): Promise<ContributedNode[] | null> {
  if (endpoints.every(({ height }) => height === null)) return null
  const own = new Set(parts.map(({ nodeId }) => nodeId).filter((id) => id !== undefined))
  try {
    const ledger = await openNetworkLedger(network, await openFolder(lightFolderOf(folder)))
    const stopped = parts.filter((part) => part.kind === 'node' && part.nodeId === undefined).length
    const others = await contributedNodes(ledger, own)
    // Own nodes that are down are on the chain as well, and have been told above.
    return stopped > 0 ? others.filter(({ answers }) => answers) : others
  } catch (error) {
    if (asXcareError(error).code === 'INTERNAL') throw error
    return null
  }
}

function contributedLine({ nodeId, institution, region, answers }: ContributedNode): string {
  return `${answers ? 'up' : 'does not answer'}: storage node ${shortId(nodeId)} of "${institution}" (${region}), contributed`
}

function localText({ nodes, guardians, anchor, contributed, disks }: Facts, folder: NetworkFolder): string {
  const upHere = `npx xcare up --dir ${folder.root}`
  const more =
    contributed && contributed.of > 0
      ? `, ${contributed.answering} of ${contributed.of} contributed ones answer`
      : ''
  const parts = `${nodes.running} of ${nodes.of} storage nodes and ${guardians.running} of ${guardians.of} guardians are up${more}`
  if (!anchor) return `${parts}. The chain is DOWN: nothing can be read or stored.\n  next: ${upHere}`
  if (nodes.running + guardians.running < nodes.of + guardians.of)
    return `${parts}.\n  next: ${upHere} starts what is missing, and says why what cannot be started is`
  if (disks.damaged > 0) return `${parts}.${diskText(disks)}`
  return `All is well: ${parts}.${diskText(disks)}`
}

/** A folder that only knows a network starts nothing: whoever has the chain does. */
function elsewhereText({ network, endpoints, contributed }: Facts): string {
  const lines = endpoints.map(({ url, height }) =>
    height === null ? `${url} does not answer for it` : `${url} answers, at block ${height}`,
  )
  const isUp = endpoints.some(({ height }) => height !== null)
  const nodes = contributed ? ` ${contributed.answering} of ${contributed.of} storage nodes answer.` : ''
  const verdict = isUp
    ? `Records can be stored and read from here.${nodes}`
    : 'Nothing can be stored or read until an endpoint answers; whoever runs the network can start it.'
  return `This folder knows the network ${network}, whose chain is elsewhere.\n  ${lines.join('\n  ')}\n  ${verdict}`
}
