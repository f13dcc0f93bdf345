import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fingerprint } from '../src/cli/bench/machine/fingerprint.ts'
import { SYSTEMS, type SystemEntry, type Tool } from './harness/catalogue.ts'
import { absenceOf, install } from './harness/install.ts'
import { KERNELS, measureKernels } from './harness/kernels.ts'
import { LIMITS, measureLimits } from './harness/limits.ts'
import { toMarkdown, withResults } from './harness/markdown.ts'
import { type Load, measureSystems } from './harness/measure.ts'
import { type BenchOptions, bytesOf, readOptions, USAGE } from './harness/options.ts'
import { benchFile, endPrograms } from './harness/program.ts'
import type { Report } from './harness/report.ts'

const RECORD_BYTES = 2048
const INTERRUPTED_CODE = 130
const GROUPS = ['limits', 'kernels']
const EVERY_TOOL: Tool[] = ['packages', 'isal', 'python', 'kubo', 'minio']
const README = benchFile('README.md')
/** Outside of what the project's own checks look at, and ignored by git. */
const TOOLS = benchFile('../bench-report/tools')

async function main(options: BenchOptions): Promise<void> {
  const known = [...SYSTEMS.map(({ id }) => id), ...GROUPS]
  const strange = options.only.filter((id) => !known.includes(id))
  if (strange.length > 0) throw new RangeError(`--only knows ${known.join(', ')}, not ${strange.join(', ')}`)
  const machine = fingerprint(tmpdir())
  const loadAtStart = loadavg()
  await install(options.install ? EVERY_TOOL : ['packages'], TOOLS, tell)
  const scratch = mkdtempSync(join(tmpdir(), 'xcare-peers-'))
  let ending: Promise<never> | null = null
  // A signal may come twice, from the terminal and from whoever started us.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => (ending ??= interrupted(scratch)))
  try {
    const report = await measure(options, scratch, { machine, loadAtStart })
    const out = resolve(options.out)
    mkdirSync(out, { recursive: true })
    writeFileSync(join(out, 'peers.json'), `${JSON.stringify(report, null, 2)}\n`)
    writeFileSync(join(out, 'peers.md'), toMarkdown(report))
    if (options.readme) writeFileSync(README, withResults(readFileSync(README, 'utf8'), report))
    process.stdout.write(toMarkdown(report))
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

async function interrupted(scratch: string): Promise<never> {
  await endPrograms()
  rmSync(scratch, { recursive: true, force: true })
  process.exit(INTERRUPTED_CODE)
}

async function measure(
  options: BenchOptions,
  scratch: string,
  head: Pick<Report, 'machine' | 'loadAtStart'>,
): Promise<Report> {
  const { repeats, seed, budgetSeconds, warmUpSeconds } = options
  const isWanted = (id: string) => options.only.length === 0 || options.only.includes(id)
  const loads = loadsOf(options)
  const absent: Record<string, string> = {}
  const systemEntries = SYSTEMS.filter(({ id }) => isWanted(id))
  const present = systemEntries.filter((entry) => {
    const why = entry.needs.map((tool) => absenceOf(tool, TOOLS)).find((reason) => reason !== null)
    if (why !== undefined) absent[entry.name] = why!
    return why === undefined
  })
  const startedAt = new Date().toISOString()
  const limitEntries = isWanted('limits') ? LIMITS : []
  const limits = await measureLimits(limitEntries, { scratch, repeats, tell })
  const kernelEntries = isWanted('kernels') ? KERNELS : []
  const kernels = await measureKernels(kernelEntries, { scratch, tools: TOOLS, repeats, seed, tell })
  const measured = await measureSystems(present, {
    scratch,
    tools: TOOLS,
    loads,
    repeats,
    budgetSeconds,
    warmUpSeconds,
    seed,
    tell,
  })
  for (const [id, why] of Object.entries(measured.failed)) absent[nameOf(systemEntries, id)] = why
  return {
    ...head,
    startedAt,
    repeats,
    seed,
    loads,
    limitEntries,
    limits,
    systemEntries,
    series: measured.series,
    versions: measured.versions,
    absent,
    kernelEntries: kernelEntries.map(({ id, name, needs, shardsMax }) => ({ id, name, needs, shardsMax })),
    kernels,
  }
}

function loadsOf({ sizes, records }: BenchOptions): Load[] {
  const objects = sizes.map((name) => ({ name, bytes: bytesOf(name), recordBytes: null }))
  if (records === 0) return objects
  const name = `${records} records of ${RECORD_BYTES / 1024} KiB`
  return [...objects, { name, bytes: records * RECORD_BYTES, recordBytes: RECORD_BYTES }]
}

function nameOf(entries: SystemEntry[], id: string): string {
  return entries.find((entry) => entry.id === id)!.name
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`)
}

try {
  await main(readOptions(process.argv.slice(2)))
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`)
  if (error instanceof RangeError || error instanceof TypeError) process.stderr.write(`${USAGE}\n`)
  process.exitCode = 1
}
