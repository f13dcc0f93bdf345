import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../../sdk/clock.ts'
import type { Turns } from './turns.ts'

/** Name of the environment variable that says where storage nodes write what their network threads did. */
export const TURNS_FOLDER = 'XCARE_BENCH_TURNS'
const PRELOAD = new URL('./_turns-preload.ts', import.meta.url)
const WAIT_STEP_MS = 10
const WAIT_MS = 3000

/** Watches the network threads of storage nodes from outside, only while it is asked to: at other times it costs them nothing. */
export class NodeTurns {
  readonly #folder: string

  /** @param folder is made; the nodes write there. */
  constructor(folder: string) {
    this.#folder = folder
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  }

  /** Runs `start`; storage nodes it starts can be watched. */
  async around<T>(start: () => Promise<T>): Promise<T> {
    const before = process.env.NODE_OPTIONS
    process.env[TURNS_FOLDER] = this.#folder
    process.env.NODE_OPTIONS = `${before ?? ''} --import=${PRELOAD.href}`
    try {
      return await start()
    } finally {
      delete process.env[TURNS_FOLDER]
      if (before === undefined) delete process.env.NODE_OPTIONS
      else process.env.NODE_OPTIONS = before
    }
  }

  /** Watches while `work` runs. @returns the turns of the worst node, or null when no node among `pids` can be watched. */
  async during(pids: readonly number[], work: () => Promise<unknown>): Promise<Turns | null> {
    // A signal would end a process that does not listen for it.
    const watched = pids.filter((pid) => existsSync(this.#path(pid, 'listens')))
    // Two signals at once would be one.
    await this.#ask(watched, 'watches')
    let turns: unknown[] = []
    try {
      await work()
    } finally {
      turns = await this.#ask(watched, 'turns')
    }
    const seen = turns.filter((value) => value !== null) as Turns[]
    if (seen.length === 0) return null
    return {
      p99: Math.max(...seen.map(({ p99 }) => p99)),
      longest: Math.max(...seen.map(({ longest }) => longest)),
    }
  }

  /** @returns what each process answers to a signal; null for one that says nothing. */
  async #ask(pids: readonly number[], name: string): Promise<unknown[]> {
    for (const pid of pids) process.kill(pid, 'SIGUSR2')
    return Promise.all(pids.map((pid) => this.#take(this.#path(pid, name))))
  }

  async #take(path: string): Promise<unknown> {
    for (let waited = 0; !existsSync(path); waited += WAIT_STEP_MS) {
      if (waited > WAIT_MS) return null
      await systemClock.sleep(WAIT_STEP_MS)
    }
    const answer: unknown = JSON.parse(readFileSync(path, 'utf8'))
    rmSync(path)
    return answer
  }

  #path(pid: number, name: string): string {
    return join(this.#folder, `${pid}.${name}`)
  }
}
