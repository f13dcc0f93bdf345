import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { asXcareError } from '../../errors.ts'
import { text, uint, z } from '../../schema.ts'
import { readOrNull, replaceFile } from '../folder.ts'
import { parseJsonFile } from '../network/network-folder.ts'

const runShape = z.strictObject({
  pid: uint(),
  born: text(40),
  startedMs: uint(),
  ready: z.record(z.string(), z.unknown()),
})

/** What a running process of the network says of itself in its folder. */
export type RunFile = z.infer<typeof runShape>

/** A started part of the network: facts for whoever started it, and how to end it. */
export interface StartedRole {
  ready: Record<string, unknown>
  stop(): Promise<void>
}

/**
 * Runs one part of the network as this process until it is told to end: starts it, writes `run.json` into its folder,
 * tells the parent, ends it on SIGTERM and SIGINT. Resolves when it has ended.
 */
export async function runRole(folder: string, start: () => Promise<StartedRole>): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
  })
  const role = await start().catch(async (error: unknown) => {
    const { code, message, next } = asXcareError(error)
    await tellParent({ type: 'failed', code, message, next })
    throw error
  })
  const run: RunFile = {
    pid: process.pid,
    born: bornOf(process.pid),
    startedMs: Date.now(),
    ready: role.ready,
  }
  await replaceFile(join(folder, 'run.json'), JSON.stringify(run))
  await tellParent({ type: 'ready', ...role.ready })
  await stopped
  await role.stop()
  await rm(join(folder, 'run.json'), { force: true })
}

async function tellParent(message: Record<string, unknown>): Promise<void> {
  process.stdout.write(`${JSON.stringify(message)}\n`)
  if (!process.send || !process.connected) return
  await new Promise<void>((resolve) => process.send?.(message, undefined, {}, () => resolve()))
  if (process.connected) process.disconnect()
}

/** @returns the process that serves `folder` now, or null when none is alive. */
export async function runningRole(folder: string): Promise<RunFile | null> {
  const content = await readOrNull(join(folder, 'run.json'))
  if (!content) return null
  const run = parseJsonFile(content, runShape, join(folder, 'run.json'))
  return isAlive(run) ? run : null
}

/** @returns whether the very process of `run` is alive; another process with its number does not count. */
export function isAlive(run: Pick<RunFile, 'pid' | 'born'>): boolean {
  try {
    process.kill(run.pid, 0)
  } catch {
    return false
  }
  return bornOf(run.pid) === run.born
}

/** @returns the start time of a process in kernel ticks, so that a reused process number is told apart; `unknown` where there is no /proc. */
export function bornOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // A zombie still has its number but serves nobody.
    return fields[0] === 'Z' ? 'ended' : fields[19]!
  } catch {
    return 'unknown'
  }
}
