import type { KernelSeries, Shape } from './kernels.ts'
import type { Load } from './measure.ts'
import { type AbsentRow, limitRowOf, type Report, rowOf, type Spread, type SystemRow } from './report.ts'
import { median, threeDigits } from './statistics.ts'

const GIGA = 1e9
const NONE = '-'
const CELL_WIDTH_MIN = 3
const RESULTS_HEAD = '\n## Results\n'
/** With more than this, a run was not alone on the machine. */
const SHARED_CORES = 0.2

/** @returns the whole report as a page. Nothing whose bytes were not the same has a figure in it. */
export function toMarkdown(report: Report): string {
  const { limits, loads, series, kernels } = report
  const sections = [
    { title: 'Limits of this machine', body: limits.length > 0 ? limitTable(report) : null },
    ...loads.map((load) => ({
      title: titleOf(load),
      body: series.length > 0 ? systemTable(report, load) : null,
    })),
    { title: 'What each system does for it', body: series.length > 0 ? factsTable(report) : null },
    { title: 'Erasure codecs, one thread', body: kernels.length > 0 ? kernelTable(report) : null },
    { title: 'Not measured', body: absentList(report) },
  ]
  const written = sections.flatMap(({ title, body }) => (body === null ? [] : [`## ${title}`, body]))
  return `${['# Peers and limits, side by side', machineOf(report), ...written].join('\n\n')}\n`
}

/** @returns a Markdown table. @throws RangeError when a row has not as many cells as the head. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  for (const row of rows)
    if (row.length !== head.length) throw new RangeError(`${row.length} cells under ${head.length} heads`)
  const all = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')))
  const widths = head.map((_, column) => Math.max(CELL_WIDTH_MIN, ...all.map((row) => row[column]!.length)))
  const line = (cells: readonly string[], fill = ' ') =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!, fill)).join(' | ')} |`
  const rule = line(
    head.map(() => ''),
    '-',
  )
  const [first, ...others] = all.map((row) => line(row))
  return [first, rule, ...others].join('\n')
}

/** @returns the page `readme` with its last section, the results, replaced by those of `report`. @throws RangeError when it has none. */
export function withResults(readme: string, report: Report): string {
  const at = readme.indexOf(RESULTS_HEAD)
  if (at < 0) throw new RangeError(`the page has no section "${RESULTS_HEAD.trim()}"`)
  const [, ...sections] = toMarkdown(report).split('\n\n')
  const demoted = sections.map((section) => (section.startsWith('## ') ? `#${section}` : section))
  return `${readme.slice(0, at)}${RESULTS_HEAD}\n${demoted.join('\n\n')}`
}

/** Whether others were at work is part of every figure. */
function companyOf({ series }: Report): string {
  const others = series.flatMap(({ samples }) =>
    samples.flatMap(({ put, get }) => [put.otherCores, get.otherCores]),
  )
  const told = others.filter((cores) => cores !== null)
  if (told.length === 0 || median(told) < SHARED_CORES) return ''
  return `**The machine was shared:** others used ${threeDigits(median(told))} cores meanwhile (median). Ratios within a table can be read, with care; figures cannot be quoted.`
}

function machineOf(report: Report): string {
  const { machine, startedAt, loadAtStart, repeats, versions, seed } = report
  const names = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  return [
    `${startedAt}, ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.kernel}, ${machine.fileSystem}, Node ${machine.node}.`,
    `A page made durable takes ${machine.fsyncMs.p50} ms (median), ${machine.fsyncMs.p99} ms (99th percentile).`,
    `Load average before the run: ${loadAtStart.map((load) => load.toFixed(2)).join(', ')}.`,
    companyOf(report),
    `Medians of ${repeats} interleaved runs, smallest and largest in brackets; seed \`${seed}\`.`,
    names.length > 0 ? `Versions: ${names.join(', ')}.` : '',
  ]
    .filter(Boolean)
    .join('\n')
}

function titleOf({ name, recordBytes }: Load): string {
  return recordBytes === null ? `One object of ${name}` : `${name}, put and got together`
}

function limitTable({ limits, limitEntries }: Report): string {
  const rows = limits.map((series) => {
    const row = limitRowOf(series, limitEntries.find(({ id }) => id === series.limit)!)
    return 'why' in row ? [row.name, row.why, NONE] : [row.name, spread(row.rate), threeDigits(row.cpu)]
  })
  return table(['limit', 'MB/s', 'CPU-s/GB'], rows)
}

function systemTable(report: Report, load: Load): string {
  const isBulk = load.recordBytes === null
  const unit = isBulk ? 'MB/s' : 'records/s'
  const cpu = isBulk ? 'CPU-s/GB' : 'CPU-s/1,000'
  const rows = report.series
    .filter((series) => series.load === load.name)
    .map((series) => rowOf(series, load, report.systemEntries.find(({ id }) => id === series.system)!))
  const xcare = rows.find((row): row is SystemRow => !('why' in row) && row.name.startsWith('XCARE')) ?? null
  const limit = (id: string) => (isBulk ? rateOfLimit(report, id) : null)
  const head = [
    'system',
    `put, local copy only (${unit})`,
    `put, stored elsewhere (${unit})`,
    'to XCARE',
    'to disk limit',
    `get (${unit})`,
    'to XCARE',
    'to TCP limit',
    `${cpu} put; get`,
    'other load (cores)',
    'runs',
  ]
  const cells = rows.map((row) => systemCells(row, xcare, { disk: limit('disk'), tcp: limit('tcp') }))
  return table(head, cells)
}

function systemCells(
  row: SystemRow | AbsentRow,
  xcare: SystemRow | null,
  limits: { disk: number | null; tcp: number | null },
): string[] {
  if ('why' in row) return [row.name, row.why, ...Array<string>(9).fill(NONE)]
  const { name, localPut, remotePut, get, remotePutCpu, getCpu, otherCores, runs } = row
  return [
    name,
    localPut ? spread(localPut) : NONE,
    spread(remotePut),
    ratio(remotePut.median, xcare?.remotePut.median ?? null),
    ratio(remotePut.median, limits.disk),
    spread(get),
    ratio(get.median, xcare?.get.median ?? null),
    ratio(get.median, limits.tcp),
    `${threeDigits(remotePutCpu)}; ${threeDigits(getCpu)}`,
    otherCores === null ? NONE : otherCores.toFixed(2),
    String(runs),
  ]
}

function rateOfLimit({ limits, limitEntries }: Report, id: string): number | null {
  const series = limits.find(({ limit }) => limit === id)
  if (!series) return null
  const row = limitRowOf(series, limitEntries.find((entry) => entry.id === id)!)
  return 'why' in row ? null : row.rate.median
}

function factsTable({ systemEntries }: Report): string {
  const head = ['system', 'encryption', 'survives', 'a put is answered when', 'checked on read', 'path']
  return table(
    head,
    systemEntries.map(({ name, facts }) => [
      name,
      facts.encryption,
      facts.redundancy,
      facts.acknowledgement,
      facts.verification,
      facts.path,
    ]),
  )
}

function kernelTable({ kernels, kernelEntries }: Report): string {
  const shapes = [...new Map(kernels.map(({ shape }) => [shapeName(shape), shape])).keys()]
  const rows = kernelEntries.map(({ id, name }) => [
    name,
    ...shapes.map((shape) =>
      kernelCell(kernels.find((one) => one.kernel === id && shapeName(one.shape) === shape)!),
    ),
  ])
  return table(['GB/s of data: encode; rebuild all data from parity', ...shapes], rows)
}

function kernelCell({ encode, decode, verified, why }: KernelSeries): string {
  if (!verified) return 'rebuilt other bytes'
  if (why !== null || encode.length === 0) return why ?? 'was not run'
  return `${threeDigits(median(encode) / GIGA)}; ${threeDigits(median(decode) / GIGA)}`
}

function shapeName({ k, n, shardBytes }: Shape): string {
  return `${k}/${n}, ${shardBytes / 1024} KiB`
}

function absentList({ absent }: Report): string {
  const lines = Object.entries(absent).map(([name, why]) => `- ${name}: ${why}`)
  return lines.length > 0 ? lines.join('\n') : 'Everything the bench knows was measured.'
}

function spread({ median: middle, min, max }: Spread): string {
  return `${threeDigits(middle)} (${threeDigits(min)} to ${threeDigits(max)})`
}

function ratio(value: number, to: number | null): string {
  return to === null ? NONE : `x ${threeDigits(value / to)}`
}
