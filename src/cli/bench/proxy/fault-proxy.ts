import { connect, createServer, type Server, type Socket } from 'node:net'
import { seededRandom } from '../statistics.ts'
import { openPipe, type Pipe } from './pipe.ts'
import type { NetworkProfile } from './profiles.ts'
import { Line, Shaper } from './shaper.ts'

/** What passed one route so far. Bytes are those of TCP's payload. */
export interface RouteCounters {
  connections: number
  upBytes: number
  downBytes: number
  stalls: number
  cuts: number
}

interface Route {
  server: Server
  address: string
  port: number
  counters: RouteCounters
  pairs: Set<Pair>
  /** Upward bytes after which the route is cut; null for never. */
  cutAt: number | null
  isCut: boolean
}

interface Pair {
  client: Socket
  far: Socket
  pipes: Pipe[]
}

/**
 * A TCP proxy that behaves like a given network: real sockets on both sides, one listening port of its own per target. Delay, jitter, the shared
 * rate of the client's line, losses as stalls, and cuts. All connections of one proxy share one line. The same seed makes the same faults.
 */
export class FaultProxy {
  readonly #profile: NetworkProfile
  readonly #random: () => number
  readonly #up: Line
  readonly #down: Line
  readonly #routes: Route[] = []

  constructor(profile: NetworkProfile, seed: number) {
    this.#profile = profile
    this.#random = seededRandom(seed)
    this.#up = new Line(profile.upMbit)
    this.#down = new Line(profile.downMbit)
  }

  /** Opens a way to `address:port`. @returns the number of the route and the port on 127.0.0.1 that leads there. */
  async open(address: string, port: number): Promise<{ route: number; port: number }> {
    const counters = { connections: 0, upBytes: 0, downBytes: 0, stalls: 0, cuts: 0 }
    const route: Route = {
      server: createServer({ allowHalfOpen: true, noDelay: true }),
      address,
      port,
      counters,
      pairs: new Set(),
      cutAt: null,
      isCut: false,
    }
    route.server.on('connection', (client) => this.#join(route, client))
    await new Promise<void>((resolve, reject) => {
      route.server.once('error', reject)
      route.server.listen(0, '127.0.0.1', resolve)
    })
    this.#routes.push(route)
    const own = route.server.address()
    return { route: this.#routes.length - 1, port: typeof own === 'object' && own ? own.port : 0 }
  }

  /** What passed each route, in the order they were opened. */
  counters(): RouteCounters[] {
    return this.#routes.map(({ counters }) => ({ ...counters }))
  }

  /** Cuts a route once `afterBytes` more have gone up through it: its connections are reset, and new ones refused, until `mend`. */
  cut(route: number, afterBytes: number): void {
    const chosen = this.#routes[route]!
    chosen.cutAt = chosen.counters.upBytes + afterBytes
    if (afterBytes <= 0) this.#sever(chosen)
  }

  /** Lets a cut route carry again. */
  mend(route: number): void {
    const chosen = this.#routes[route]!
    chosen.cutAt = null
    chosen.isCut = false
  }

  /** Resets every connection and stops listening. */
  async close(): Promise<void> {
    await Promise.all(
      this.#routes.map(async (route) => {
        for (const pair of route.pairs) this.#drop(route, pair)
        await new Promise<void>((resolve) => route.server.close(() => resolve()))
      }),
    )
  }

  #join(route: Route, client: Socket): void {
    if (route.isCut) {
      client.resetAndDestroy()
      return
    }
    route.counters.connections++
    const far = connect({ host: route.address, port: route.port, allowHalfOpen: true, noDelay: true })
    const pair: Pair = { client, far, pipes: [] }
    route.pairs.add(pair)
    pair.pipes.push(
      openPipe(client, far, new Shaper(this.#profile, this.#up, this.#random), (bytes, stalls) => {
        route.counters.upBytes += bytes
        route.counters.stalls += stalls
        if (route.cutAt !== null && route.counters.upBytes >= route.cutAt) this.#sever(route)
      }),
      openPipe(far, client, new Shaper(this.#profile, this.#down, this.#random), (bytes, stalls) => {
        route.counters.downBytes += bytes
        route.counters.stalls += stalls
      }),
    )
    for (const socket of [client, far]) {
      socket.on('error', () => this.#drop(route, pair))
      socket.on('close', (hadError) => {
        if (hadError || (client.destroyed && far.destroyed)) this.#drop(route, pair)
      })
    }
  }

  #sever(route: Route): void {
    if (route.isCut) return
    route.isCut = true
    route.counters.cuts++
    for (const pair of route.pairs) this.#drop(route, pair)
  }

  #drop(route: Route, { client, far, pipes }: Pair): void {
    for (const pair of route.pairs) if (pair.client === client) route.pairs.delete(pair)
    for (const pipe of pipes) pipe.stop()
    for (const socket of [client, far]) if (!socket.destroyed) socket.resetAndDestroy()
  }
}
