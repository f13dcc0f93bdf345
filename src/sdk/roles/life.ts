import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fromUtf8 } from '../../bytes.ts'
import { bootId, isHeld } from '../../local/lock.ts'
import { text, uint, z } from '../../schema.ts'
import { readOrNull, replaceFile } from '../folder.ts'

const runShape = z.strictObject({
  pid: uint(),
  born: text(40),
  /** Start of the machine that the two are of. */
  boot: text(64),
  startedMs: uint(),
  /** Facts for others; null until it serves. */
  ready: z.record(z.string(), z.unknown()).nullable(),
})

/** What a running process of the network says of itself in its folder, once it serves. */
export type RunFile = z.infer<typeof runShape> & { ready: Record<string, unknown> }

/** A process of this machine, told apart from a later one with its number. */
export interface ProcessId {
  pid: number
  born: string
}

/**
 * What lives in the folder of a part. `held` by a process that does not say who it is: its run file is
 * damaged, or it is of another container; `process` is what the system itself knows.
 */
export type Life =
  | { state: 'stopped' }
  | { state: 'starting'; process: ProcessId }
  | { state: 'runs'; process: ProcessId; run: RunFile }
  | { state: 'held'; process: ProcessId | null }

/** The lock that a part holds for as long as it lives. */
export const lifeLockOf = (folder: string): string => join(folder, 'run.lock')

/**
 * @returns what lives in `folder`. Only who holds the lock there counts: a copy of the folder has another
 * lock, and the end of a process is the end of its hold, so that nothing that was written down before can
 * pass for a living process.
 */
export async function lifeOf(folder: string): Promise<Life> {
  const lock = lifeLockOf(folder)
  if (!isHeld(lock)) return { state: 'stopped' }
  const holder = holderOf(lock)
  const run = await readRun(folder)
  if (!run || run.boot !== bootId() || !isAlive(run) || (holder !== null && holder !== run.pid))
    return { state: 'held', process: holder === null ? null : { pid: holder, born: bornOf(holder) } }
  const process = { pid: run.pid, born: run.born }
  return run.ready ? { state: 'runs', process, run: run as RunFile } : { state: 'starting', process }
}

/** @returns the process that serves `folder` now, or null when none does. */
export async function runningRole(folder: string): Promise<RunFile | null> {
  const life = await lifeOf(folder)
  return life.state === 'runs' ? life.run : null
}

/**
 * Writes down that this process lives in `folder`, whose lock it holds.
 * @param ready what others may know, null until it serves.
 */
export async function writeRun(folder: string, ready: RunFile['ready'] | null): Promise<void> {
  const run = { pid: process.pid, born: bornOf(process.pid), boot: bootId(), startedMs: Date.now(), ready }
  await replaceFile(join(folder, 'run.json'), JSON.stringify(run))
}

async function readRun(folder: string): Promise<z.infer<typeof runShape> | null> {
  try {
    const content = await readOrNull(join(folder, 'run.json'))
    return content && runShape.parse(JSON.parse(fromUtf8(content)))
  } catch {
    // Whoever holds the lock lives, whatever became of this file.
    return null
  }
}

/** @returns whether the very process is alive; another process with its number does not count. */
export function isAlive({ pid, born }: ProcessId): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  return bornOf(pid) === born
}

/**
 * @returns the start time of a process in kernel ticks, so that a reused process number is told apart;
 * `unknown` where there is no /proc.
 */
export function bornOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // A zombie still has its number but serves nobody; while a thread of it is left, its files and locks are
    // not free yet.
    return fields[0] === 'Z' && Number(fields[17]) <= 1 ? 'ended' : fields[19]!
  } catch {
    return 'unknown'
  }
}

/**
 * @returns the process that the kernel says holds a lock on `file`, as this container sees it; null where it
 * does not say.
 */
export function holderOf(file: string): number | null {
  try {
    const { dev, ino } = statSync(file)
    const hex = (number: number) => number.toString(16).padStart(2, '0')
    const major = (dev >> 8) & 0xfff
    const minor = (dev & 0xff) | ((dev >> 12) & 0xfff00)
    const wanted = `${hex(major)}:${hex(minor)}:${ino}`
    const line = readFileSync('/proc/locks', 'utf8')
      .split('\n')
      .map((row) => row.trim().split(/\s+/))
      .find((fields) => fields[3] === 'WRITE' && fields[5] === wanted)
    const pid = Number(line?.[4])
    return Number.isInteger(pid) && pid > 0 ? pid : null
  } catch {
    return null
  }
}
