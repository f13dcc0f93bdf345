import { layoutOf } from '../../../fragment/layout.ts'
import { OBJECT_BYTES_MAX } from '../../../limits.ts'
import type { BenchClient, KeptRecord } from '../client.ts'
import { ClientMemory } from '../machine/client-memory.ts'
import {
  cpuBetween,
  cpuSecondsBy,
  forgetPeak,
  PARTIES,
  type Processes,
  peakMiBOf,
} from '../machine/processes.ts'
import { type Turns, TurnWatch } from '../machine/turns.ts'
import { sizeLabel } from '../options.ts'
import type { Settings } from '../report-shape.ts'
import { type Bench, fits, type Stage, shapeId, TimeBudget } from '../stage.ts'
import { medianOf } from '../statistics.ts'
import { warmUp } from '../warm-up.ts'

const MIB = 1024 * 1024
/** Below this, CPU per GB says more about the clock's ticks than about the program. */
const CPU_BYTES_MIN = MIB
const WATCHED_BYTES_MAX = 64 * MIB
const BUDGET_SECONDS = { quick: 25, full: 200 }

type Cell = Settings['cells'][number]

/** One record put and got at a time: rate, first byte, CPU of every party, where the time goes, memory. */
export const passages: Stage = {
  name: 'passages',
  title: 'put and get, one record at a time',
  seconds: { quick: 20, full: 180 },
  needsNetwork: true,
  async run(bench) {
    const { settings, network } = bench
    const { client } = await network.connect(settings.profile, settings.fragmentSize)
    const cells = settings.cells.filter((cell) => fits(cell, settings.nodes))
    tellLeftOut(bench)
    await warmUp(bench, client, cells)
    await network.untilSettled(settings.mode === 'quick' ? 3 : 10)
    const processes = await network.processes()
    for (const party of PARTIES) if (party !== 'client') for (const pid of processes[party]) forgetPeak(pid)
    await measureAll(bench, client, cells, processes)
    addPeaks(bench, processes)
    await watchNodes(bench, client, cells, processes)
  },
}

function tellLeftOut({ settings, draft }: Bench): void {
  for (const { k, n } of settings.shapes)
    if (!fits({ k, n }, settings.nodes))
      draft.method.push(
        `${k}/${n} is left out: ${settings.nodes} nodes are too few, as none may keep a third of what rebuilds a record`,
      )
}

/** Repeats go round all cells, so that a slow minute of the machine falls on all of them. */
async function measureAll(
  bench: Bench,
  client: BenchClient,
  cells: Cell[],
  processes: Processes,
): Promise<void> {
  const { settings, draft, progress } = bench
  const budget = new TimeBudget(BUDGET_SECONDS[settings.mode])
  const total = cells.reduce((sum, { bytes }) => sum + bytes + MIB, 0) * settings.repeats
  let done = 0
  let skipped = 0
  for (let repeat = 0; repeat < settings.repeats; repeat++) {
    for (const cell of cells) {
      const isMeasured = draft.count(`put/rate/${shapeId(cell)}/${cell.bytes}`) > 0
      progress(
        done / total,
        `${cell.k}/${cell.n} ${sizeLabel(cell.bytes)}, ${repeat + 1} of ${settings.repeats}`,
      )
      done += cell.bytes + MIB
      if (budget.isOver && isMeasured) skipped++
      else await measureCell(bench, client, cell, processes)
    }
    if (repeat === 0) await bench.checkpoint()
  }
  if (skipped > 0)
    draft.method.push(
      `put and get: the time was up after ${BUDGET_SECONDS[settings.mode]} s, and ${skipped} of ${cells.length * settings.repeats} repeats were left out; the number of samples of each figure says which`,
    )
}

async function measureCell(
  bench: Bench,
  client: BenchClient,
  cell: Cell,
  processes: Processes,
): Promise<void> {
  const { meter } = client
  const { k, n, bytes } = cell
  meter.reset()
  client.anchoredAt = null
  let kept: KeptRecord | null = null
  const put = await passage(processes, async () => {
    kept = await client.put(bytes, client.profile(k, n))
  })
  addPassage(bench, 'put', cell, put, n)
  addNeeds(bench, 'put', cell, put)
  addPutTimeline(bench, client, cell, put)
  meter.reset()
  let firstByteMs = 0
  const get = await passage(processes, async () => {
    firstByteMs = (await client.get(kept!)).firstByteMs
  })
  addPassage(bench, 'get', cell, get, k)
  addNeeds(bench, 'get', cell, get)
  const common = figureOf(bench, cell)
  bench.draft.add(
    {
      ...common('get/first-byte'),
      group: 'latency',
      label: `${common('').label}: first byte of a get`,
      unit: 'ms',
      better: 'lower',
    },
    firstByteMs,
  )
}

interface Passage {
  startMs: number
  endMs: number
  seconds: number
  cpu: ReturnType<typeof cpuBetween>
  /** Most resident memory of the client meanwhile. */
  peakMiB: number
  /** Of the client's main thread. */
  turns: Turns
}

async function passage(processes: Processes, work: () => Promise<void>): Promise<Passage> {
  const memory = new ClientMemory()
  const watch = new TurnWatch()
  const before = cpuSecondsBy(processes)
  const startMs = performance.now()
  await work()
  const endMs = performance.now()
  const cpu = cpuBetween(before, cpuSecondsBy(processes))
  const [peakMiB, turns] = [memory.end(), watch.end()]
  return { startMs, endMs, seconds: (endMs - startMs) / 1000, cpu, peakMiB, turns }
}

function figureOf({ settings }: Bench, { k, n, bytes }: Cell) {
  return (name: string) => ({
    id: `${name}/${shapeId({ k, n })}/${bytes}`,
    label: `${k}/${n} ${sizeLabel(bytes)}`,
    shape: `${k}/${n}`,
    bytes,
    profile: settings.profile,
  })
}

function addPassage(
  bench: Bench,
  way: 'put' | 'get',
  cell: Cell,
  { seconds, cpu }: Passage,
  columns: number,
): void {
  const { draft, settings } = bench
  const { k, n, bytes } = cell
  const common = figureOf(bench, cell)
  const label = (what: string) => `${common('').label}: ${way} ${what}`
  const group = 'throughput'
  draft.add(
    { ...common(`${way}/rate`), group, label: label('rate'), unit: 'MB/s', better: 'higher' },
    bytes / 1e6 / seconds,
  )
  draft.add(
    { ...common(`${way}/time`), group: 'latency', label: label('time'), unit: 'ms', better: 'lower' },
    seconds * 1000,
  )
  const { stripes } = layoutOf(Math.min(bytes, OBJECT_BYTES_MAX), k, n, settings.fragmentSize)
  const fragments = stripes * columns * Math.max(1, bytes / OBJECT_BYTES_MAX)
  draft.add(
    {
      ...common(`${way}/fragments`),
      group,
      label: label('fragments'),
      unit: 'fragments/s',
      better: 'higher',
    },
    fragments / seconds,
  )
  if (!cpu || bytes < CPU_BYTES_MIN) return
  for (const party of [...PARTIES, 'all'] as const)
    if (party !== 'proxy' || settings.profile !== 'loopback')
      draft.add(
        {
          ...common(`${way}/cpu/${party}`),
          group: 'cpu',
          label: label(`CPU, ${party}`),
          unit: 'CPU-s/GB',
          better: 'lower',
        },
        cpu[party] / (bytes / 1e9),
      )
}

/** What a passage needs of the machine of the light node: memory, and its network thread for how long at a time. */
function addNeeds(bench: Bench, way: 'put' | 'get', cell: Cell, { peakMiB, turns }: Passage): void {
  const common = figureOf(bench, cell)
  const label = (what: string) => `${common('').label}: ${way}, ${what}`
  const add = (name: string, what: string, group: string, unit: string, value: number) =>
    bench.draft.add({ ...common(`${way}/${name}`), group, label: label(what), unit, better: 'lower' }, value)
  add('memory', 'peak memory of the client', 'memory', 'MiB', peakMiB)
  add('turn/longest', 'longest turn of the network thread', 'turns', 'ms', turns.longest)
  add('turn/p99', 'turn of the network thread, p99', 'turns', 'ms', turns.p99)
}

/** Puts and gets of their own: watching wakes the nodes, which other figures must not pay for. */
async function watchNodes(
  bench: Bench,
  client: BenchClient,
  cells: Cell[],
  { nodes }: Processes,
): Promise<void> {
  const { settings, network } = bench
  const [cell] = cells.filter(({ bytes }) => bytes <= WATCHED_BYTES_MAX).sort((a, b) => b.bytes - a.bytes)
  if (!cell) return
  const common = figureOf(bench, cell)
  const add = (way: string, what: keyof Turns, turns: Turns | null) =>
    bench.draft.add(
      {
        ...common(`${way}/turn/node/${what}`),
        group: 'turns',
        label: `${common('').label}: ${way}, ${what} turn of a storage node’s network thread, the worst of all`,
        unit: 'ms',
        better: 'lower',
      },
      turns?.[what] ?? null,
    )
  for (let repeat = 0; repeat < (settings.mode === 'quick' ? 1 : settings.repeats); repeat++) {
    let kept: KeptRecord | null = null
    const put = await network.turns.during(nodes, async () => {
      kept = await client.put(cell.bytes, client.profile(cell.k, cell.n))
    })
    const get = await network.turns.during(nodes, () => client.get(kept!))
    for (const what of ['longest', 'p99'] as const) {
      add('put', what, put)
      add('get', what, get)
    }
  }
}

/** What the client saw of one put, moment by moment. A record of several objects has no single time line. */
function addPutTimeline(bench: Bench, client: BenchClient, cell: Cell, { startMs, endMs }: Passage): void {
  const { firstOpen, firstFragment, lastWrite, lastRead, ackMs } = client.meter.moments
  const { anchoredAt } = client
  const common = figureOf(bench, cell)
  if (ackMs.length > 0)
    bench.draft.add(
      {
        ...common('put/ack'),
        group: 'latency',
        label: `${common('').label}: put, durable receipt after the last frame, median of the columns`,
        unit: 'ms',
        better: 'lower',
      },
      medianOf(ackMs),
    )
  if (
    cell.bytes > OBJECT_BYTES_MAX ||
    firstOpen === null ||
    firstFragment === null ||
    lastWrite === null ||
    lastRead === null ||
    anchoredAt === null
  )
    return
  const marks = [startMs, firstOpen, firstFragment, lastWrite, lastRead, anchoredAt, endMs]
  const spans = marks.slice(1).map((mark, at) => Math.max(0, mark - marks[at]!))
  const names = [
    ['plan', 'read the network from the chain, choose places and guardians'],
    ['open', 'reach the storage nodes; they accept the order'],
    ['send', 'seal, split, encode, hash and transfer, all at the same time'],
    ['receipt', 'last frame out to last signed receipt in: everything is on disk'],
    ['anchor', 'the commitment is in a block'],
    ['custody', 'guardians keep the key shares; the vault keeps the key'],
  ] as const
  bench.draft.addTimeline(
    common('put').id,
    `put ${common('').label}`,
    names.map(([name, what], at) => [name, what, spans[at]!]),
  )
}

/** The client's peak begins anew with every put and get, that of the others with the stage. */
function addPeaks({ draft, settings }: Bench, processes: Processes): void {
  const largest = (pids: number[]) => {
    const peaks = pids.map(peakMiBOf).filter((peak) => peak !== null)
    return peaks.length > 0 ? Math.max(...peaks) : null
  }
  const head = { group: 'memory', unit: 'MiB', better: 'lower', profile: settings.profile } as const
  const passages = draft.figures().filter(({ id }) => /^(put|get)\/memory\//.test(id))
  draft.add(
    { ...head, id: 'memory/client', label: 'peak memory of the client, of all puts and gets' },
    passages.length > 0 ? Math.max(...passages.map(({ max }) => max)) : null,
  )
  draft.add(
    { ...head, id: 'memory/node', label: 'peak memory of the largest storage node' },
    largest(processes.nodes),
  )
  draft.add(
    { ...head, id: 'memory/guardian', label: 'peak memory of the largest guardian' },
    largest(processes.guardians),
  )
  draft.add({ ...head, id: 'memory/chain', label: 'peak memory of the chain' }, largest(processes.chain))
}
