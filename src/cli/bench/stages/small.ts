import type { BenchClient, KeptRecord } from '../client.ts'
import { closedLoop, openLoop } from '../load/generate.ts'
import { type Bench, type Stage, smallShape } from '../stage.ts'
import { gatheredPuts } from './_gathered-puts.ts'
import { rounds } from './_rounds.ts'

const RECORD_BYTES = 4096
/** A full run works so long before it counts: processes that run for weeks have compiled what a small put uses. */
const WARM_UP = { quick: { count: 24, seconds: 5 }, full: { count: 2000, seconds: 20 } }
const ROUNDS = { quick: { count: 300, seconds: 2 }, full: { count: 2000, seconds: 6 } }
const OPEN_SECONDS = { quick: 3, full: 20 }
/** The open loop runs below what the closed loop reached: at the edge, queues tell more about the edge than about the system. */
const OPEN_SHARE = 0.6
const OPEN_IN_FLIGHT_MAX = 512

/** Records of 4 KiB: many at a time, each an object and gathered into bundles; one at a time; at a fixed rate. */
export const small: Stage = {
  name: 'small',
  title: 'records of 4 KiB, closed and open loop',
  seconds: { quick: 23, full: 130 },
  needsNetwork: true,
  async run(bench) {
    const { settings, draft, network, progress } = bench
    const { client } = await network.connect(settings.profile, settings.fragmentSize)
    const shape = smallShape(settings)
    const profile = client.profile(shape.k, shape.n)
    const kept: KeptRecord[] = []
    const put = async () => void kept.push(await client.put(RECORD_BYTES, profile))
    const get = async (index: number) => void (await client.get(kept[index % kept.length]!))
    const span = ROUNDS[settings.mode]
    progress(0, 'warming up')
    const warm = await closedLoop({ inFlight: settings.concurrency, ...WARM_UP[settings.mode] }, put)
    draft.method.push(
      `small records: ${warm.latencies.length} were put before, in ${Math.round(warm.seconds)} s, and count nowhere`,
    )
    const label = `${shape.k}/${shape.n}, 4 KiB`
    const closed = { kind: 'closed' as const, inFlight: settings.concurrency }
    progress(0.1, `put, ${settings.concurrency} in flight`)
    await rounds(
      bench,
      { id: `small/put/closed`, label: `put ${label}, ${settings.concurrency} in flight`, load: closed },
      () => closedLoop({ ...closed, ...span }, put),
    )
    progress(0.3, `put, gathered, ${settings.concurrency} in flight`)
    await gatheredPuts(bench, client, profile, { label, bytes: RECORD_BYTES })
    progress(0.5, `get, ${settings.concurrency} in flight`)
    await rounds(
      bench,
      { id: `small/get/closed`, label: `get ${label}, ${settings.concurrency} in flight`, load: closed },
      () => closedLoop({ ...closed, ...span }, get),
    )
    const alone = { kind: 'closed' as const, inFlight: 1 }
    progress(0.75, 'put, one at a time')
    await rounds(bench, { id: 'small/put/alone', label: `put ${label}, one at a time`, load: alone }, () =>
      closedLoop({ ...alone, count: span.count, seconds: span.seconds / 3 }, put),
    )
    const reached = draft.median('small/put/closed/rate') ?? 0
    const perSecond = settings.ratePerSecond ?? Math.max(1, Math.floor(reached * OPEN_SHARE))
    progress(0.85, `put, open loop at ${perSecond}/s`)
    await openPuts(bench, label, perSecond, put)
  },
}

/** The offered rate is chosen from what was just reached, so its latencies are shown, and compared only when the rate was given. */
async function openPuts(
  bench: Bench,
  label: string,
  perSecond: number,
  put: () => Promise<void>,
): Promise<void> {
  const { settings, draft } = bench
  const load = { perSecond, seconds: OPEN_SECONDS[settings.mode], inFlightMax: OPEN_IN_FLIGHT_MAX }
  const result = await openLoop(load, put)
  const summary = draft.addLatency(
    'small/put/open',
    `put ${label}, open loop at ${perSecond}/s, from the intended start`,
    { kind: 'open', perSecond },
    [result],
  )
  if (!summary || settings.ratePerSecond === null) return
  for (const name of ['p50', 'p99'] as const)
    draft.add(
      {
        id: `small/put/open/${name}`,
        group: 'small',
        label: `put ${label}, open loop at ${perSecond}/s: ${name}`,
        unit: 'ms',
        better: 'lower',
        profile: settings.profile,
      },
      summary[name],
    )
}

/** Puts 4 KiB records with more and more callers: where the rate stops growing and the latency starts to. */
export const sweep: Stage = {
  name: 'sweep',
  title: 'records of 4 KiB with 1 to 64 callers',
  seconds: { quick: 16, full: 30 },
  needsNetwork: true,
  async run(bench) {
    const { settings, draft, network, progress } = bench
    const { client } = await network.connect(settings.profile, settings.fragmentSize)
    const shape = smallShape(settings)
    const levels = [1, 2, 4, 8, 16, 32, 64]
    for (const [at, inFlight] of levels.entries()) {
      progress(at / levels.length, `${inFlight} in flight`)
      const result = await closedLoop(
        { inFlight, count: 4000, seconds: settings.mode === 'quick' ? 2 : 4 },
        putOf(client, shape),
      )
      const label = `put ${shape.k}/${shape.n}, 4 KiB, ${inFlight} in flight`
      const summary = draft.addLatency(`sweep/${inFlight}`, label, { kind: 'closed', inFlight }, [result])
      if (!summary) continue
      const head = { group: 'sweep', profile: settings.profile }
      draft.add(
        {
          ...head,
          id: `sweep/${inFlight}/rate`,
          label: `${label}: rate`,
          unit: 'records/s',
          better: 'higher',
        },
        result.latencies.length / result.seconds,
      )
      draft.add(
        { ...head, id: `sweep/${inFlight}/p50`, label: `${label}: p50`, unit: 'ms', better: 'lower' },
        summary.p50,
      )
      draft.add(
        { ...head, id: `sweep/${inFlight}/p99`, label: `${label}: p99`, unit: 'ms', better: 'lower' },
        summary.p99,
      )
    }
  },
}

function putOf(client: BenchClient, { k, n }: { k: number; n: number }): () => Promise<void> {
  const profile = client.profile(k, n)
  return async () => {
    await client.put(RECORD_BYTES, profile)
  }
}
