import { sizeLabel } from '../options.ts'
import type { Figure, Latency, Report } from '../report-shape.ts'
import { round } from '../statistics.ts'
import { limits } from './limits-section.ts'
import { type Content, html, type Markup } from './markup.ts'
import { barPlot, linePlot, type Series, type Stack, stackPlot, table } from './plots.ts'
import { logScale } from './scale.ts'
import { barsOf, figuresTable, pair, type Section, spreadText } from './section.ts'

const textOf = (value: number) => String(round(value))

/** @returns the sections for which there are figures. */
export function sectionsOf(report: Report): Section[] {
  const makers = [
    targets,
    limits,
    throughput,
    timelines,
    stages,
    cpu,
    small,
    sweep,
    bundles,
    repair,
    losses,
    profiles,
    amplification,
    memory,
    turns,
    index,
  ]
  return makers.map((make) => make(report)).filter((section) => section !== null)
}

const VERDICTS = {
  stretch: html`<span class="good">✓✓ stretch</span>`,
  hit: html`<span class="good">✓ hit</span>`,
  missed: html`<span class="bad">✗ missed</span>`,
  'not measured': html`<span class="soft">not measured</span>`,
}

/** Shares of a target above this are drawn as this. */
const TARGET_SHARE_MAX = 1.5

function targets({ targets: all }: Report): Section | null {
  const judged = all.filter(({ measured }) => measured !== null)
  if (judged.length === 0) return null
  // Full bars are targets reached, whichever way is better.
  const bars = judged.map(({ quantity, unit, better, target, measured }) => {
    const share = better === 'higher' ? measured! / target : target / Math.max(measured!, 1e-9)
    return {
      label: quantity,
      value: Math.min(TARGET_SHARE_MAX, share),
      goal: 1,
      text: `${measured} of ${target} ${unit}`,
    }
  })
  const rows = all.map(({ quantity, unit, better, target, stretch, measured, verdict }) => [
    quantity,
    VERDICTS[verdict],
    measured ?? '',
    `${better === 'higher' ? '≥' : '≤'} ${target}`,
    stretch ?? '',
    unit,
  ])
  const missed = all.filter(({ verdict }) => verdict === 'missed')
  const reasons = missed.map(({ quantity, reason }) => [quantity, reason ?? ''])
  return {
    id: 'targets',
    title: 'Targets',
    lead: 'The project’s own numbers for two cores shared by client and all nodes. The mark is the target; a bar that reaches it has hit, half as much again fills the row. Where less is better the share is turned round, so that longer is always better.',
    body: pair(
      barPlot('Measured share of each target', bars, TARGET_SHARE_MAX),
      html`${table('Targets', ['quantity', 'verdict', 'measured', 'target', 'stretch', 'unit'], rows)}${missed.length > 0 && table('Where targets are missed', ['quantity', 'what profiles of this version show'], reasons)}`,
    ),
  }
}

function throughput({ figures }: Report): Section | null {
  const rates = figures.filter(({ id }) => /^(put|get)\/rate\//.test(id))
  if (rates.length === 0) return null
  const sizes = [...new Set(rates.map(({ bytes }) => bytes!))].sort((a, b) => a - b)
  const lead =
    'User data per second, one record at a time, from the first byte read to the last receipt, or to the last byte compared. Whiskers are the least and the most of all repeats.'
  const beside = figuresTable('Rates of put and get', rates)
  if (sizes.length === 1)
    return {
      id: 'throughput',
      title: 'Put and get',
      lead,
      body: pair(barPlot('Rates', barsOf(rates)), beside),
    }
  const names = [...new Set(rates.map(({ id, shape }) => `${id.slice(0, 3)} ${shape}`))]
  const series: Series[] = names.map((name) => ({
    name,
    points: rates
      .filter(({ id, shape }) => `${id.slice(0, 3)} ${shape}` === name)
      .sort((a, b) => a.bytes! - b.bytes!)
      .map((figure) => ({
        x: figure.bytes!,
        y: figure.median,
        low: figure.min,
        high: figure.max,
        title: `${figure.label}: ${spreadText(figure)} ${figure.unit}`,
      })),
  }))
  const plot = linePlot({
    label: 'Rate of put and get by size of the record',
    x: { ...logScale(sizes, sizes), name: 'size of the record', text: sizeLabel },
    y: {
      ...logScale(rates.flatMap(({ min, max }) => [min, max])),
      name: 'MB/s of user data, equal steps are equal factors',
      text: textOf,
    },
    series,
  })
  return { id: 'throughput', title: 'Put and get by size', lead, body: pair(plot, beside) }
}

function timelines({ timelines: all }: Report): Section | null {
  if (all.length === 0) return null
  const total = (phases: { ms: number }[]) => round(phases.reduce((sum, { ms }) => sum + ms, 0))
  const stacks = all.map(({ label, phases }) => ({
    label,
    text: `${total(phases)} ms`,
    parts: phases.map(({ name, ms }) => ({ name, value: ms, title: `${name}: ${ms} ms` })),
  }))
  // Each bar fills the row: what matters is where the time of a put goes, whatever its length.
  const shares = stacks.map((stack) => {
    const sum = stack.parts.reduce((whole, { value }) => whole + value, 0) || 1
    return { ...stack, parts: stack.parts.map((part) => ({ ...part, value: part.value / sum })) }
  })
  const names = all[0]!.phases
  return {
    id: 'timelines',
    title: 'Where the time of a put goes',
    lead: `What the client waits for, one phase after the other. ${names.map(({ name, what }) => `${name}: ${what}`).join('. ')}.`,
    body: pair(
      stackPlot('Share of each phase', shares, 'phase'),
      table(
        'Median ms of each phase',
        ['', ...names.map(({ name }) => name), 'sum'],
        all.map(({ label, phases }) => [label, ...phases.map(({ ms }) => ms), total(phases)]),
      ),
    ),
  }
}

const STAGE_STEPS = ['seal', 'split', 'encode', 'hash']

function stages({ figures }: Report): Section | null {
  const found = figures.filter(({ group }) => group === 'stage')
  if (found.length === 0) return null
  const shapes = [
    ...new Set(found.filter(({ id }) => id.startsWith('stage/seal/')).map(({ shape }) => shape!)),
  ]
  const median = (id: string) => found.find((figure) => figure.id === id)?.median
  const stacks = shapes.map((shape) => {
    const [k = 1, n = 1] = shape.split('/').map(Number)
    const spread = (n / k) * (1 + 1 / 64)
    const rates: [string, number | undefined][] = STAGE_STEPS.map((step) => [
      step,
      median(`stage/${step}/${k}-${n}`),
    ])
    const moved = (megabytes: number | undefined) => megabytes && megabytes / 1000 / spread
    rates.push(['transfer', moved(median('stage/wire'))], ['disk', moved(median('stage/disk'))])
    const parts = rates.flatMap(([name, rate]) =>
      rate ? [{ name, value: 1 / rate, title: `${name}: ${round(1 / rate)} s/GB` }] : [],
    )
    return { label: shape, text: `${round(parts.reduce((sum, { value }) => sum + value, 0))} s/GB`, parts }
  })
  const plot =
    shapes.length > 0
      ? stackPlot('Seconds of each stage for a GB of user data', stacks)
      : barPlot('Stages', barsOf(found))
  return {
    id: 'stages',
    title: 'Stages apart',
    lead: 'Seconds that each stage alone needs for one GB of user data: seal, split, encode and hash on one thread; transfer over one connection and disk on one file, for all fragments. In a put they overlap and share the cores.',
    body: pair(plot, figuresTable('Each stage alone', found)),
  }
}

function cpu({ figures }: Report): Section | null {
  const found = figures.filter(({ group }) => group === 'cpu')
  if (found.length === 0) return null
  return {
    id: 'cpu',
    title: 'CPU by party',
    lead: 'CPU seconds, user and system, of every process for one GB of user data.',
    body: pair(
      stackPlot('CPU seconds for a GB by party', cpuStacks(found)),
      figuresTable('CPU seconds for a GB', found),
    ),
  }
}

const PARTY = /\/cpu\/(\w+)/

/** One bar for each operation, its parts the parties. */
function cpuStacks(found: Figure[]): Stack[] {
  const operation = ({ id }: Figure) => id.replace(PARTY, '')
  return [...new Set(found.map(operation))].map((bar) => {
    const figures = found.filter((figure) => operation(figure) === bar)
    const all = figures.find(({ id }) => PARTY.exec(id)?.[1] === 'all')
    const { label, unit } = figures[0]!
    return {
      label: label.replace(/:? CPU, \w+$/, ''),
      text: `${all ? spreadText(all) : ''} ${unit}`,
      parts: figures.flatMap((figure) => {
        const name = PARTY.exec(figure.id)?.[1] ?? ''
        return figure === all
          ? []
          : [{ name, value: figure.median, title: `${name}: ${figure.median} ${unit}` }]
      }),
    }
  })
}

const TAILS = [0.5, 0.9, 0.95, 0.99, 0.999]

/** How a latency grows towards the tail; the axis stretches the last per cent. */
function tailPlot(latencies: Latency[]): Markup {
  const keys = ['p50', 'p90', 'p95', 'p99', 'p999'] as const
  const tail = (share: number) => 1 / (1 - share)
  const series = latencies.map((latency) => ({
    name: latency.label,
    points: keys
      .filter((_, at) => latency.count >= tail(TAILS[at]!))
      .map((key, at) => ({ x: tail(TAILS[at]!), y: latency[key], title: `${key}: ${latency[key]} ms` })),
  }))
  const values = series.flatMap(({ points }) => points.map(({ y }) => y))
  return linePlot({
    label: 'Latency by percentile',
    x: {
      ...logScale(TAILS.map(tail), TAILS.map(tail)),
      name: 'percentile; a point is left out where there are too few samples for it',
      text: (value) => `${Number((100 - 100 / value).toFixed(1))} %`,
    },
    y: { ...logScale(values), name: 'ms, equal steps are equal factors', text: textOf },
    series,
  })
}

function latencyTable(latencies: Latency[]): Markup {
  const rows = latencies.map(({ label, count, perSecond, p50, p95, p99, max, errors }) => [
    label,
    ...[p50, p95, p99, max, count, perSecond],
    errors.map(({ code, count: times }) => `${times} ${code}`).join(', ') || 'none',
  ])
  return table(
    'Latencies in ms, all rounds together',
    ['', 'p50', 'p95', 'p99', 'most', 'count', 'per second', 'errors'],
    rows,
  )
}

function small({ latencies, figures }: Report): Section | null {
  const found = latencies.filter(({ id }) => id.startsWith('small/'))
  if (found.length === 0) return null
  return {
    id: 'small',
    title: 'Small records',
    lead: 'Records of 4 KiB, each an object of its own: anchored, durable, key shares with the guardians. The open loop counts from the intended start.',
    body: [pair(tailPlot(found), latencyTable(found)), smallCpu(figures)],
  }
}

function smallCpu(figures: Figure[]): Content {
  const found = figures.filter(({ group }) => group === 'small-cpu')
  if (found.length === 0) return null
  const what = 'CPU ms for one record by party'
  return pair(
    html`<p class="soft unit">${what}</p>${stackPlot(what, cpuStacks(found))}`,
    figuresTable(what, found),
  )
}

function sweep({ latencies }: Report): Section | null {
  const found = latencies.filter(({ id }) => id.startsWith('sweep/'))
  if (found.length < 2) return null
  const callers = found.map(({ id }) => Number(id.split('/')[1]))
  const series = (['p50', 'p95', 'p99'] as const).map((key) => ({
    name: key,
    points: found.map((latency) => ({
      x: latency.perSecond,
      y: latency[key],
      title: `${latency.label}: ${latency.perSecond}/s, ${key} ${latency[key]} ms`,
    })),
  }))
  const plot = linePlot({
    label: 'Latency by rate reached',
    x: {
      ...logScale(found.map(({ perSecond }) => perSecond)),
      name: `records per second reached with ${callers.join(', ')} callers`,
      text: textOf,
    },
    y: {
      ...logScale(found.flatMap(({ p50, p99 }) => [p50, p99])),
      name: 'ms, equal steps are equal factors',
      text: textOf,
    },
    series,
  })
  return {
    id: 'sweep',
    title: 'Latency against rate',
    lead: 'More and more callers put 4 KiB records. Where a line turns upwards, the network is full.',
    body: pair(plot, latencyTable(found)),
  }
}

function plain(
  id: string,
  group: string,
  title: string,
  lead: string,
  chosen: (figure: Figure) => boolean = () => true,
) {
  return ({ figures }: Report): Section | null => {
    const found = figures.filter((figure) => figure.group === group)
    if (found.length === 0) return null
    const units = [...new Set(found.filter(chosen).map(({ unit }) => unit))]
    // Bars of one unit share a scale.
    const plots = units.map(
      (unit) =>
        html`${units.length > 1 && html`<p class="soft unit">${unit}</p>`}${barPlot(`${title}, ${unit}`, barsOf(found.filter((figure) => chosen(figure) && figure.unit === unit)))}`,
    )
    return { id, title, lead, body: pair(html`${plots}`, figuresTable(title, found)) }
  }
}

const bundles = plain(
  'bundles',
  'bundles',
  'Bundles',
  'Small records packed a thousand to an object, and single ones read back out of it with proofs, without the rest.',
)
const repair = plain(
  'repair',
  'repair',
  'Repair',
  'A storage node is killed, its disk removed, and started again empty; the owner’s light node makes its columns again from k fragments of each stripe. The questions to all nodes and their signed receipts are in the time.',
)
const losses = plain(
  'losses',
  'losses',
  'Gets with losses',
  'Nodes are ended with SIGKILL until n - k columns are gone; what was lost is rebuilt while it is read. The wait for those that no longer answer is in the time.',
  ({ unit }) => unit === 'MB/s',
)
const profiles = plain(
  'profiles',
  'profiles',
  'Other networks',
  'Every connection of the client, to nodes, guardians and the chain, goes through a proxy with real sockets on both sides.',
)
const amplification = plain(
  'amplification',
  'amplification',
  'Amplification',
  'Bytes on disks and on the wire for each byte of the record, and what one record asks of others. n/k is the least that dispersal costs; heads, hashes, padding, manifests and key shares come on top.',
  ({ unit }) => unit === '×' || unit === 'round trips',
)
const memory = plain(
  'memory',
  'memory',
  'Memory',
  'Most resident memory: of the client during one put or get, of all other processes while records were put and got.',
)
const index = plain(
  'index',
  'index',
  'Index of a storage node',
  'The index that storage nodes use, filled as a node fills it and made durable, in a process of its own; then the store with so many fragments is opened and says its used space. Its volumes are as long as they would be, without fragments in them; disk caches are warm.',
  ({ unit }) => unit === 'rows/s' || unit === 'ms',
)
const turns = plain(
  'turns',
  'turns',
  'Network threads',
  'Processor time that the thread with the connections spends without looking for what came meanwhile: the longest turn of its event loop during one put or get, and what 99 of 100 stay below.',
  ({ id }) => id.includes('/longest'),
)
