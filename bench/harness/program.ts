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
  /** Ends it and everything it started, gently first. Never throws. */
  end(): Promise<void>
}

/** Starts `file` (an absolute path) with its output going to `program.log` in `scratch`. */
export function startProgram(file: string, scratch: string): Program {
  mkdirSync(scratch, { recursive: true })
  const path = join(scratch, 'program.log')
  const log = openSync(path, 'a')
  const child = fork(file, { stdio: ['ignore', log, log, 'ipc'], execArgv: [] })
  closeSync(log)
  const detached: number[] = []
  const ask = async (request: Request, deadlineMs: number) => {
    const answer = await exchange(child, request, deadlineMs, path)
    detached.push(...(answer.detached ?? []))
    if (answer.error !== undefined) throw new Error(answer.error)
    return answer
  }
  return {
    get roots() {
      return child.pid === undefined ? detached : [child.pid, ...detached]
    },
    ask,
    end: async () => {
      const all = treeOf(child.pid === undefined ? detached : [child.pid, ...detached])
      await ask({ do: 'stop' }, STOP_MS).catch(() => {})
      for (const pid of all) kill(pid)
    },
  }
}

/** @returns the path of a program of the bench. */
export function benchFile(name: string): string {
  return fileURLToPath(new URL(`../${name}`, import.meta.url))
}

function exchange(child: ChildProcess, request: Request, deadlineMs: number, log: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => done(new Error(`no answer to ${request.do} in ${deadlineMs / 1000} s`)),
      deadlineMs,
    )
    const onExit = () => done(new Error(`the program ended: ${tailOf(log)}`))
    const onMessage = (answer: Answer) => done(null, answer)
    const done = (error: Error | null, answer: Answer = {}) => {
      clearTimeout(timer)
      child.off('message', onMessage).off('exit', onExit)
      if (error) reject(error)
      else resolve(answer)
    }
    child.once('message', onMessage).once('exit', onExit)
    if (!child.connected) done(new Error(`the program ended: ${tailOf(log)}`))
    else child.send(request)
  })
}

function tailOf(log: string): string {
  const lines = readFileSync(log, 'utf8').trim().split('\n')
  return lines.slice(-LOG_TAIL_LINES).join(' / ')
}

/** By number, and only of processes that were just found in our own tree. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended already.
  }
}
