import { type ChildProcess, fork } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Answer, Request } from '../systems/serve.ts'
import { treeOf } from './processes.ts'

const STOP_MS = 30_000
const LOG_TAIL_LINES = 3

/** A program under `bench/systems` in a process of its own. */
export interface Program {
  /** Processes that belong to it: itself and what it said it started apart from it. */
  roots: number[]
  /** @throws Error with what the program said, or when it does not answer in `deadlineMs`. */
  ask(request: Request, deadlineMs: number): Promise<Answer>
  /** Stops all of its processes where they are until it is asked again. */
  pause(): void
  /** Ends it and everything it started, gently first. Never throws. */
  end(): Promise<void>
}

const running = new Set<Program>()

/** Ends every program that runs, for when the bench is interrupted. */
export async function endPrograms(): Promise<void> {
  await Promise.all([...running].map((program) => program.end()))
}

/** Starts `file` (an absolute path) with its output going to `program.log` in `scratch`. */
export function startProgram(file: string, scratch: string): Program {
  mkdirSync(scratch, { recursive: true })
  const path = join(scratch, 'program.log')
  const log = openSync(path, 'a')
  const child = fork(file, { stdio: ['ignore', log, log, 'ipc'], execArgv: [] })
  closeSync(log)
  const detached: number[] = []
  const roots = () => (child.pid === undefined ? detached : [child.pid, ...detached])
  let paused: number[] = []
  const resume = () => {
    for (const pid of paused.splice(0)) signal(pid, 'SIGCONT')
  }
  const program: Program = {
    get roots() {
      return roots()
    },
    ask: async (request, deadlineMs) => {
      resume()
      const answer = await exchange(child, request, deadlineMs, path)
      detached.push(...(answer.detached ?? []))
      if (answer.error !== undefined) throw new Error(answer.error)
      return answer
    },
    pause: () => {
      paused = treeOf(roots())
      for (const pid of paused) signal(pid, 'SIGSTOP')
    },
    end: async () => {
      running.delete(program)
      const all = treeOf(roots())
      await program.ask({ do: 'stop' }, STOP_MS).catch(() => {})
      for (const pid of all) signal(pid, 'SIGKILL')
    },
  }
  running.add(program)
  return program
}

/** @returns the path of a program of the bench. */
export function benchFile(name: string): string {
  return fileURLToPath(new URL(`../${name}`, import.meta.url))
}

let asked = 0

function exchange(child: ChildProcess, request: Request, deadlineMs: number, log: string): Promise<Answer> {
  const id = ++asked
  return new Promise((resolve, reject) => {
    const late = () => done(new Error(`no answer to ${request.do} in ${deadlineMs / 1000} s`))
    const timer = setTimeout(late, deadlineMs)
    const onExit = () => done(new Error(`the program ended: ${tailOf(log)}`))
    // An answer that came after its deadline is nobody's.
    const onMessage = (answer: Answer) => {
      if (answer.id === id) done(null, answer)
    }
    const done = (error: Error | null, answer: Answer = {}) => {
      clearTimeout(timer)
      child.off('message', onMessage).off('exit', onExit)
      if (error) reject(error)
      else resolve(answer)
    }
    child.on('message', onMessage).once('exit', onExit)
    if (child.connected) child.send({ ...request, id })
    else onExit()
  })
}

function tailOf(log: string): string {
  const lines = readFileSync(log, 'utf8').trim().split('\n')
  return lines.slice(-LOG_TAIL_LINES).join(' / ')
}

/** By number, and only of processes that were just found in our own tree. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It has ended already.
  }
}
