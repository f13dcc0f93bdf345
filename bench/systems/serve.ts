import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** What a program is told when it starts. `peer` is what the writer said of itself; only a separate reader gets it. */
export interface StartOptions {
  scratch: string
  tools: string
  variants: string[]
  peer: string | null
}

/**
 * One system under test, as the harness sees it. A token names what was put, for a reader that may be another process.
 * Bytes that come back go into the sink; nobody looks at them before the clock has stopped.
 */
export interface System {
  version: string
  /** Processes that were started but are no descendants of this one. */
  detached: number[]
  /** For a separate reader: where the writer is. */
  address?: string
  /** Resolves when the system says that the bytes are stored. */
  put(variant: string, content: Buffer): Promise<string>
  get(variant: string, token: string, sink: Sink): Promise<void>
  /** As `put` and `get`, many small records at once; the sink takes them in order. */
  putRecords(variant: string, records: Buffer[]): Promise<string>
  getRecords(variant: string, token: string, sink: Sink): Promise<void>
  stop(): Promise<void>
}

/** Takes what a read gives back. Its memory is touched beforehand and zeroed, so that old bytes never pass for new ones. */
export class Sink {
  readonly #room: Buffer
  #filled = 0

  constructor(bytes: number) {
    this.#room = Buffer.alloc(bytes, 1).fill(0)
  }

  /** @throws RangeError when more bytes come than were put. */
  push(bytes: Uint8Array): void {
    this.#room.set(bytes, this.#filled)
    this.#filled += bytes.length
  }

  /** @returns SHA-256 of what came, hex. */
  digest(): string {
    return createHash('sha256').update(this.#room.subarray(0, this.#filled)).digest('hex')
  }
}

/** Requests of the harness, one at a time; the answer carries the number of its request. */
export type Request =
  | ({ do: 'start' } & StartOptions)
  | { do: 'load'; path: string; recordBytes: number | null; sink: boolean }
  | { do: 'put'; variant: string }
  | { do: 'get'; variant: string; token: string }
  | { do: 'digest' }
  | { do: 'stop' }

/** Answers to them. `seconds` is of the work alone. */
export interface Answer {
  id?: number
  seconds?: number
  token?: string
  digest?: string
  version?: string
  detached?: number[]
  address?: string
  error?: string
}

/** Serves the harness over the channel to the parent process until it is told to stop. */
export function serve(start: (options: StartOptions) => Promise<System>): void {
  const session = new Session(start)
  process.on('message', ({ id, ...request }: Request & { id: number }) => {
    session.answer(request).then(
      (answer) => process.send?.({ ...answer, id }),
      (error: unknown) => {
        process.stderr.write(`${error instanceof Error ? error.stack : error}\n`)
        process.send?.({ id, error: error instanceof Error ? error.message : String(error) })
      },
    )
  })
  // A terminal interrupts everybody at once; the harness then ends its programs in order.
  process.on('SIGINT', () => {})
  // Without its harness a program has no reason to live.
  process.on('disconnect', () => void session.answer({ do: 'stop' }).finally(() => process.exit(0)))
}

class Session {
  readonly #start: (options: StartOptions) => Promise<System>
  #system: System | null = null
  #starting: Promise<System> | null = null
  #content: Buffer = Buffer.alloc(0)
  #records: Buffer[] | null = null
  #sink = new Sink(0)

  constructor(start: (options: StartOptions) => Promise<System>) {
    this.#start = start
  }

  async answer(request: Request): Promise<Answer> {
    switch (request.do) {
      case 'start': {
        this.#starting = this.#start(request)
        this.#system = await this.#starting
        const { version, detached, address } = this.#system
        return { version, detached, address }
      }
      case 'load':
        this.#load(request.path, request.recordBytes, request.sink)
        return {}
      case 'put':
        return this.#put(request.variant)
      case 'get':
        return this.#get(request.variant, request.token)
      case 'digest':
        return { digest: this.#sink.digest() }
      case 'stop':
        // What is being started is started first: only then does it know all it has to end.
        await (await this.#starting?.catch(() => null))?.stop()
        this.#starting = null
        return {}
    }
  }

  #load(path: string, recordBytes: number | null, sink: boolean): void {
    this.#content = readFileSync(path)
    this.#sink = new Sink(sink ? this.#content.length : 0)
    this.#records = null
    if (recordBytes === null) return
    const count = this.#content.length / recordBytes
    this.#records = Array.from({ length: count }, (_, at) =>
      this.#content.subarray(at * recordBytes, (at + 1) * recordBytes),
    )
  }

  async #put(variant: string): Promise<Answer> {
    const system = this.#system!
    const start = performance.now()
    const token = this.#records
      ? await system.putRecords(variant, this.#records)
      : await system.put(variant, this.#content)
    return { seconds: (performance.now() - start) / 1000, token }
  }

  async #get(variant: string, token: string): Promise<Answer> {
    const system = this.#system!
    const start = performance.now()
    if (this.#records) await system.getRecords(variant, token, this.#sink)
    else await system.get(variant, token, this.#sink)
    return { seconds: (performance.now() - start) / 1000 }
  }
}

/** Runs `work` on all items, so many at a time; results in order. */
export async function inFlight<T, R>(
  items: readonly T[],
  most: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = new Array(items.length)
  let next = 0
  const worker = async () => {
    for (let at = next++; at < items.length; at = next++) results[at] = await work(items[at]!)
  }
  await Promise.all(Array.from({ length: most }, worker))
  return results
}
