import type { Command } from 'commander'
import { XcareError } from '../../errors.ts'
import { bundledBytes } from '../../fragment/bundle.ts'
import { type Profile, profileNamed } from '../../fragment/profile.ts'
import { loadRecord, putLoadedBundle, putRecord, type StoredRecord } from '../../light-node/put-record.ts'
import type { Progress } from '../../ports.ts'
import { systemClock } from '../../sdk/clock.ts'
import type { LightNode } from '../../sdk/open-light-node.ts'
import { type LeftOut, type PutJob, putJobs } from '../files/put-jobs.ts'
import { action, type Invocation, partial } from '../invocation.ts'
import { withLightNode } from '../light-node.ts'

/** Nodes are told within seconds; who is not reached by then is told by the next command. */
const UNDO_MS_MAX = 15_000

interface PutOptions {
  profile: string
  bundle?: boolean
  name?: string
}

/** Adds `put`: stores files as records. */
export function addPutCommand(program: Command): void {
  program
    .command('put')
    .description('store files as records, one each; a folder, or with --bundle all files, in one bundle')
    .argument('<file...>', 'files, pipes or folders; - for the standard input')
    .option('--profile <name>', 'grid, open, deep, or K/N', 'grid')
    .option('--bundle', 'pack all files in one object; each can be read by itself')
    .option('--name <name>', 'what to call the record or the bundle')
    .action(action(put))
}

async function put(
  invocation: Invocation,
  files: string[],
  options: PutOptions,
): Promise<Record<string, unknown>> {
  const profile = profileNamed(options.profile)
  const { jobs, leftOut } = await putJobs(files, options)
  for (const left of leftOut) tellLeftOut(invocation, left)
  for (const { renamed } of jobs)
    for (const { file, name } of renamed) invocation.out.event({ type: 'stored-as', file, name })
  const signal = untilInterrupted(invocation)
  return withLightNode(
    invocation,
    async (node) => {
      const all = { bytes: 0, of: jobs.reduce((sum, job) => sum + bytesOf(job), 0) }
      const run: Run = { invocation, node, profile, stored: [], leftOut: [...leftOut], stopped: null }
      for (const [at, job] of jobs.entries()) {
        if (jobs.length > 1) run.node = counted(node, all, at, jobs.length)
        await store(run, job)
        all.bytes += bytesOf(job)
      }
      return resultOf(run)
    },
    { signal },
  )
}

/**
 * Ctrl-C ends the put under way, which then removes what it sent; the process waits for that, not for ever.
 */
function untilInterrupted(invocation: Invocation): AbortSignal {
  const over = new AbortController()
  invocation.atInterrupt = async () => {
    over.abort()
    // The command ends by itself before that, with its own words.
    await systemClock.sleep(UNDO_MS_MAX)
  }
  return over.signal
}

/** @returns the node with progress that also tells how far all records together are. */
function counted(
  node: LightNode,
  all: { bytes: number; of: number },
  at: number,
  records: number,
): LightNode {
  const { progress } = node.ports
  const tell: Progress = (event) =>
    progress(
      event.type === 'put-progress'
        ? { ...event, record: at + 1, records, allBytes: all.bytes + Number(event.bytes), allOf: all.of }
        : event,
    )
  return { ...node, ports: { ...node.ports, progress: tell } }
}

function bytesOf(job: PutJob): number {
  return job.kind === 'record'
    ? job.source.length
    : job.sources.reduce((sum, source) => sum + bundledBytes(source), 0)
}

interface Run {
  invocation: Invocation
  node: LightNode
  profile: Profile
  stored: StoredRecord[]
  leftOut: LeftOut[]
  /** What ended it all; the files after it are not tried. */
  stopped: XcareError | null
}

async function store(run: Run, job: PutJob): Promise<void> {
  if (run.stopped) {
    run.leftOut.push(...job.files.map((file) => ({ file, error: run.stopped! })))
    return
  }
  try {
    const record = job.kind === 'record' ? await storeRecord(run, job) : await storeBundle(run, job)
    if (!record) return
    run.stored.push(record)
    run.invocation.out.event({ type: 'stored', ...factsOf(record) })
  } catch (cause) {
    if (!(cause instanceof XcareError)) throw cause
    const isOfThisFile = cause.code === 'FILE_UNREADABLE' || cause.code === 'USAGE'
    if (!isOfThisFile) run.stopped = cause
    for (const file of job.files) leave(run, { file, error: cause })
  }
}

function storeRecord({ node, profile }: Run, { source }: PutJob & { kind: 'record' }) {
  return putRecord(node.ports, source, profile)
}

/** One file after the other is opened: there may be more of them than may be open. */
async function storeBundle(
  run: Run,
  { name, sources, files }: PutJob & { kind: 'bundle' },
): Promise<StoredRecord | null> {
  const records = []
  for (const [at, source] of sources.entries())
    try {
      records.push(await loadRecord(source))
    } catch (cause) {
      if (!(cause instanceof XcareError) || cause.code !== 'FILE_UNREADABLE') throw cause
      leave(run, { file: files[at]!, error: cause })
    }
  return records.length === 0 ? null : putLoadedBundle(run.node.ports, name, records, run.profile)
}

function leave(run: Run, left: LeftOut): void {
  run.leftOut.push(left)
  tellLeftOut(run.invocation, left)
}

function tellLeftOut({ out }: Invocation, { file, error: { code, message } }: LeftOut): void {
  out.event({ type: 'not-stored', file, code, message })
}

function resultOf({ stored, leftOut, stopped }: Run): Record<string, unknown> {
  const told = { objects: stored.map(factsOf) }
  if (leftOut.length === 0) return told
  if (stopped?.code === 'INTERRUPTED') throw stopped
  if (stored.length === 0) throw stopped ?? leftOut[0]!.error
  const missing = leftOut.map(({ file }) => file)
  return partial(
    { ...told, missing },
    `${missing.length} ${missing.length === 1 ? 'file is' : 'files are'} not stored: ${missing.slice(0, 5).join(', ')}${missing.length > 5 ? ' and others' : ''}`,
    stopped?.next ?? undefined,
  )
}

/** What the events and the result say of a stored record. */
export function factsOf({ objectId, bytes, name, parts, weakest }: StoredRecord): Record<string, unknown> {
  return {
    objectId,
    bytes,
    name,
    ...(parts.length > 0 ? { parts } : {}),
    columns: weakest.columns,
    columnsOf: weakest.columnsOf,
    nines: Math.floor(weakest.durability.nines * 10) / 10,
    custodians: weakest.custodians,
    custodiansOf: weakest.custodiansOf,
  }
}
