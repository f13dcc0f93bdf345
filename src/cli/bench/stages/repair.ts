import { locateObject } from '../../../light-node/locate.ts'
import { type RepairedObject, repairObject } from '../../../light-node/repair/repair-object.ts'
import type { Transport } from '../../../ports.ts'
import type { Role } from '../../../sdk/roles/processes.ts'
import type { BenchClient, KeptRecord } from '../client.ts'
import { cpuBetween, cpuSecondsBy } from '../machine/processes.ts'
import { sizeLabel } from '../options.ts'
import { type Bench, fits, type Stage, shapeId, TimeBudget } from '../stage.ts'

const MIB = 1024 * 1024
/** For one shape; its first repair is measured whatever it takes. */
const BUDGET_SECONDS = { quick: 2, full: 15 }
/** A process that has just started is busy with itself. */
const SETTLE_SECONDS_MAX = { quick: 1.5, full: 10 }
const BYTES = { quick: 16 * MIB, full: 256 * MIB }

/** The node that keeps most columns of a record, and which. */
interface Victim {
  role: Role
  columns: number[]
}

/** A storage node loses its disk, again and again; its columns are made again from what the others have. */
export const repair: Stage = {
  name: 'repair',
  title: 'repair of a node that lost its disk',
  seconds: { quick: 6, full: 40 },
  needsNetwork: true,
  async run(bench) {
    const { settings, network, progress } = bench
    const { client } = await network.connect(settings.profile, settings.fragmentSize)
    const bytes = Math.min(BYTES[settings.mode], Math.max(...settings.cells.map((cell) => cell.bytes)))
    const shapes = settings.shapes.filter((shape) => fits(shape, settings.nodes))
    for (const [at, shape] of shapes.entries()) {
      progress(at / shapes.length, `${shape.k}/${shape.n}`)
      const kept = await client.put(bytes, client.profile(shape.k, shape.n))
      const victim = await victimOf(bench, client, kept)
      const budget = new TimeBudget(BUDGET_SECONDS[settings.mode])
      for (let repeat = 0; repeat < settings.repeats && (repeat === 0 || !budget.isOver); repeat++) {
        await network.loseDisk(victim.role)
        await network.untilSettled(SETTLE_SECONDS_MAX[settings.mode])
        await repairOnce(bench, client, kept, { ...shape, ...victim })
      }
    }
  },
}

async function victimOf({ network }: Bench, client: BenchClient, kept: KeptRecord): Promise<Victim> {
  const { holders } = await locateObject(client.ports.ledger, kept.stored.objectId)
  const columns = new Map<string, number[]>()
  for (const [column, holder] of holders.entries())
    if (holder) columns.set(holder.nodeId, [...(columns.get(holder.nodeId) ?? []), column])
  const most = [...columns].reduce((best, one) => (one[1].length > best[1].length ? one : best))
  return { role: (await network.nodesById()).get(most[0])!, columns: most[1] }
}

async function repairOnce(
  bench: Bench,
  client: BenchClient,
  kept: KeptRecord,
  { k, n, columns }: { k: number; n: number } & Victim,
): Promise<void> {
  const processes = await bench.network.processes()
  const read = { bytes: 0 }
  const ports = { ...client.ports, transport: countedReads(client.ports.transport, read) }
  const before = cpuSecondsBy(processes)
  const start = performance.now()
  const repaired = await repairObject(ports, kept.stored.objectId)
  const ms = performance.now() - start
  const cpu = cpuBetween(before, cpuSecondsBy(processes))
  requireRepaired(repaired, columns)
  const madeFragments = columns.length * repaired.stripes
  const theory = k * repaired.stripes * (repaired.bytes / madeFragments)
  const head = (name: string, label: string, unit: string, better: 'higher' | 'lower') => ({
    id: `repair/${name}/${shapeId({ k, n })}/${kept.bytes}`,
    ...{ group: 'repair', unit, better, shape: `${k}/${n}`, bytes: kept.bytes },
    label: `${k}/${n} ${sizeLabel(kept.bytes)}, ${columns.length} columns lost: ${label}`,
    profile: bench.settings.profile,
  })
  const { draft } = bench
  draft.add(head('read', 'surviving fragments read', 'MB/s', 'higher'), theory / 1e3 / ms)
  draft.add(head('rebuilt', 'fragments made again', 'MB/s', 'higher'), repaired.bytes / 1e3 / ms)
  draft.add(head('reads', 'bytes read for a byte of k fragments a stripe', '×', 'lower'), read.bytes / theory)
  draft.add(head('cpu', 'CPU for what is read', 'CPU-s/GB', 'lower'), cpu && cpu.all / (theory / 1e9))
}

/** A repair that left something out is no measurement. */
function requireRepaired(
  { columns, columnsOf, unkept, repaired, away }: RepairedObject,
  lost: number[],
): void {
  const isWhole = columns + unkept.length === columnsOf
  if (!isWhole || repaired.length !== 1 || repaired[0]!.columns.join() !== lost.join())
    throw new Error(
      `of columns ${lost.join(', ')} not all were repaired: ${JSON.stringify({ repaired, away })}`,
    )
}

/** Counts whole frames that came from storage nodes, hashes, manifests and receipts included. */
function countedReads(transport: Transport, count: { bytes: number }): Transport {
  return {
    open: async (...args) => {
      const stream = await transport.open(...args)
      return {
        remote: stream.remote,
        write: (...parts) => stream.write(...parts),
        read: async (maxBytes, idleMs) => {
          const frame = await stream.read(maxBytes, idleMs)
          count.bytes += frame?.length ?? 0
          return frame
        },
        close: () => stream.close(),
        release: () => stream.release(),
        abort: (reason) => stream.abort(reason),
      }
    },
  }
}
