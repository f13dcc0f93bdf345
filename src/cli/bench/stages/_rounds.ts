import type { LoadResult } from '../load/generate.ts'
import { summarize } from '../load/histogram.ts'
import { cpuBetween, cpuSecondsBy, PARTIES } from '../machine/processes.ts'
import type { Latency } from '../report-shape.ts'
import type { Bench } from '../stage.ts'

/** Runs a load as often as the run repeats, and adds its figures and its latencies. */
export async function rounds(
  { settings, draft, network }: Bench,
  { id, label, load }: { id: string; label: string; load: Latency['load'] },
  once: () => Promise<LoadResult>,
): Promise<void> {
  const processes = await network.processes()
  const results: LoadResult[] = []
  const head = { group: 'small', profile: settings.profile }
  for (let repeat = 0; repeat < settings.repeats; repeat++) {
    const before = cpuSecondsBy(processes)
    const result = await once()
    const used = cpuBetween(before, cpuSecondsBy(processes))
    results.push(result)
    const done = result.latencies.length
    if (done === 0) continue
    for (const party of [...PARTIES, 'all'] as const)
      if (used && (party !== 'proxy' || settings.profile !== 'loopback'))
        draft.add(
          {
            ...{ id: `${id}/cpu/${party}`, group: 'small-cpu', label: `${label}: CPU, ${party}` },
            ...{ unit: 'CPU-ms/record', better: 'lower', profile: settings.profile },
          },
          (used[party] * 1000) / done,
        )
    const { p50, p95, p99 } = summarize(result.latencies)
    for (const [name, value] of Object.entries({ p50, p95, p99 }))
      draft.add(
        { ...head, id: `${id}/${name}`, label: `${label}: ${name}`, unit: 'ms', better: 'lower' },
        value,
      )
    draft.add(
      { ...head, id: `${id}/rate`, label: `${label}: rate`, unit: 'records/s', better: 'higher' },
      done / result.seconds,
    )
  }
  draft.addLatency(id, label, load, results)
}
