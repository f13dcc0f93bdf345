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

/** @returns the whole run in fourteen lines. */
export function summaryLines(report: Report): string[] {
  const { figures, targets, settings, stages } = report
  const median = (id: string) => figures.find((figure) => figure.id === id)?.median ?? null
  const largest = (prefix: string) => largestOf(figures, prefix)
  const say = (value: number | null | undefined, unit: string) =>
    value === null || value === undefined ? 'not measured' : `${value} ${unit}`
  const shape = `${settings.shapes[0]!.k}-${settings.shapes[0]!.n}`
  const put = largest(`put/rate/${shape}/`)
  const at = (prefix: string) => (put ? median(`${prefix}/${shape}/${put.bytes}`) : null)
  const passages = (way: 'put' | 'get') =>
    settings.shapes
      .map(({ k, n }) => {
        const rate = largest(`${way}/rate/${k}-${n}/`)
        const of = (what: string) => median(`${way}/${what}/${k}-${n}/${rate?.bytes}`)
        const costs = `${say(of('fragments'), 'fragments/s')}, ${say(of('cpu/all'), 'CPU-s/GB')}`
        return `${rate?.label.split(':')[0] ?? `${k}/${n}`}: ${say(rate?.median, 'MB/s')}, ${costs}`
      })
      .join('; ')
  const verdicts = (...wanted: string[]) => targets.filter(({ verdict }) => wanted.includes(verdict)).length
  const missing = stages.filter(({ state }) => state !== 'done').map(({ name }) => name)
  const whole = largest(`losses/whole/rate/${shape}/`)
  const lost = largest(`losses/lost/rate/${shape}/`)
  return [
    `put   ${passages('put')}`,
    `get   ${passages('get')}; first byte ${say(at('get/first-byte'), 'ms')}`,
    `loss  get ${say(whole?.median, 'MB/s')} whole, ${say(lost?.median, 'MB/s')} with n - k columns killed; a lost disk: ${say(largest(`repair/rebuilt/${shape}/`)?.median, 'MB/s')} made again`,
    `small 4 KiB put p50 ${say(median('small/put/alone/p50'), 'ms')}, p99 ${say(median('small/put/alone/p99'), 'ms')} alone; ${settings.concurrency} in flight: p50 ${say(median('small/put/closed/p50'), 'ms')}, ${say(median('small/put/closed/rate'), 'records/s')}, gathered into bundles ${say(median('small/put/gathered/rate'), 'records/s')}`,
    `bundles ${say(median('bundles/rate'), 'records/s')} of 2 KiB; one read out of a thousand: ${say(median('bundles/read'), 'ms')}`,
    `codec seal ${say(median(`stage/seal/${shape}`), 'GB/s')}, encode ${say(median(`stage/encode/${shape}`), 'GB/s')}, hash ${say(median(`stage/hash/${shape}`), 'GB/s')}, one thread; all three in two coder threads: ${say(median(`coders/2/${shape}`), 'GB/s')}`,
    `wire  ${say(median('stage/wire'), 'MB/s')} on one connection; disk ${say(median('stage/disk'), 'MB/s')} made durable; index ${say(largest('index/last/')?.median, 'rows/s')}`,
    `bytes ${say(largest(`amplification/stored/${shape}/`)?.median, 'stored')} and ${say(largest(`amplification/wire-put/${shape}/`)?.median, 'sent')} for each of a record of ${largest(`amplification/stored/${shape}/`)?.label.split(':')[0] ?? shape}`,
    `memory client ${say(median('memory/client'), 'MiB')}, largest node ${say(median('memory/node'), 'MiB')}; longest turn of the client’s network thread: put ${say(at('put/turn/longest'), 'ms')}, get ${say(at('get/turn/longest'), 'ms')}`,
    `targets ${verdicts('hit', 'stretch')} hit, ${verdicts('missed')} missed, ${verdicts('not measured')} not measured here`,
    ...limitLines(figures, shape),
    `run   ${spanText(report.seconds)}, ${report.network.processes} processes, acks durable, fragments verified, every byte compared`,
    missing.length === 0 ? 'complete: every stage was measured' : `INCOMPLETE: without ${missing.join(', ')}`,
  ]
}

/** What this machine allows in the same run, beside what the targets assume, and how far from it we are. */
function limitLines(figures: readonly Figure[], shape: string): string[] {
  const say = (figure: Figure | undefined) => (figure ? `${figure.median} ${figure.unit}` : 'not measured')
  const of = (id: string) => figures.find((figure) => figure.id === id)
  const over = (way: string, ...prefixes: string[]) => {
    const found = prefixes.map((prefix) => largestOf(figures, `${prefix}/over-floor/${shape}/`))
    return `${way} ${say(of(`floor/${way}/${shape}`))}, as a whole ${say(found.find((figure) => figure))}`
  }
  const [tcp, tls] = [ASSUMED_MBS.tcp, ASSUMED_MBS.tls].map((ends) => ends.join(' to '))
  return [
    `limits plain TCP ${say(of('stage/tcp'))}, Node’s TLS ${say(of('stage/tls'))} (the targets assume ${tcp} and ${tls}); our wire ${say(of('stage/wire/of-tls'))} TLS`,
    `floor CPU of the parts alone: ${over('put', 'put')}; ${over('get', 'losses/whole', 'get')}`,
  ]
}
