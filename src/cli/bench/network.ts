import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { XcareError } from '../../errors.ts'
import type { Progress } from '../../ports.ts'
import { systemClock } from '../../sdk/clock.ts'
import { LOCAL_SIZE } from '../../sdk/network/local-network.ts'
import { type NetworkFile, type NetworkFolder, networkFolder } from '../../sdk/network/network-folder.ts'
import { rolesOf } from '../../sdk/network/parts.ts'
import { startNetwork, stopNetwork } from '../../sdk/network/start-network.ts'
import { runningRole } from '../../sdk/roles/life.ts'
import { killProcess, type Role, startProcess } from '../../sdk/roles/processes.ts'
import { BenchClient } from './client.ts'
import { freeBytesOf } from './machine/fingerprint.ts'
import { NodeTurns } from './machine/node-turns.ts'
import { cpuSecondsBy, type Party, type Processes } from './machine/processes.ts'
import { sizeLabel } from './options.ts'
import { networkProfileNamed } from './proxy/profiles.ts'
import { ProxyProcess } from './proxy/proxy-process.ts'
import { endpointOf, isTcp } from './proxy/through-proxy.ts'

const SETTLED_LOAD = 0.2
const SETTLE_STEP_MS = 500
const PARTY_OF: Record<Role['kind'], Party> = { node: 'nodes', guardian: 'guardians', anchor: 'chain' }

/** A light node under measurement and the proxy that all its connections go through, if any. */
export interface Connected {
  client: BenchClient
  proxy: ProxyProcess | null
  profile: string
}

/** The network of one run: every part a process of its own, in a folder that is removed at the end. */
export class BenchNetwork {
  readonly scratch: string
  readonly folder: NetworkFolder
  readonly nodes: number
  /** What the network threads of the storage nodes do. */
  readonly turns: NodeTurns
  #file: NetworkFile | null = null
  #clients: Connected[] = []
  #seed: number
  #starting: Promise<unknown> = Promise.resolve()
  #ended: Promise<void> | null = null

  private constructor(scratch: string, nodes: number, seed: number) {
    this.scratch = scratch
    this.nodes = nodes
    this.#seed = seed
    this.folder = networkFolder(join(scratch, 'network'))
    this.turns = new NodeTurns(join(scratch, 'turns'))
  }

  /** Makes the folder below `disk`; starts nothing yet. */
  static async layOut(disk: string, nodes: number, seed: number): Promise<BenchNetwork> {
    return new BenchNetwork(await mkdtemp(join(disk, 'xcare-bench-')), nodes, seed)
  }

  /** @throws XcareError NO_SPACE when the disk has less than `bytes` free. */
  requireSpace(bytes: number): void {
    const free = freeBytesOf(this.scratch)
    if (free >= bytes) return
    throw new XcareError(
      'NO_SPACE',
      `this run needs ${sizeLabel(bytes)} of disk for a while, and ${this.scratch} has ${sizeLabel(free)}`,
      {
        next: 'choose another disk with --disk, or smaller sizes with --size, or fewer repeats with --repeat',
      },
    )
  }

  /** Starts all processes. @param quotaBytes of each node. */
  async start(quotaBytes: number, progress: Progress): Promise<void> {
    const size = { ...LOCAL_SIZE, nodes: this.nodes, quotaBytes }
    const starting = this.turns.around(() => startNetwork(this.folder, size, progress))
    this.#starting = starting
    this.#file = await starting
  }

  /** Opens a light node that reaches the network through a network profile, or finds the one that is open. */
  async connect(profileName: string, fragmentSize: number, transparent = false): Promise<Connected> {
    const name = transparent ? 'counted' : profileName
    const open = this.#clients.find(({ profile }) => profile === name)
    if (open) return open
    const profile = networkProfileNamed(profileName)
    const needsProxy = transparent || profile.name !== 'loopback'
    const proxy = needsProxy ? await ProxyProcess.start(profile, this.#seed) : null
    const connected: Connected = { client: null as unknown as BenchClient, proxy, profile: name }
    this.#clients.push(connected)
    connected.client = await BenchClient.open(this.folder, this.#network(), { name, proxy, fragmentSize })
    return connected
  }

  /** Closes a light node and its proxy. */
  async disconnect(connected: Connected): Promise<void> {
    this.#clients = this.#clients.filter((other) => other !== connected)
    await connected.client?.close()
    await connected.proxy?.stop()
  }

  /** Process numbers by party, this one as the client. */
  async processes(): Promise<Processes> {
    const found: Processes = { client: [process.pid], nodes: [], guardians: [], chain: [], proxy: [] }
    for (const role of await rolesOf(this.folder)) {
      const run = await runningRole(role.folder)
      if (run) found[PARTY_OF[role.kind]].push(run.pid)
    }
    for (const { proxy } of this.#clients) if (proxy) found.proxy.push(proxy.pid)
    return found
  }

  /** Waits until the network's processes together use less than a fifth of a core, at most `secondsMax`. */
  async untilSettled(secondsMax: number): Promise<void> {
    const processes = await this.processes()
    const used = () => {
      const cpu = cpuSecondsBy(processes)
      return cpu ? cpu.nodes + cpu.guardians + cpu.chain : 0
    }
    for (let waited = 0; waited < secondsMax * 1000; waited += SETTLE_STEP_MS) {
      const before = used()
      await systemClock.sleep(SETTLE_STEP_MS)
      if (used() - before < (SETTLED_LOAD * SETTLE_STEP_MS) / 1000) return
    }
  }

  /** Storage nodes by node id. */
  async nodesById(): Promise<Map<string, Role>> {
    const found = new Map<string, Role>()
    for (const role of await rolesOf(this.folder)) {
      const run = role.kind === 'node' ? await runningRole(role.folder) : null
      if (run) found.set(String(run.ready.nodeId), role)
    }
    return found
  }

  /** Where the storage nodes listen. */
  async nodeEndpoints(): Promise<{ ip: string; port: number }[]> {
    const found: { ip: string; port: number }[] = []
    for (const role of await rolesOf(this.folder)) {
      const run = role.kind === 'node' ? await runningRole(role.folder) : null
      if (run) found.push(...(run.ready.addresses as string[]).filter(isTcp).slice(0, 1).map(endpointOf))
    }
    return found
  }

  /** Ends nodes as a power cut would. */
  async kill(roles: Role[]): Promise<void> {
    for (const role of roles) await killProcess(role)
  }

  /** Ends a node, removes its disk and starts it again with an empty one; its keys and its port stay. */
  async loseDisk(role: Role): Promise<void> {
    await this.kill([role])
    await rm(join(role.folder, 'data'), { recursive: true })
    await this.restart([role])
  }

  /** Starts killed nodes again. */
  async restart(roles: Role[]): Promise<void> {
    await Promise.all(roles.map((role) => startProcess(role)))
  }

  /** Ends every process and removes the folder; does no harm when called again. */
  end(): Promise<void> {
    this.#ended ??= this.#end()
    return this.#ended
  }

  async #end(): Promise<void> {
    // A process that is only just starting could not be found.
    await Promise.allSettled([this.#starting])
    const clients = this.#clients
    this.#clients = []
    await Promise.allSettled(clients.map(({ client }) => client?.close()))
    await Promise.allSettled(clients.map(({ proxy }) => proxy?.stop()))
    try {
      await stopNetwork(this.folder)
    } finally {
      await rm(this.scratch, { recursive: true, force: true, maxRetries: 3 })
    }
  }

  #network(): NetworkFile {
    if (this.#file) return this.#file
    throw new XcareError('NOT_INITIALISED', 'the network of this run has not started')
  }
}
