import { locateObject } from '../../../light-node/locate.ts'
import type { Role } from '../../../sdk/roles/processes.ts'
import type { BenchClient, KeptRecord } from '../client.ts'
import { cpuBetween, cpuSecondsBy } from '../machine/processes.ts'
import { sizeLabel } from '../options.ts'
import { type Bench, fits, type Stage, shapeId, TimeBudget } from '../stage.ts'

const MIB = 1024 * 1024
/** For one shape, with and without losses; the first get of each is measured whatever it takes. */
const BUDGET_SECONDS = { quick: 6, full: 25 }
const BYTES = { quick: 16 * MIB, full: 256 * MIB }

/** Gets with all nodes up and with as many killed as the code can bear. */
export const losses: Stage = {
  name: 'losses',
  title: 'get without loss and with n - k columns killed',
  seconds: { quick: 8, full: 45 },
  needsNetwork: true,
  async run(bench) {
    const { settings, network, progress } = bench
    const { client } = await network.connect(settings.profile, settings.fragmentSize)
    const bytes = Math.min(BYTES[settings.mode], Math.max(...settings.cells.map((cell) => cell.bytes)))
    const shapes = settings.shapes.filter((shape) => fits(shape, settings.nodes))
    for (const [at, shape] of shapes.entries()) {
      progress(at / shapes.length, `${shape.k}/${shape.n}`)
      const kept = await client.put(bytes, client.profile(shape.k, shape.n))
      await getSome(bench, client, kept, { ...shape, lost: 0 })
      const { roles, lost } = await bearable(bench, client, kept, shape)
      await network.kill(roles)
      progress((at + 0.5) / shapes.length, `${shape.k}/${shape.n}, ${lost} of ${shape.n} columns killed`)
      await getSome(bench, client, kept, { ...shape, lost })
      if (at + 1 === shapes.length) continue
      await network.restart(roles)
      await network.untilSettled(10)
    }
  },
}

async function getSome(
  { settings, draft, network }: Bench,
  client: BenchClient,
  kept: KeptRecord,
  { k, n, lost }: { k: number; n: number; lost: number },
): Promise<void> {
  const processes = await network.processes()
  const state = lost > 0 ? 'lost' : 'whole'
  const head = {
    ...{ group: 'losses', shape: `${k}/${n}`, bytes: kept.bytes, profile: settings.profile },
    label: `${k}/${n} ${sizeLabel(kept.bytes)}: get, ${lost > 0 ? `${lost} of ${n} columns killed` : 'no loss'}`,
  }
  const id = (what: string) => `losses/${state}/${what}/${shapeId({ k, n })}/${kept.bytes}`
  const budget = new TimeBudget(BUDGET_SECONDS[settings.mode] / 2)
  for (let repeat = 0; repeat < settings.repeats && (repeat === 0 || !budget.isOver); repeat++) {
    const before = cpuSecondsBy(processes)
    const { totalMs } = await client.get(kept)
    const cpu = cpuBetween(before, cpuSecondsBy(processes))
    draft.add({ ...head, id: id('rate'), unit: 'MB/s', better: 'higher' }, kept.bytes / 1e3 / totalMs)
    draft.add(
      { ...head, id: id('cpu'), label: `${head.label}, CPU`, unit: 'CPU-s/GB', better: 'lower' },
      cpu && cpu.all / (kept.bytes / 1e9),
    )
  }
}

/** The nodes whose loss comes closest to n - k columns without going beyond; columns that were never stored count as lost. */
async function bearable(
  { network }: Bench,
  client: BenchClient,
  kept: KeptRecord,
  { k, n }: { k: number; n: number },
): Promise<{ roles: Role[]; lost: number }> {
  const { holders } = await locateObject(client.ports.ledger, kept.stored.objectId)
  const columns = new Map<string, number>()
  for (const holder of holders) if (holder) columns.set(holder.nodeId, (columns.get(holder.nodeId) ?? 0) + 1)
  const nodes = await network.nodesById()
  // Holders of the first columns go first: data columns, so that there is something to rebuild.
  const ordered = [...columns].filter(([nodeId]) => nodes.has(nodeId))
  let lost = holders.filter((holder) => holder === null).length
  const roles: Role[] = []
  for (const [nodeId, count] of ordered) {
    if (lost + count > n - k) continue
    lost += count
    roles.push(nodes.get(nodeId)!)
  }
  return { roles, lost }
}
