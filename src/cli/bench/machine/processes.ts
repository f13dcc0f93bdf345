import { readFileSync, writeFileSync } from 'node:fs'
import { round } from '../statistics.ts'

/** Parts of the network as the report counts them; `proxy` stands in for the wire. */
export const PARTIES = ['client', 'nodes', 'guardians', 'chain', 'proxy'] as const
/** One of them. */
export type Party = (typeof PARTIES)[number]

/** Process numbers by party. */
export type Processes = Record<Party, number[]>

/** CPU seconds by party, or null where the system does not tell. */
export type CpuSeconds = Record<Party, number> | null

const TICKS_PER_SECOND = 100

/** CPU seconds used so far by a process, user and system, or null where the system does not tell or the process has ended. */
function cpuSecondsOf(pid: number): number | null {
  const fields = statOf(pid)
  return fields && (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/** What the system tells of a process, from its state on; see proc(5). */
function statOf(pid: number): string[] | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return null
  }
}

/** @returns CPU seconds used so far by each party; ended processes count nothing. Null without a /proc. */
export function cpuSecondsBy(processes: Processes): CpuSeconds {
  if (cpuSecondsOf(process.pid) === null) return null
  const used = { client: 0, nodes: 0, guardians: 0, chain: 0, proxy: 0 }
  for (const party of PARTIES) for (const pid of processes[party]) used[party] += cpuSecondsOf(pid) ?? 0
  return used
}

/** @returns what each party used between two readings, and all together. */
export function cpuBetween(
  before: CpuSeconds,
  after: CpuSeconds,
): (Record<Party, number> & { all: number }) | null {
  if (!before || !after) return null
  const used = { client: 0, nodes: 0, guardians: 0, chain: 0, proxy: 0, all: 0 }
  for (const party of PARTIES) {
    used[party] = Math.max(0, after[party] - before[party])
    used.all += used[party]
  }
  return used
}

/** How much of this machine other programs use while a run lasts. */
export class OtherLoad {
  readonly #start = this.#now({ client: [process.pid], nodes: [], guardians: [], chain: [], proxy: [] })

  /** @param processes those of the run that are alive. @returns cores that others kept busy since the begin, on average; null where the system does not tell. */
  cores(processes: Processes): number | null {
    const now = this.#now(processes)
    if (!now || !this.#start) return null
    const others = now.busy - this.#start.busy - (now.own - this.#start.own)
    return round(Math.max(0, others) / Math.max(now.wall - this.#start.wall, 0.1))
  }

  #now(processes: Processes): { wall: number; busy: number; own: number } | null {
    const busy = busySecondsOfAll()
    const used = cpuSecondsBy(processes)
    if (busy === null || !used) return null
    const alive = Object.values(used).reduce((sum, seconds) => sum + seconds, 0)
    return { wall: performance.now() / 1000, busy, own: alive + endedChildrenSeconds() }
  }
}

/** CPU seconds of children of this process that have ended: killed nodes, far ends, proxies. */
function endedChildrenSeconds(): number {
  const fields = statOf(process.pid)
  return fields ? (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND : 0
}

/** CPU seconds that everything on this machine has used since it started, all cores together, or null where the system does not tell. */
function busySecondsOfAll(): number | null {
  try {
    const [line] = readFileSync('/proc/stat', 'utf8').split('\n')
    const [user, nice, system, , , irq, softirq, steal] = line!.trim().split(/\s+/).slice(1).map(Number)
    return (user! + nice! + system! + irq! + softirq! + steal!) / TICKS_PER_SECOND
  } catch {
    return null
  }
}

/** Most memory a process held since `forgetPeak`, in MiB, or null where the system does not tell. */
export function peakMiBOf(pid: number): number | null {
  try {
    const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    return peak ? round(Number(peak[1]) / 1024) : null
  } catch {
    return null
  }
}

/** Lets the peak of a process begin anew from what it holds now. @returns whether the system can. */
export function forgetPeak(pid: number): boolean {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5')
    return true
  } catch {
    return false
  }
}
