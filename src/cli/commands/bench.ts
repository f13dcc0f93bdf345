import { tmpdir } from 'node:os'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { XcareError } from '../../errors.ts'
import { type Comparison, compareReports, comparisonLines } from '../bench/compare.ts'
import { type BenchOptions, STAGE_NAMES, settingsOf } from '../bench/options.ts'
import { readReport, setAside, writeReport } from '../bench/report.ts'
import { BenchRun } from '../bench/run.ts'
import { stagePlot, summaryLines } from '../bench/sentences.ts'
import { action, type Invocation, partial } from '../invocation.ts'

interface RunOptions extends BenchOptions {
  out: string
  disk: string
}

/** Adds `bench` with its two sub-commands; without one it runs. */
export function addBenchCommand(program: Command): void {
  const bench = program.command('bench').description('measure put, get and all their parts on this machine')
  const run = bench
    .command('run', { isDefault: true })
    .description('start a network of its own, measure it, write report.json and report.html')
    .option('--quick', 'the main figures in about a minute; without it all of them in about ten')
    .option(
      '--size <sizes>',
      'record sizes, 2KiB to 1GiB: one, a list with commas, or a range 4KiB..64MiB in steps of 4',
    )
    .option('--k <columns>', 'columns that rebuild a record; with --n')
    .option('--n <columns>', 'columns of a record; with --k')
    .option('--fragment-size <size>', 'largest shard, a multiple of 64 bytes up to 64KiB')
    .option('--nodes <count>', 'storage nodes, each a process (12)')
    .option('--profile <network>', 'loopback, or through a fault proxy: lan, wan, clinic')
    .option('--concurrency <count>', 'small records in flight in the closed loop (16)')
    .option(
      '--rate <per-second>',
      'small records a second in the open loop; 60 % of what the closed loop reached unless given',
    )
    .option('--repeat <count>', 'repeats of every figure (5; quick 3)')
    .option('--stages <names>', `only these of ${STAGE_NAMES.join(', ')}`)
    .option('--faults <number>', 'which faults the proxy makes: the same number, the same faults (1)')
    .option('--out <folder>', 'where the report is written', 'bench-report')
    .option('--disk <folder>', 'folder on the disk to be measured', tmpdir())
    .action(action(benchRun))
  bench
    .command('compare')
    .description('compare report B with A; exit code 3 when anything got worse')
    .argument('<A>', 'report.json or the folder it lies in')
    .argument('<B>', 'report.json or the folder it lies in')
    .option('--anyway', 'also when machine or settings differ')
    .action(action(benchCompare))
  bench.addHelpText('after', () => `\n${run.helpInformation()}`)
}

async function benchRun(invocation: Invocation, options: RunOptions): Promise<Record<string, unknown>> {
  const { out } = invocation
  const settings = settingsOf(options)
  // Found out before an hour's figures have nowhere to go.
  const run = await BenchRun.prepare(settings, resolve(options.disk), out.event)
  const earlier = await setAside(options.out)
  if (earlier) out.event({ type: 'warning', text: `the report that was there is ${earlier} now` })
  const write = () => writeReport(run.report(), options.out)
  let plots = 0
  let isInterrupted = false
  const interrupted = async () => {
    isInterrupted = true
    await run.end()
    const { html } = await write()
    out.event({ type: 'warning', text: `interrupted: a partial report is in ${html}` })
  }
  invocation.atInterrupt = interrupted
  process.once('SIGTERM', () => process.emit('SIGINT'))
  try {
    await write()
    await run.runAll(async (stage) => {
      const report = run.report()
      const { html } = await writeReport(report, options.out)
      const text = stagePlot(stage, report)
      if (text) out.event({ type: 'bench-plot', plot: ++plots, seconds: report.seconds, file: html, text })
    })
  } catch (error) {
    if (!isInterrupted) throw error
  } finally {
    await run.end()
  }
  // The interrupt ends the process, with its own exit code.
  if (isInterrupted) return new Promise(() => {})
  const report = run.report()
  const files = await writeReport(report, options.out)
  const failed = report.stages.filter(({ state }) => state !== 'done')
  const told = {
    ...{ report: files.json, page: files.html, complete: report.complete, seconds: report.seconds },
    ...{ figures: report.figures.length, failed: failed.map(({ name }) => name) },
    text: `\n${summaryLines(report).join('\n')}\n\n${files.html}`,
  }
  if (failed.length === 0) return told
  return partial(told, `not all was measured: ${failed.map(({ name }) => name).join(', ')}`)
}

async function benchCompare(
  { out }: Invocation,
  a: string,
  b: string,
  { anyway }: { anyway?: boolean },
): Promise<Record<string, unknown>> {
  const comparison = compareReports(await readReport(a), await readReport(b), anyway === true)
  if (comparison.figures.length === 0)
    throw new XcareError('REFUSED', 'these reports have no figure in common', {
      next: 'compare runs with the same options',
    })
  for (const figure of comparison.figures) out.event({ type: 'bench-compared', ...figure })
  const text = comparisonLines(comparison).join('\n')
  const worse = named(comparison, 'worse')
  if (worse.length === 0) return { ...tellingOf(comparison), text }
  // The table is shown before the error, which is what ends the command.
  out.event({ type: 'bench-comparison', ...tellingOf(comparison), text })
  throw new XcareError(
    'REGRESSION',
    `${worse.length} of ${comparison.figures.length} figures got worse: ${worse.slice(0, 5).join(', ')}`,
  )
}

function tellingOf(comparison: Comparison): Record<string, unknown> {
  const { warnings, threshold, onlyA, onlyB } = comparison
  return {
    compared: comparison.figures.length,
    worse: named(comparison, 'worse'),
    better: named(comparison, 'better'),
    ...{ warnings, threshold, onlyA, onlyB },
  }
}

function named({ figures }: Comparison, verdict: string): string[] {
  return figures.filter((figure) => figure.verdict === verdict).map(({ id }) => id)
}
