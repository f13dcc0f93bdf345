import { closeSync, fdatasyncSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { arch, cpus, release, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'

const FSYNC_WRITES = 100
const PAGE_BYTES = 4096

/** What a figure must be read against. */
export interface Machine {
  cpu: string
  cores: number
  memoryGiB: number
  kernel: string
  node: string
  /** 4 KiB append and fdatasync, median and 99th percentile in ms. */
  fsyncMs: { p50: number; p99: number }
}

/** @returns the machine this runs on, with a quick probe of how long its disk takes to make a page durable. */
export function fingerprint(): Machine {
  const processors = cpus()
  return {
    cpu: processors[0]?.model ?? 'unknown',
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${process.platform} ${release()} ${arch()}`,
    node: process.version,
    fsyncMs: probeFsync(),
  }
}

function probeFsync(): { p50: number; p99: number } {
  const scratch = mkdtempSync(join(tmpdir(), 'xcare-fsync-'))
  const file = openSync(join(scratch, 'probe'), 'w')
  const page = new Uint8Array(PAGE_BYTES)
  try {
    const times = Array.from({ length: FSYNC_WRITES }, () => {
      const start = performance.now()
      writeSync(file, page)
      fdatasyncSync(file)
      return performance.now() - start
    }).sort((a, b) => a - b)
    return { p50: round(times[FSYNC_WRITES / 2]!), p99: round(times[FSYNC_WRITES - 2]!) }
  } finally {
    closeSync(file)
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** CPU seconds used so far by a process, user and system, or 0 where the system does not tell. */
export function cpuSecondsOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / 100
  } catch {
    return 0
  }
}

/** Most memory a process ever held, in MiB, or 0 where the system does not tell. */
export function peakMiBOf(pid: number): number {
  try {
    const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    return Math.round(Number(peak?.[1] ?? 0) / 1024)
  } catch {
    return 0
  }
}

/** @returns `value` with three significant digits. */
export function round(value: number): number {
  return Number(value.toPrecision(3))
}
