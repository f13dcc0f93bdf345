import { institutionCap } from '../../../fragment/placement.ts'
import { profileFor } from '../../../fragment/profile.ts'
import { closedLoop } from '../load/generate.ts'
import type { Connected } from '../network.ts'
import { sizeLabel } from '../options.ts'
import { PROXIED } from '../proxy/profiles.ts'
import { type Bench, fits, type Stage, shapeId, smallShape, TimeBudget } from '../stage.ts'

const MIB = 1024 * 1024
const BYTES = { quick: MIB, full: 4 * MIB }
const REPEATS_MAX = 3
/** For the large records of one profile; the first of each is measured whatever it takes. */
const BUDGET_SECONDS = { quick: 6, full: 15 }
const SMALL = { bytes: 4096, inFlight: 8, count: 200, seconds: 4 }

/** The same work over longer and thinner lines: every connection of the light node goes through the proxy. */
export const profiles: Stage = {
  name: 'profiles',
  title: `put and get over ${PROXIED.join(', ')}`,
  seconds: { quick: 30, full: 60 },
  needsNetwork: true,
  async run(bench) {
    const { settings, network, progress } = bench
    const names =
      settings.profile === 'loopback' ? PROXIED : PROXIED.filter((name) => name !== settings.profile)
    for (const [at, name] of names.entries()) {
      progress(at / names.length, name)
      const connected = await network.connect(name, settings.fragmentSize)
      try {
        await overProfile(bench, connected, name)
      } finally {
        await network.disconnect(connected)
      }
    }
  },
}

async function overProfile(
  { settings, draft }: Bench,
  { client, proxy }: Connected,
  name: string,
): Promise<void> {
  const bytes = BYTES[settings.mode]
  const shape = smallShape(settings)
  const profile = client.profile(shape.k, shape.n)
  const label = `${shape.k}/${shape.n} over ${name}`
  await client.get(await client.put(SMALL.bytes, profile))
  const before = await proxy!.total()
  const budget = new TimeBudget(BUDGET_SECONDS[settings.mode])
  for (
    let repeat = 0;
    repeat < Math.min(REPEATS_MAX, settings.repeats) && (repeat === 0 || !budget.isOver);
    repeat++
  ) {
    const start = performance.now()
    const kept = await client.put(bytes, profile)
    const middle = performance.now()
    await client.get(kept)
    const rates = { put: bytes / 1e3 / (middle - start), get: bytes / 1e3 / (performance.now() - middle) }
    for (const [way, rate] of Object.entries(rates))
      draft.add(
        {
          id: `profile/${way}/${name}/${shapeId(shape)}/${bytes}`,
          group: 'profiles',
          label: `${label}: ${way} ${sizeLabel(bytes)}`,
          unit: 'MB/s',
          better: 'higher',
          shape: `${shape.k}/${shape.n}`,
          bytes,
          profile: name,
        },
        rate,
      )
  }
  requireThroughProxy(bytes, await proxy!.total(), before)
  const result = await closedLoop(SMALL, async () => void (await client.put(SMALL.bytes, profile)))
  const load = { kind: 'closed' as const, inFlight: SMALL.inFlight }
  const summary = draft.addLatency(
    `profile/small/${name}`,
    `put 4 KiB, ${label}, ${SMALL.inFlight} in flight`,
    load,
    [result],
  )
  if (summary)
    draft.add(
      {
        id: `profile/small/${name}/p50`,
        group: 'profiles',
        label: `${label}: put 4 KiB, p50 at ${SMALL.inFlight} in flight`,
        unit: 'ms',
        better: 'lower',
        profile: name,
      },
      summary.p50,
    )
}

/** A proxy that something went around would measure nothing. */
function requireThroughProxy(
  bytes: number,
  after: { upBytes: number; downBytes: number },
  before: { upBytes: number; downBytes: number },
): void {
  const up = after.upBytes - before.upBytes
  const down = after.downBytes - before.downBytes
  if (up < bytes || down < bytes)
    throw new Error(`only ${up} bytes up and ${down} bytes down went through the proxy`)
}

/** Connections cut in the middle of a put: it goes on with the nodes that are left, and the record can be read. */
export const cuts: Stage = {
  name: 'cuts',
  title: 'puts while connections are cut',
  seconds: { quick: 6, full: 10 },
  needsNetwork: true,
  async run(bench) {
    const { settings, draft, network, progress } = bench
    const shape = smallShape(settings)
    const { n, k, target } = profileFor(shape.k, shape.n)
    const count = Math.floor((n - target) / institutionCap(k))
    if (count === 0 || !fits(shape, settings.nodes)) {
      draft.method.push(
        `cuts: ${shape.k}/${shape.n} has no column to spare on the nodes of this run, so that none is cut off`,
      )
      return
    }
    const connected = await network.connect('lan', settings.fragmentSize)
    const { client, proxy } = connected
    try {
      const profile = client.profile(shape.k, shape.n)
      await client.get(await client.put(SMALL.bytes, profile))
      const routes = await nodeRoutes(bench, connected)
      const bytes = 2 * BYTES[settings.mode]
      for (let repeat = 0; repeat < Math.min(REPEATS_MAX, settings.repeats); repeat++) {
        progress(repeat / settings.repeats, `${count} of ${settings.nodes} nodes cut`)
        const cut = routes.slice(repeat, repeat + count)
        for (const route of cut) await proxy!.cut(route, bytes / profile.k / 2)
        const start = performance.now()
        const kept = await client.put(bytes, profile)
        const rate = bytes / 1e3 / (performance.now() - start)
        await client.get(kept)
        for (const route of cut) await proxy!.mend(route)
        draft.add(
          {
            id: `cuts/put/${shapeId(shape)}/${bytes}`,
            group: 'profiles',
            label: `${shape.k}/${shape.n} over lan: put ${sizeLabel(bytes)} while ${count} of ${settings.nodes} nodes are cut off`,
            unit: 'MB/s',
            better: 'higher',
            shape: `${shape.k}/${shape.n}`,
            bytes,
            profile: 'lan',
          },
          rate,
        )
      }
      if ((await proxy!.total()).cuts === 0) throw new Error('no connection was cut')
    } finally {
      await network.disconnect(connected)
    }
  },
}

/** Numbers of the proxy's routes to storage nodes. */
async function nodeRoutes({ network }: Bench, { proxy }: Connected): Promise<number[]> {
  const routes: number[] = []
  for (const address of await network.nodeEndpoints())
    routes.push((await proxy!.route(address.ip, address.port)).route)
  return routes
}
