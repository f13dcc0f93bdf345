import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { asXcareError, XcareError } from '../../errors.ts'
import { openTurnLock, type TurnLock } from '../../local/lock.ts'
import { text, z } from '../../schema.ts'
import { systemClock } from '../clock.ts'
import { readOrNull, replaceFile } from '../folder.ts'
import { holderOf, lifeLockOf, writeRun } from './life.ts'
import { type PartLog, tellParent } from './part-log.ts'

/** Somebody who only asks whether a part lives is in the way for a moment. */
const HOLD_MS_MAX = 2_000
const HOLD_STEP_MS = 20

/** A started part of the network: facts for whoever started it, and how to end it. */
export interface StartedRole {
  ready: Record<string, unknown>
  stop(): Promise<void>
  /** A line for the part's operator about how it does; absent when there is nothing to count. */
  report?(): Promise<string>
}

const failureShape = z.strictObject({
  code: text(40),
  message: text(4000),
  next: text(4000).nullable(),
  atMs: z.number(),
})

/** Why a part did not start the last time. */
export type Failure = z.infer<typeof failureShape>

/**
 * Runs one part of the network as this process until it is told to end: holds its folder, starts it, says so
 * in `run.json` and to the parent, ends it on SIGTERM and SIGINT. Told to end while it is still starting, it
 * ends at once: what it keeps is made for the power to fail at any moment. Resolves when it has ended.
 * @throws XcareError LOCKED while another process lives in the folder.
 */
export async function runRole(
  folder: string,
  log: PartLog,
  start: () => Promise<StartedRole>,
): Promise<void> {
  let isStarting = true
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      process.once(signal, () => (isStarting ? process.exit(130) : resolve()))
  })
  const role = await begin(folder, start).catch(async (error: unknown) => {
    const { code, message, next } = asXcareError(error)
    if (code !== 'LOCKED' && isPart(folder))
      await keepFailure(folder, { code, message, next: next ?? null, atMs: Date.now() })
    await tellParent({ type: 'failed', code, message, next })
    throw error
  })
  isStarting = false
  await writeRun(folder, role.ready)
  await rm(failurePath(folder), { force: true })
  log.event({ type: 'ready', ...role.ready })
  await tellParent({ type: 'ready', ...role.ready })
  const reporting = log.reportFrom(role.report ?? null)
  await stopped
  reporting.stop()
  log.event({ type: 'stopping', text: 'stopping; what is stored stays' })
  await role.stop()
  await rm(join(folder, 'run.json'), { force: true })
}

async function begin(folder: string, start: () => Promise<StartedRole>): Promise<StartedRole> {
  // Where there is no part, `start` says so, and nothing is left in a folder that somebody named by mistake.
  if (!isPart(folder)) return start()
  await holdFolder(folder)
  await writeRun(folder, null)
  return start()
}

const isPart = (folder: string) => existsSync(join(folder, 'role.json'))

/** A lock that nobody knows any more would be closed. */
const held: TurnLock[] = []

/** Holds the folder until the process ends. */
async function holdFolder(folder: string): Promise<void> {
  const path = lifeLockOf(folder)
  const lock = openTurnLock(path)
  held.push(lock)
  const until = systemClock.nowMs() + HOLD_MS_MAX
  while (!lock.tryTake()) {
    if (systemClock.nowMs() > until) {
      const holder = holderOf(path)
      lock.close()
      throw new XcareError(
        'LOCKED',
        `the part in ${folder} runs already${holder === null ? '' : `, as process ${holder}`}`,
        { next: 'nothing is to be done; to run it here, end that process first' },
      )
    }
    await systemClock.sleep(HOLD_STEP_MS)
  }
}

const failurePath = (folder: string) => join(folder, 'failed.json')

async function keepFailure(folder: string, failure: Failure): Promise<void> {
  // A part that cannot say why it failed has failed all the same.
  await replaceFile(failurePath(folder), JSON.stringify(failure)).catch(() => {})
}

/**
 * @returns why the part in `folder` did not start the last time, or null when it did or that is not known.
 */
export async function lastFailure(folder: string): Promise<Failure | null> {
  try {
    const content = await readOrNull(failurePath(folder))
    return content && failureShape.parse(JSON.parse(new TextDecoder().decode(content)))
  } catch {
    return null
  }
}
