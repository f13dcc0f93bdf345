import type { BenchClient } from './client.ts'
import { TurnWatch } from './machine/turns.ts'
import { sizeLabel } from './options.ts'
import type { Settings } from './report-shape.ts'
import { type Bench, shapeId } from './stage.ts'

type Cell = Settings['cells'][number]

const MIB = 1024 * 1024
/** Put and got once in each shape, whatever the run is like: it reaches the nodes. */
const FIRST_BYTES = 8 * MIB
/** A full run puts so much before it measures, or as long as this lasts, or twice what it will measure: whichever ends first. */
const LONG_BYTES_MAX = 3 * 1024 * MIB
const LONG_SECONDS_MAX = 30

/** @returns bytes that a run puts before it counts, beside the first record of each shape; at most. */
export function warmUpBytes({ mode, cells, repeats }: Settings): number {
  if (mode === 'quick') return 0
  return Math.min(LONG_BYTES_MAX, 2 * repeats * cells.reduce((sum, { bytes }) => sum + bytes, 0))
}

/**
 * Puts and gets that count nowhere but in the figures of what comes first. Every process of the network compiles its code as it is used: storage nodes
 * take half of the CPU of their first put when some GiB have passed through them, and they are processes that run for weeks.
 * @param cells that will be measured; their nodes can take all of them.
 */
export async function warmUp(bench: Bench, client: BenchClient, cells: readonly Cell[]): Promise<void> {
  const shapes = shapesOf(bench, cells)
  for (const [at, shape] of shapes.entries()) {
    bench.progress(0, `warming up ${shape.k}/${shape.n}`)
    await putFirst(bench, client, { ...shape, bytes: Math.min(FIRST_BYTES, shape.bytes) }, at === 0)
  }
  if (shapes[0]) await putLong(bench, client, shapes[0])
}

/** @returns the shapes that are measured, each with its largest size. */
function shapesOf({ settings }: Bench, cells: readonly Cell[]): Cell[] {
  return settings.shapes
    .map((shape) => {
      const sizes = cells.filter(({ k, n }) => k === shape.k && n === shape.n).map(({ bytes }) => bytes)
      return { ...shape, bytes: Math.max(0, ...sizes) }
    })
    .filter(({ bytes }) => bytes > 0)
}

/** @param isFirst of this process: code is compiled on its first use. */
async function putFirst(
  { draft, settings }: Bench,
  client: BenchClient,
  { k, n, bytes }: Cell,
  isFirst: boolean,
): Promise<void> {
  const watched = async <T>(way: string, work: () => Promise<T>): Promise<T> => {
    const watch = new TurnWatch()
    const found = await work()
    const { longest } = watch.end()
    const label = `first ${way} of a process: longest turn of the network thread`
    const head = { id: `${way}/turn/first`, label, group: 'turns', profile: settings.profile }
    if (isFirst) draft.add({ ...head, unit: 'ms', better: 'lower' }, longest)
    return found
  }
  const kept = await watched('put', () => client.put(bytes, client.profile(k, n)))
  await watched('get', () => client.get(kept))
}

async function putLong(bench: Bench, client: BenchClient, { k, n, bytes }: Cell): Promise<void> {
  const { settings, draft, progress } = bench
  const wanted = warmUpBytes(settings)
  const start = performance.now()
  const seconds = () => (performance.now() - start) / 1000
  let done = 0
  for (; done + bytes <= wanted && seconds() < LONG_SECONDS_MAX; done += bytes) {
    progress(0, `warming up ${k}/${n}, ${sizeLabel(done)} of at most ${sizeLabel(wanted)}`)
    const before = performance.now()
    const kept = await client.put(bytes, client.profile(k, n))
    const rate = bytes / 1e3 / (performance.now() - before)
    const label = `${k}/${n} ${sizeLabel(bytes)}: put rate of a fresh network`
    const head = { id: `put/fresh/${shapeId({ k, n })}/${bytes}`, group: 'throughput', label, bytes }
    const about = { shape: `${k}/${n}`, unit: 'MB/s', better: 'higher', profile: settings.profile } as const
    if (done === 0) draft.add({ ...head, ...about }, rate)
    await client.get(kept)
  }
  if (done > 0)
    draft.method.push(
      `put and get: ${sizeLabel(done)} were put and got before, in ${Math.round(seconds())} s, and count nowhere but as the first put of a fresh network: processes that run for weeks have compiled their code`,
    )
}
