import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { XcareError } from '../../../errors.ts'
import type { RouteCounters } from './fault-proxy.ts'
import type { NetworkProfile } from './profiles.ts'

const WORKER = fileURLToPath(new URL('./_proxy-worker.ts', import.meta.url))

/** What the proxy's process is asked to do. */
export type ProxyRequest =
  | { do: 'start'; profile: NetworkProfile; seed: number }
  | { do: 'open'; address: string; port: number }
  | { do: 'cut'; route: number; afterBytes: number }
  | { do: 'mend'; route: number }
  | { do: 'count' }

/** What it says. */
export interface ProxyAnswer {
  opened?: { route: number; port: number }
  counters?: RouteCounters[]
  error?: string
}

/** A fault proxy in a process of its own. */
export class ProxyProcess {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, PromiseWithResolvers<ProxyAnswer>>()
  readonly #routes = new Map<string, Promise<{ route: number; port: number }>>()
  #asked = 0

  private constructor(child: ChildProcess) {
    this.#child = child
    child.on('message', ({ id, answer }: { id: number; answer: ProxyAnswer }) => {
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (answer.error) waiting?.reject(new XcareError('INTERNAL', `the proxy failed: ${answer.error}`))
      else waiting?.resolve(answer)
    })
    child.on('exit', () => {
      for (const { reject } of this.#waiting.values())
        reject(new XcareError('INTERNAL', 'the proxy process ended by itself'))
      this.#waiting.clear()
    })
  }

  /** Starts one for `profile`; the same `seed` makes the same faults. */
  static async start(profile: NetworkProfile, seed: number): Promise<ProxyProcess> {
    const proxy = new ProxyProcess(
      fork(WORKER, { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }),
    )
    await proxy.#ask({ do: 'start', profile, seed })
    return proxy
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** @returns the port on 127.0.0.1 that leads to `address:port`, and the number of the route; one per target. */
  route(address: string, port: number): Promise<{ route: number; port: number }> {
    const name = `${address}:${port}`
    let route = this.#routes.get(name)
    if (!route) {
      route = this.#ask({ do: 'open', address, port }).then(({ opened }) => opened!)
      this.#routes.set(name, route)
    }
    return route
  }

  /** Cuts a route once `afterBytes` more have gone up through it. */
  async cut(route: number, afterBytes: number): Promise<void> {
    await this.#ask({ do: 'cut', route, afterBytes })
  }

  /** Lets a cut route carry again. */
  async mend(route: number): Promise<void> {
    await this.#ask({ do: 'mend', route })
  }

  /** @returns what passed all routes together so far. */
  async total(): Promise<RouteCounters> {
    const { counters = [] } = await this.#ask({ do: 'count' })
    const sum = { connections: 0, upBytes: 0, downBytes: 0, stalls: 0, cuts: 0 }
    for (const route of counters)
      for (const name of Object.keys(sum) as (keyof RouteCounters)[]) sum[name] += route[name]
    return sum
  }

  /** Ends the process. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()))
    if (this.#child.connected) this.#child.disconnect()
    else this.#child.kill('SIGKILL')
    await ended
  }

  #ask(ask: ProxyRequest): Promise<ProxyAnswer> {
    const id = ++this.#asked
    const waiting = Promise.withResolvers<ProxyAnswer>()
    this.#waiting.set(id, waiting)
    this.#child.send({ id, ask })
    return waiting.promise
  }
}
