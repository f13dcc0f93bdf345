import type { Figure, Machine, Report, StageOutcome } from './report-shape.ts'
import { ASSUMED_MBS } from './targets.ts'

/** @returns the machine in two lines, with what its disk does. */
export function machineLines(machine: Machine): string {
  const { cpu, cores, memoryGiB, kernel, node, fileSystem, freeGiB, fsyncMs, ratesGBs, loadAverage } = machine
  const busy =
    loadAverage > cores / 2
      ? `\nnote: this machine is busy (load ${loadAverage}); times will be worse than on a quiet one`
      : ''
  return [
    `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${kernel}, Node ${node}`,
    `disk ${fileSystem}, ${freeGiB} GiB free; 4 KiB append and fdatasync: ${fsyncMs.p50} ms median, ${fsyncMs.p99} ms p99`,
    `one thread, GB/s: copy ${ratesGBs.memcpy}, AES-256-GCM ${ratesGBs.aes256gcm}, BLAKE3 ${ratesGBs.blake3}, SHA-256 ${ratesGBs.sha256}${busy}`,
  ].join('\n')
}

/** @returns seconds as people say them. */
export function spanText(seconds: number): string {
  return seconds < 90
    ? `${Math.round(seconds)} s`
    : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
}

/** @returns the end of a stage in a line. */
export function stageDoneLine({ name, state, seconds, message }: StageOutcome): string {
  if (state === 'done') return `  done in ${spanText(seconds)}`
  return `  ${state === 'failed' ? 'FAILED' : 'LEFT OUT'}: ${name}: ${message}`
}

const BAR_CELLS = 24
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

/** @returns a plot of bars for a terminal; empty without bars. */
function barPlot(title: string, unit: string, bars: { label: string; value: number }[]): string {
  if (bars.length === 0) return ''
  const most = Math.max(...bars.map(({ value }) => value), 1e-9)
  const width = Math.max(...bars.map(({ label }) => label.length))
  const lines = bars.map(({ label, value }) => {
    const eighths = Math.round((value / most) * BAR_CELLS * 8)
    const bar = '█'.repeat(eighths >> 3) + EIGHTHS[eighths & 7]!
    return `  ${label.padEnd(width)} ${bar.padEnd(BAR_CELLS)} ${value} ${unit}`
  })
  return [`  ${title}`, ...lines].join('\n')
}

/** @returns the plot that a stage of this name adds, for a terminal. */
export function stagePlot(name: string, { figures }: Pick<Report, 'figures'>): string {
  const bars = (prefix: string, label: (id: string) => string) =>
    figures
      .filter(({ id }) => id.startsWith(prefix))
      .map(({ id, median }) => ({ label: label(id), value: median }))
  if (name === 'codec')
    return barPlot(
      'one thread, user data',
      'GB/s',
      bars('stage/', (id) =>
        id
          .split('/')
          .slice(1)
          .join(' ')
          .replace(/(\d)-(\d)/, '$1/$2'),
      ),
    )
  if (name === 'wire')
    return barPlot(
      'one connection',
      'MB/s',
      figures
        .filter(({ id }) => /^stage\/(wire|tcp|tls)$/.test(id))
        .map(({ label, median }) => ({
          label: label.replace(/, one connection.*/, ''),
          value: median,
        })),
    )
  if (name === 'passages') {
    const rates = figures.filter(({ id }) => /^(put|get)\/rate\//.test(id))
    return barPlot(
      'put and get',
      'MB/s',
      rates.map(({ label, median }) => ({ label: label.replace(' rate', ''), value: median })),
    )
  }
  if (name === 'losses')
    return barPlot(
      'get',
      'MB/s',
      figures
        .filter(({ id }) => /^losses\/\w+\/rate/.test(id))
        .map(({ label, median }) => ({ label, value: median })),
    )
  return ''
}

function largestOf(figures: readonly Figure[], prefix: string): Figure | undefined {
  return figures.filter(({ id }) => id.startsWith(prefix)).sort((a, b) => (b.bytes ?? 0) - (a.bytes ?? 0))[0]
}

/** One thing that was measured, in words; null when it was not. */
type Part = string | null

/** @returns a line about `what`; none when no part of it was measured. */
function lineOf(what: string, parts: readonly Part[]): string[] {
  const told = parts.filter((part) => part !== null)
  return told.length > 0 ? [`${what.padEnd(8)}${told.join('; ')}`] : []
}

function partOf(figure: Figure | null | undefined, words: (said: string) => string = (said) => said): Part {
  return figure ? words(`${figure.median} ${figure.unit}`) : null
}

/** @returns the whole run in fourteen lines, or fewer when not all of it was asked for. */
export function summaryLines(report: Report): string[] {
  const { figures, targets, settings, stages } = report
  const shape = `${settings.shapes[0]!.k}-${settings.shapes[0]!.n}`
  const verdicts = (...wanted: string[]) => targets.filter(({ verdict }) => wanted.includes(verdict)).length
  const missing = stages.filter(({ state }) => state !== 'done').map(({ name }) => name)
  return [
    ...objectLines(report, shape),
    ...recordLines(report),
    ...partLines(figures, shape),
    `targets ${verdicts('hit', 'stretch')} hit, ${verdicts('missed')} missed, ${verdicts('not measured')} not measured here`,
    ...limitLines(figures, shape),
    `run     ${spanText(report.seconds)}, ${report.network.processes} processes, acks durable, fragments verified, every byte compared`,
    missing.length === 0 ? 'complete: every stage was measured' : `INCOMPLETE: without ${missing.join(', ')}`,
  ]
}

function objectLines({ figures, settings }: Report, shape: string): string[] {
  const of = (id: string) => figures.find((figure) => figure.id === id)
  const largest = (prefix: string) => largestOf(figures, `${prefix}/${shape}/`)
  const passages = (way: 'put' | 'get') =>
    settings.shapes.map(({ k, n }) => {
      const rate = largestOf(figures, `${way}/rate/${k}-${n}/`)
      if (!rate) return null
      const costs = ['fragments', 'cpu/all'].map((what) =>
        partOf(of(`${way}/${what}/${k}-${n}/${rate.bytes}`)),
      )
      return `${rate.label.split(':')[0]}: ${[partOf(rate), ...costs].filter(Boolean).join(', ')}`
    })
  return [
    ...lineOf('put', passages('put')),
    ...lineOf('get', [
      ...passages('get'),
      partOf(of(`get/first-byte/${shape}/${largest('put/rate')?.bytes}`), (said) => `first byte ${said}`),
    ]),
    ...lineOf('loss', [
      partOf(largest('losses/whole/rate'), (said) => `get ${said} whole`),
      partOf(largest('losses/lost/rate'), (said) => `get ${said} with n - k columns killed`),
      partOf(largest('repair/rebuilt'), (said) => `a lost disk: ${said} made again`),
    ]),
  ]
}

function recordLines({ figures, settings }: Report): string[] {
  const of = (id: string) => figures.find((figure) => figure.id === id)
  const crowd = `${settings.concurrency} in flight`
  return [
    ...lineOf('small', [
      partOf(of('small/put/alone/p50'), (said) => `4 KiB put alone p50 ${said}`),
      partOf(of('small/put/alone/p99'), (said) => `p99 ${said}`),
      partOf(of('small/put/closed/p50'), (said) => `${crowd} p50 ${said}`),
      partOf(of('small/put/closed/rate'), (said) => `${said} ${crowd}`),
      partOf(of('small/put/gathered/rate'), (said) => `${said} gathered into bundles`),
    ]),
    ...lineOf('bundles', [
      partOf(of('bundles/rate'), (said) => `${said} of 2 KiB`),
      partOf(of('bundles/read'), (said) => `one read out of a thousand: ${said}`),
    ]),
  ]
}

function partLines(figures: readonly Figure[], shape: string): string[] {
  const of = (id: string) => figures.find((figure) => figure.id === id)
  const largest = (prefix: string) => largestOf(figures, `${prefix}/${shape}/`)
  const stored = largest('amplification/stored')
  const turn = (way: 'put' | 'get') =>
    partOf(of(`${way}/turn/longest/${shape}/${largest('put/rate')?.bytes}`), (said) => `${way} ${said}`)
  const turns = [turn('put'), turn('get')].filter(Boolean)
  return [
    ...lineOf('codec', [
      ...['seal', 'encode', 'hash'].map((what) =>
        partOf(of(`stage/${what}/${shape}`), (said) => `${what} ${said}`),
      ),
      partOf(of(`coders/2/${shape}`), (said) => `all three in two coder threads ${said}`),
    ]),
    ...lineOf('wire', [
      partOf(of('stage/wire'), (said) => `${said} on one connection`),
      partOf(of('stage/disk'), (said) => `disk ${said} made durable`),
      partOf(largestOf(figures, 'index/last/'), (said) => `index ${said}`),
    ]),
    ...lineOf('bytes', [
      partOf(stored, (said) => `${said} stored for each of a record of ${stored!.label.split(':')[0]}`),
      partOf(largest('amplification/wire-put'), (said) => `${said} sent`),
    ]),
    ...lineOf('memory', [
      partOf(of('memory/client'), (said) => `client ${said}`),
      partOf(of('memory/node'), (said) => `largest node ${said}`),
      turns.length > 0 ? `longest turn of the client’s network thread: ${turns.join(', ')}` : null,
    ]),
  ]
}

/** What this machine allows in the same run, beside what the targets assume, and how far from it we are. */
function limitLines(figures: readonly Figure[], shape: string): string[] {
  const of = (id: string) => figures.find((figure) => figure.id === id)
  const limit = (id: 'tcp' | 'tls', name: string) =>
    partOf(
      of(`stage/${id}`),
      (said) => `${name} ${said} (the targets assume ${ASSUMED_MBS[id].join(' to ')})`,
    )
  const floor = (way: string, ...prefixes: string[]) => {
    const over = prefixes.map((prefix) => largestOf(figures, `${prefix}/over-floor/${shape}/`)).find(Boolean)
    return partOf(of(`floor/${way}/${shape}`), (said) =>
      [`CPU of the parts of a ${way} alone ${said}`, partOf(over, (times) => `as a whole ${times}`)]
        .filter(Boolean)
        .join(', '),
    )
  }
  return [
    ...lineOf('limits', [
      limit('tcp', 'plain TCP'),
      limit('tls', 'Node’s TLS'),
      partOf(of('stage/wire/of-tls'), (said) => `our wire ${said} TLS`),
    ]),
    ...lineOf('floor', [floor('put', 'put'), floor('get', 'losses/whole', 'get')]),
  ]
}
