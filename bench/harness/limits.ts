import { reasonOf } from './measure.ts'
import { benchFile } from './program.ts'
import { runOnce } from './run-once.ts'
import { interleaved } from './statistics.ts'

const DEADLINE_MS = 120_000
const LIMIT_BYTES = 256 * 1024 * 1024

/** A limit of the machine or of Node, measured in the same run. */
export interface LimitEntry {
  id: string
  name: string
}

/** Every limit the bench knows. */
export const LIMITS: LimitEntry[] = [
  { id: 'copy', name: 'memory copy, 64 MiB at a time' },
  { id: 'tcp', name: 'raw TCP over loopback, two processes, 256 KiB writes' },
  { id: 'tls', name: 'Node TLS 1.3 over loopback, two processes, 256 KiB writes' },
  { id: 'wire', name: 'our wire: libp2p, TLS on the raw socket, yamux, frames of 256 KiB' },
  {
    id: 'fan-out',
    name: 'Node TLS 1.3 to 12 processes, each MiB written past the page cache and synced before its acknowledgement',
  },
  { id: 'disk', name: 'sequential write of 256 MiB and one fdatasync' },
  { id: 'aead', name: 'AES-256-GCM of Node, 64 KiB at a time, one thread' },
  { id: 'blake3', name: 'BLAKE3 (native), 64 KiB at a time, one thread' },
]

/** All runs of one limit; `failure` says why there are none or not all. */
export interface LimitSeries {
  limit: string
  runs: { bytes: number; seconds: number; cpuSeconds: number }[]
  verified: boolean
  failure: string | null
}

/** Runs every limit in turns, each time in a process of its own. */
export async function measureLimits(
  entries: LimitEntry[],
  { scratch, repeats, tell }: { scratch: string; repeats: number; tell: (text: string) => void },
): Promise<LimitSeries[]> {
  const all = entries.map(({ id }) => ({ limit: id, runs: [], verified: true, failure: null }) as LimitSeries)
  for (const round of interleaved(all, repeats))
    for (const series of round) {
      if (series.failure !== null) continue
      tell(`limit: ${series.limit}`)
      try {
        await runLimit(series, scratch, LIMIT_BYTES)
      } catch (error) {
        series.failure = reasonOf(error)
      }
    }
  return all
}

/** Runs one limit once more. @throws Error when it fails or takes too long. */
export async function runLimit(series: LimitSeries, scratch: string, bytes: number): Promise<void> {
  const command = [process.execPath, benchFile('limits/limits.ts'), series.limit, String(bytes), scratch]
  const run = await runOnce(command, DEADLINE_MS)
  series.runs.push({
    bytes: Number(run.bytes),
    seconds: Number(run.seconds),
    cpuSeconds: Number(run.cpuSeconds),
  })
  series.verified &&= run.verified === true
}
