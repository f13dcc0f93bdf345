import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { SystemEntry } from './catalogue.ts'
import { cpuSecondsOf, machineCpuSeconds } from './processes.ts'
import { benchFile, type Program, startProgram } from './program.ts'
import { interleaved } from './statistics.ts'
import { type Workload, writeWorkload } from './workload.ts'

const START_MS = 300_000
const PASSAGE_MS = 300_000
const LOAD_MS = 60_000
/** Of one uncounted pass, at most. */
const WARM_UP_BYTES = 64 * 1024 * 1024
/** For systems that need next to no time for one. */
const WARM_UP_PASSES_MAX = 100
const QUIET_CORES = 0.2
const QUIET_STEP_MS = 300
/** After a start; and before each put. */
const QUIET_STEPS_MAX = { start: 100, put: 10 }

/** One put or get. */
export interface Passage {
  seconds: number
  /** User and system time of all processes of the system. */
  cpuSeconds: number
  /** Cores the rest of the machine used meanwhile; null where the system does not tell. */
  otherCores: number | null
}

/** One object put and got again. `verified` is whether exactly the bytes that were put came back. */
export interface Sample {
  /** User data. */
  bytes: number
  put: Passage
  get: Passage
  verified: boolean
}

/** What is put and got: one object of `bytes`, or records of `recordBytes` each, `bytes` in all. */
export interface Load {
  name: string
  bytes: number
  recordBytes: number | null
}

/** A row to be: a system in one variant. */
export interface Subject {
  entry: SystemEntry
  variant: string
}

/** All samples of one subject under one load; `failure` says why there are none or not all. */
export interface Series {
  system: string
  variant: string
  load: string
  samples: Sample[]
  failure: string | null
}

/** How to measure. */
export interface MeasureOptions {
  scratch: string
  tools: string
  loads: Load[]
  repeats: number
  /** A subject that has used so many seconds for one load is not run again under it. */
  budgetSeconds: number
  /** Uncounted passes of a subject go on until it has worked so long. */
  warmUpSeconds: number
  seed: string
  tell: (text: string) => void
}

interface Running {
  entry: SystemEntry
  version: string
  writer: Program
  reader: Program
}

/** What came of all systems. */
export interface Measured {
  series: Series[]
  versions: Record<string, string>
  /** Systems that did not start, and why. */
  failed: Record<string, string>
}

/** Starts all systems, runs every load on all of them in turns, and stops them again, whatever happens. */
export async function measureSystems(entries: SystemEntry[], options: MeasureOptions): Promise<Measured> {
  const running: Running[] = []
  const measured: Measured = { series: [], versions: {}, failed: {} }
  try {
    for (const entry of entries) {
      options.tell(`starting ${entry.name}`)
      try {
        const system = await startSystem(entry, options)
        running.push(system)
        rest(system)
        measured.versions[entry.id] = system.version
      } catch (error) {
        measured.failed[entry.id] = reasonOf(error)
      }
    }
    await quiet(running, QUIET_STEPS_MAX.start)
    for (const [at, load] of options.loads.entries()) {
      const isFirst = options.loads.findIndex((one) => isRecords(one) === isRecords(load)) === at
      if (isFirst) await warmUp(running, load, options)
      measured.series.push(...(await measureLoad(running, load, options)))
    }
  } finally {
    await Promise.all(running.map(endSystem))
  }
  return measured
}

async function startSystem(entry: SystemEntry, { scratch, tools }: MeasureOptions): Promise<Running> {
  const folder = (role: string) => join(scratch, `${entry.id}-${role}`)
  const file = benchFile(entry.program)
  const writer = startProgram(file, folder('writer'))
  const { variants } = entry
  let reader = writer
  try {
    const start = { do: 'start', scratch: folder('writer'), tools, variants, peer: null } as const
    const { version = '', address = null } = await writer.ask(start, START_MS)
    if (entry.hasOwnReader) {
      reader = startProgram(file, folder('reader'))
      await reader.ask({ ...start, scratch: folder('reader'), peer: address }, START_MS)
    }
    return { entry, version, writer, reader }
  } catch (error) {
    await Promise.all([writer.end(), reader.end()])
    throw error
  }
}

async function endSystem({ writer, reader }: Running): Promise<void> {
  await writer.end()
  if (reader !== writer) await reader.end()
}

function subjectsOf(running: Running[]): { system: Running; variant: string }[] {
  return running.flatMap((system) => system.entry.variants.map((variant) => ({ system, variant })))
}

function isRecords({ recordBytes }: Load): boolean {
  return recordBytes !== null
}

async function measureLoad(running: Running[], load: Load, options: MeasureOptions): Promise<Series[]> {
  const subjects = subjectsOf(running)
  const series = new Map(
    subjects.map((subject) => [
      subject,
      seriesOf({ entry: subject.system.entry, variant: subject.variant }, load),
    ]),
  )
  const rounds = interleaved(subjects, options.repeats)
  for (const [round, order] of rounds.entries()) {
    let workload: Workload | null = null
    const seed = `${options.seed} ${load.name} ${round}`
    for (const subject of order) {
      const one = series.get(subject)!
      if (one.failure !== null || isSpent(one, options.budgetSeconds)) continue
      const { entry } = subject.system
      options.tell(`${load.name}, round ${round + 1} of ${options.repeats}: ${entry.name} ${subject.variant}`)
      try {
        const bytes = bytesFor(entry, load)
        if (workload?.bytes !== bytes)
          workload = await writeWorkload(join(options.scratch, 'workload'), bytes, seed)
        await quiet(running, QUIET_STEPS_MAX.put)
        one.samples.push(await sample(subject.system, subject.variant, workload, load.recordBytes))
      } catch (error) {
        one.failure = reasonOf(error)
      }
      rest(subject.system)
    }
  }
  return [...series.values()]
}

/** The same bytes for all, or the first of them for a system that takes long for each record. */
function bytesFor(
  { recordsMax = Number.POSITIVE_INFINITY }: SystemEntry,
  { bytes, recordBytes }: Load,
): number {
  return recordBytes === null ? bytes : Math.min(bytes, recordsMax * recordBytes)
}

/** Uncounted passes before the first load of its kind, by the same rule for all systems: code is compiled, connections are open. */
async function warmUp(running: Running[], load: Load, options: MeasureOptions): Promise<void> {
  for (const { system, variant } of subjectsOf(running)) {
    options.tell(`${load.name}, warm-up: ${system.entry.name} ${variant}`)
    // What fails now fails again when it counts, and is told then.
    await warmUpOne(system, variant, load, options).catch(() => {})
    rest(system)
  }
}

async function warmUpOne(
  system: Running,
  variant: string,
  load: Load,
  { scratch, seed, warmUpSeconds }: MeasureOptions,
): Promise<void> {
  const bytes = Math.min(WARM_UP_BYTES, bytesFor(system.entry, load))
  let worked = 0
  for (let pass = 0; pass === 0 || (worked < warmUpSeconds && pass < WARM_UP_PASSES_MAX); pass++) {
    const bytesSeed = `${seed} ${load.name} warm-up ${variant} ${pass}`
    const workload = await writeWorkload(join(scratch, 'workload'), bytes, bytesSeed)
    const { put, get } = await sample(system, variant, workload, load.recordBytes)
    worked += put.seconds + get.seconds
  }
}

function seriesOf({ entry, variant }: Subject, load: Load): Series {
  return { system: entry.id, variant, load: load.name, samples: [], failure: null }
}

function isSpent({ samples }: Series, budgetSeconds: number): boolean {
  return samples.reduce((sum, { put, get }) => sum + put.seconds + get.seconds, 0) > budgetSeconds
}

async function sample(
  { writer, reader }: Running,
  variant: string,
  { path, bytes, digest }: Workload,
  recordBytes: number | null,
): Promise<Sample> {
  const roots = [...new Set([...writer.roots, ...reader.roots])]
  await writer.ask({ do: 'load', path, recordBytes, sink: reader === writer }, LOAD_MS)
  if (reader !== writer) await reader.ask({ do: 'load', path, recordBytes, sink: true }, LOAD_MS)
  flush(path)
  let token = ''
  const put = await passage(roots, async () => {
    const answer = await writer.ask({ do: 'put', variant }, PASSAGE_MS)
    token = answer.token!
    return answer.seconds!
  })
  flush(path)
  const get = await passage(
    roots,
    async () => (await reader.ask({ do: 'get', variant, token }, PASSAGE_MS)).seconds!,
  )
  const back = await reader.ask({ do: 'digest' }, LOAD_MS)
  return { bytes, put, get, verified: back.digest === digest }
}

async function passage(roots: number[], work: () => Promise<number>): Promise<Passage> {
  const ownBefore = cpuSecondsOf(roots)
  const allBefore = machineCpuSeconds()
  const start = performance.now()
  const seconds = await work()
  const elapsed = (performance.now() - start) / 1000
  const cpuSeconds = cpuSecondsOf(roots) - ownBefore
  const all = machineCpuSeconds()
  const others =
    all === null || allBefore === null ? null : Math.max(0, (all - allBefore - cpuSeconds) / elapsed)
  return { seconds, cpuSeconds, otherCores: others }
}

/** Writes back what the last run left in memory, so that the next one does not pay for it. */
function flush(path: string): void {
  spawnSync('sync', ['-f', path])
}

/** Keeps a system that works without being asked from taking part of the machine from the others. */
function rest({ entry, writer, reader }: Running): void {
  if (!entry.isNeverIdle) return
  writer.pause()
  if (reader !== writer) reader.pause()
}

/** Waits until the systems together use less than a fifth of a core: they get to know each other after a start, and tidy up after a put. */
async function quiet(running: Running[], stepsMax: number): Promise<void> {
  const roots = running.flatMap(({ writer, reader }) => [...writer.roots, ...reader.roots])
  for (let step = 0; step < stepsMax; step++) {
    const before = cpuSecondsOf(roots)
    await new Promise((resolve) => setTimeout(resolve, QUIET_STEP_MS))
    if (cpuSecondsOf(roots) - before < (QUIET_CORES * QUIET_STEP_MS) / 1000) return
  }
}

/** @returns the first line of what went wrong, for a table. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.split('\n')[0]!.slice(0, 200)
}
