import { asXcareError, type XcareError } from '../../errors.ts'
import { OBJECT_BYTES_MAX } from '../../limits.ts'
import type { Progress } from '../../ports.ts'
import { apart } from './apart/apart.ts'
import { ReportDraft } from './draft.ts'
import { fingerprintApart } from './machine/fingerprint.ts'
import { OtherLoad } from './machine/processes.ts'
import { BenchNetwork } from './network.ts'
import { assembleReport } from './report.ts'
import type { Machine, Report, Settings, StageOutcome } from './report-shape.ts'
import type { Bench, Stage } from './stage.ts'
import { amplification } from './stages/amplification.ts'
import { bundles } from './stages/bundles.ts'
import { codec } from './stages/codec.ts'
import { disk } from './stages/disk.ts'
import { indexRows } from './stages/index-rows.ts'
import { losses } from './stages/losses.ts'
import { passages } from './stages/passages.ts'
import { cuts, profiles } from './stages/profiles.ts'
import { repair } from './stages/repair.ts'
import { small, sweep } from './stages/small.ts'
import { wire } from './stages/wire.ts'
import { round } from './statistics.ts'
import { warmUpBytes } from './warm-up.ts'

const MIB = 1024 * 1024
/** Every stage there is, in the order they run; the last one kills nodes. */
const STAGES: readonly Stage[] = [
  apart(codec),
  apart(disk),
  apart(indexRows),
  apart(wire),
  passages,
  amplification,
  small,
  sweep,
  bundles,
  profiles,
  cuts,
  repair,
  losses,
]
const NETWORK_SECONDS = { quick: 12, full: 15 }
/** Beside the records themselves: small records, bundles, profiles, indexes and headers. */
const SPARE_DISK_BYTES = 1024 * MIB
const QUOTA_BYTES_MIN = 1024 * MIB

/** A run under way. */
export class BenchRun {
  readonly draft = new ReportDraft()
  readonly #settings: Settings
  readonly #progress: Progress
  readonly #network: BenchNetwork
  readonly #machine: Machine
  readonly #startedMs = performance.now()
  readonly #createdAt = new Date()
  readonly #stages: Stage[]
  #counts: Report['network'] = { nodes: 0, guardians: 0, anchors: 0, proxies: 0, processes: 1 }
  readonly #others = new OtherLoad()
  #othersBusyCores: number | null = null
  #networkProblem: XcareError | null = null
  readonly #stopping = new AbortController()

  private constructor(settings: Settings, network: BenchNetwork, machine: Machine, progress: Progress) {
    this.#settings = settings
    this.#network = network
    this.#machine = machine
    this.#progress = progress
    this.#stages = STAGES.filter(({ name }) => settings.stages.includes(name))
  }

  /** Looks at the machine and the disk, before anything else. @throws XcareError NO_SPACE */
  static async prepare(settings: Settings, diskFolder: string, progress: Progress): Promise<BenchRun> {
    const network = await BenchNetwork.layOut(diskFolder, settings.nodes, settings.seed)
    try {
      network.requireSpace(diskNeeded(settings))
      const machine = await fingerprintApart(network.scratch)
      progress({ type: 'bench-machine', ...machine })
      return new BenchRun(settings, network, machine, progress)
    } catch (error) {
      await network.end()
      throw error
    }
  }

  /** Runs every stage; one that fails is told of in the report. @param write called with the name of a stage when that has new figures. */
  async runAll(write: (stage: string) => Promise<void>): Promise<void> {
    for (const [at, stage] of this.#stages.entries()) {
      if (this.#stopping.signal.aborted) return
      this.#progress({
        type: 'bench-stage',
        at: at + 1,
        of: this.#stages.length,
        name: stage.name,
        title: stage.title,
        etaSeconds: this.#eta(at),
      })
      const outcome = await this.#runStage(stage, at, () => write(stage.name))
      if (this.#stopping.signal.aborted) return
      this.draft.stages.push(outcome)
      this.#progress({ type: 'bench-stage-done', ...outcome })
      await write(stage.name)
    }
  }

  /** Ends all processes and removes the folder; the stages that were not over are told of as left out. */
  async end(): Promise<void> {
    this.#stopping.abort()
    await this.#network.end()
  }

  /** The report of what is measured until now. */
  report(): Report {
    const told = new Set(this.draft.stages.map(({ name }) => name))
    const leftOut = this.#stages
      .filter(({ name }) => !told.has(name))
      .map((stage) =>
        outcomeOf(stage, 'left out', 0, {
          code: 'INTERRUPTED',
          message: 'the run was stopped before this stage was over',
        }),
      )
    return assembleReport({
      draft: this.draft,
      stages: [...this.draft.stages, ...leftOut],
      settings: this.#settings,
      machine: this.#machine,
      network: this.#counts,
      createdAt: this.#createdAt,
      seconds: (performance.now() - this.#startedMs) / 1000,
      othersBusyCores: this.#othersBusyCores,
    })
  }

  async #runStage(stage: Stage, at: number, checkpoint: () => Promise<void>): Promise<StageOutcome> {
    const start = performance.now()
    const seconds = () => round((performance.now() - start) / 1000)
    try {
      if (stage.needsNetwork) await this.#requireNetwork()
      await stage.run({ ...this.#benchFor(stage, at), checkpoint })
      this.#othersBusyCores = this.#others.cores(await this.#network.processes())
      return outcomeOf(stage, 'done', seconds(), null)
    } catch (error) {
      const known = asXcareError(error)
      const state = stage.needsNetwork && this.#networkProblem ? 'left out' : 'failed'
      return outcomeOf(stage, state, seconds(), known)
    }
  }

  #benchFor(stage: Stage, at: number): Omit<Bench, 'checkpoint'> {
    return {
      settings: this.#settings,
      draft: this.draft,
      network: this.#network,
      signal: this.#stopping.signal,
      progress: (share, text) =>
        this.#progress({
          type: 'bench-progress',
          name: stage.name,
          share: round(share),
          text,
          etaSeconds: this.#eta(at, share),
        }),
    }
  }

  /** Starts the network for the first stage that needs it; when that failed once, it is not tried again. */
  async #requireNetwork(): Promise<void> {
    if (this.#networkProblem) throw this.#networkProblem
    if (this.#counts.nodes > 0) return
    try {
      await this.#network.start(quotaNeeded(this.#settings), this.#progress)
    } catch (error) {
      this.#networkProblem = asXcareError(error)
      throw error
    }
    const { nodes, guardians, chain } = await this.#network.processes()
    const parts = { nodes: nodes.length, guardians: guardians.length, anchors: chain.length }
    const proxies = this.#settings.profile === 'loopback' ? 0 : 1
    this.#counts = {
      ...parts,
      proxies,
      processes: 1 + nodes.length + guardians.length + chain.length + proxies,
    }
  }

  /** Seconds that are left by the stages' own estimates, stretched by how much longer than estimated it took until here. */
  #eta(at: number, share = 0): number {
    const { mode } = this.#settings
    const needs = (stages: readonly Stage[]) => {
      const network = stages.some(({ needsNetwork }) => needsNetwork) ? NETWORK_SECONDS[mode] : 0
      return stages.reduce((sum, stage) => sum + stage.seconds[mode], network)
    }
    const all = needs(this.#stages)
    const done = needs(this.#stages.slice(0, at)) + this.#stages[at]!.seconds[mode] * share
    const took = (performance.now() - this.#startedMs) / 1000
    const stretch = done > 5 ? Math.max(0.5, took / done) : 1
    return Math.max(0, Math.round((all - done) * stretch))
  }
}

function outcomeOf(
  { name, title }: Stage,
  state: StageOutcome['state'],
  seconds: number,
  problem: { code: string; message: string } | null,
): StageOutcome {
  const message = problem ? problem.message.slice(0, 1000) : null
  return { name, title, state, seconds, code: problem?.code ?? null, message }
}

/** Bytes that a run writes to the disks of all nodes together, at most. */
function diskNeeded(settings: Settings): number {
  const { cells, repeats, nodes } = settings
  const put = cells.reduce((sum, { k, n, bytes }) => sum + dispersed(bytes, k, n) * repeats, 0)
  const largest = Math.max(
    ...cells.map(({ k, n, bytes }) => dispersed(Math.min(bytes, OBJECT_BYTES_MAX), k, n)),
  )
  const [{ k, n }] = settings.shapes as [Settings['shapes'][number]]
  // The first records, the loss stage, and a volume per node that is not full.
  return put + dispersed(warmUpBytes(settings), k, n) + 4 * largest + nodes * 16 * MIB + SPARE_DISK_BYTES
}

function quotaNeeded(settings: Settings): number {
  return Math.max(QUOTA_BYTES_MIN, Math.ceil((3 * diskNeeded(settings)) / settings.nodes))
}

/** With padding, heads of fragments and whole blocks. */
function dispersed(bytes: number, k: number, n: number): number {
  return Math.ceil(((bytes * n) / k) * 1.2)
}
