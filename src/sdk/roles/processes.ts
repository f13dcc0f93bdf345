import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isErrorCode, XcareError } from '../../errors.ts'
import { systemClock } from '../clock.ts'
import { asDiskError } from '../folder.ts'
import { bornOf, isAlive, lifeOf, type ProcessId, type RunFile } from './life.ts'
import { PART_LOG_VARIABLE } from './part-log.ts'
import runtimeFlags from './runtime-flags.json' with { type: 'json' }

const PROGRAM = fileURLToPath(new URL('../../cli/main.ts', import.meta.url))
const READY_MS_MAX = 60_000
const READY_STEP_MS = 50
const STOP_MS_MAX = 10_000
const GONE_STEP_MS = 20

/** One part of a local network and the folder it lives in. */
export interface Role {
  kind: 'anchor' | 'node' | 'guardian'
  folder: string
}

/** Order in which parts end: the chain last, so that the others can finish what they were anchoring. */
export const ENDING_ORDER: readonly Role['kind'][] = ['node', 'guardian', 'anchor']

/**
 * The parts that one command started, so that it can end these and no others, also those that are only just
 * starting.
 */
export class Launch {
  readonly #own = new Map<string, { role: Role; process: ProcessId }>()
  #isEnding = false

  /** Whether nothing was started. */
  get isEmpty(): boolean {
    return this.#own.size === 0
  }

  /**
   * Starts `role` as a process of its own that outlives this one; its output goes to `process.log` in its
   * folder. A part that lives already is left alone and waited for. Resolves when it serves.
   * @returns what it says of itself, null when a living part does not say.
   * @throws XcareError with the code the process itself reported, TIMEOUT when it says nothing for a minute,
   * INTERRUPTED once this launch is ending.
   */
  async start(role: Role, args: string[] = []): Promise<RunFile['ready'] | null> {
    const living = await readyOfLiving(role)
    if (living !== 'stopped') return living
    await mkdir(role.folder, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
      throw asDiskError(cause, role.folder)
    })
    if (this.#isEnding) throw new XcareError('INTERRUPTED', 'interrupted')
    const child = spawnRole(role, args)
    if (child.pid !== undefined)
      this.#own.set(role.folder, { role, process: { pid: child.pid, born: bornOf(child.pid) } })
    return untilReady(role, child)
  }

  /** Ends what this launch started and nothing else; it starts nothing any more. */
  async end(): Promise<void> {
    this.#isEnding = true
    const own = Array.from(this.#own.values())
    for (const kind of ENDING_ORDER)
      await Promise.all(own.filter(({ role }) => role.kind === kind).map((part) => endProcess(part.process)))
  }
}

/** Starts one part without keeping track of it, see `Launch.start`. */
export function startProcess(role: Role, args: string[] = []): Promise<RunFile['ready'] | null> {
  return new Launch().start(role, args)
}

/** Another command may be starting the part: it is waited for as if it were ours. */
async function readyOfLiving(role: Role): Promise<RunFile['ready'] | null | 'stopped'> {
  const until = systemClock.nowMs() + READY_MS_MAX
  for (;;) {
    const life = await lifeOf(role.folder)
    if (life.state === 'stopped') return 'stopped'
    if (life.state === 'runs') return life.run.ready
    if (life.state === 'held' || systemClock.nowMs() > until) return null
    await systemClock.sleep(READY_STEP_MS)
  }
}

function spawnRole(role: Role, args: string[]): ChildProcess {
  const path = join(role.folder, 'process.log')
  let log: number
  try {
    log = openSync(path, 'a', 0o600)
  } catch (cause) {
    throw asDiskError(cause, path)
  }
  try {
    return spawn(
      process.execPath,
      [...runtimeFlags.role, PROGRAM, role.kind, 'run', '--dir', role.folder, ...args],
      {
        detached: true,
        env: ownEnvironment(path),
        stdio: ['ignore', log, log, 'ipc'],
      },
    )
  } finally {
    closeSync(log)
  }
}

/** With a pool of the allocator for each thread, a storage node keeps a tenth to a quarter more memory that nobody uses. */
function ownEnvironment(log: string): NodeJS.ProcessEnv {
  return { MALLOC_ARENA_MAX: '2', ...process.env, [PART_LOG_VARIABLE]: log }
}

async function untilReady(role: Role, child: ChildProcess): Promise<RunFile['ready']> {
  const timer = AbortSignal.timeout(READY_MS_MAX)
  return new Promise((resolve, reject) => {
    const fail = (error: XcareError) => reject(error)
    child.once('message', (message: Record<string, unknown>) => {
      child.unref()
      if (message.type === 'ready') resolve(message)
      else fail(reportedError(role, message))
    })
    child.once('error', (cause) =>
      fail(new XcareError('INTERNAL', `the ${role.kind} process could not be started`, { cause })),
    )
    child.once('exit', (code) => fail(endedEarly(role, code)))
    timer.addEventListener('abort', () =>
      fail(
        new XcareError(
          'TIMEOUT',
          `the ${role.kind} in ${role.folder} did not get ready within a minute`,
          logHint(role),
        ),
      ),
    )
  })
}

const logHint = (role: Role) => ({ next: `look at ${join(role.folder, 'process.log')}` })

function reportedError(role: Role, message: Record<string, unknown>): XcareError {
  const { code, message: sentence, next } = message
  if (typeof code !== 'string' || !isErrorCode(code)) return endedEarly(role, null)
  return new XcareError(code, String(sentence), typeof next === 'string' ? { next } : {})
}

function endedEarly(role: Role, code: number | null): XcareError {
  return new XcareError(
    'INTERNAL',
    `the ${role.kind} in ${role.folder} ended before it was ready (exit ${code})`,
    logHint(role),
  )
}

/**
 * Asks the process that lives in the folder of `role` to end, then makes it.
 * @returns whether one was ended.
 */
export async function stopProcess(role: Role): Promise<boolean> {
  const process = await processOf(role)
  if (!process) return false
  await endProcess(process)
  return true
}

/** Ends the process of `role` as a power cut would, with SIGKILL. @returns its process number, or null when none ran. */
export async function killProcess(role: Role): Promise<number | null> {
  const process = await processOf(role)
  if (!process) return null
  signal(process, 'SIGKILL')
  await gone(process, STOP_MS_MAX)
  return process.pid
}

async function processOf(role: Role): Promise<ProcessId | null> {
  const life = await lifeOf(role.folder)
  return life.state === 'stopped' ? null : life.process
}

/** Asks a process to end, then makes it. */
export async function endProcess(process: ProcessId): Promise<void> {
  signal(process, 'SIGTERM')
  if (await gone(process, STOP_MS_MAX)) return
  signal(process, 'SIGKILL')
  await gone(process, STOP_MS_MAX)
}

function signal(target: ProcessId, name: NodeJS.Signals): void {
  if (!isAlive(target)) return
  try {
    process.kill(target.pid, name)
  } catch {
    // It ended meanwhile, or is not ours to end: whoever waits for its end finds out.
  }
}

async function gone(process: ProcessId, waitMs: number): Promise<boolean> {
  const until = systemClock.nowMs() + waitMs
  while (isAlive(process)) {
    if (systemClock.nowMs() > until) return false
    await systemClock.sleep(GONE_STEP_MS)
  }
  return true
}
