import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isErrorCode, XcareError } from '../../errors.ts'
import { systemClock } from '../clock.ts'
import { isAlive, type RunFile, runningRole } from './role.ts'
import runtimeFlags from './runtime-flags.json' with { type: 'json' }

const PROGRAM = fileURLToPath(new URL('../../cli/main.ts', import.meta.url))
const READY_MS_MAX = 60_000
const STOP_MS_MAX = 10_000

/** One part of a local network and the folder it lives in. */
export interface Role {
  kind: 'anchor' | 'node' | 'guardian'
  folder: string
}

/**
 * Starts `role` as a process of its own that outlives this one; its output goes to `process.log` in its folder.
 * A role that runs already is left alone. Resolves when it serves.
 * @throws XcareError with the code the process itself reported, TIMEOUT when it says nothing for a minute.
 */
export async function startProcess(role: Role, args: string[] = []): Promise<RunFile['ready']> {
  const running = await runningRole(role.folder)
  if (running) return running.ready
  await mkdir(role.folder, { recursive: true, mode: 0o700 })
  const log = openSync(join(role.folder, 'process.log'), 'a', 0o600)
  try {
    const child = spawn(
      process.execPath,
      [...runtimeFlags.role, PROGRAM, role.kind, 'run', '--dir', role.folder, ...args],
      {
        detached: true,
        env: ownEnvironment(),
        stdio: ['ignore', log, log, 'ipc'],
      },
    )
    return await untilReady(role, child)
  } finally {
    closeSync(log)
  }
}

/** With a pool of the allocator for each thread, a storage node keeps a tenth to a quarter more memory that nobody uses. */
function ownEnvironment(): NodeJS.ProcessEnv {
  return { MALLOC_ARENA_MAX: '2', ...process.env }
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

/** Asks the process of `role` to end, then makes it. @returns whether one was running. */
export async function stopProcess(role: Role): Promise<boolean> {
  const running = await runningRole(role.folder)
  if (!running) return false
  process.kill(running.pid, 'SIGTERM')
  if (!(await gone(running, STOP_MS_MAX))) process.kill(running.pid, 'SIGKILL')
  await gone(running, STOP_MS_MAX)
  return true
}

/** Ends the process of `role` as a power cut would, with SIGKILL. @returns its process number, or null when none ran. */
export async function killProcess(role: Role): Promise<number | null> {
  const running = await runningRole(role.folder)
  if (!running) return null
  process.kill(running.pid, 'SIGKILL')
  await gone(running, STOP_MS_MAX)
  return running.pid
}

async function gone(run: RunFile, waitMs: number): Promise<boolean> {
  const until = systemClock.nowMs() + waitMs
  while (isAlive(run)) {
    if (systemClock.nowMs() > until) return false
    await systemClock.sleep(20)
  }
  return true
}
