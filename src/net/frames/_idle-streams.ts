import { assert } from '../../assert.ts'
import type { FrameStream } from '../../ports.ts'
import { inBackground } from '../_background.ts'

/** Streams without work, kept so long for the next exchange with the same peer: well below the time a remote waits for a frame. */
const IDLE_MS = 2_000
const IDLE_STREAMS_OF_A_PEER = 16

/** A stream that can tell whether another exchange may begin on it. */
export interface ReusableStream extends FrameStream {
  /** Open on both sides, with nothing received that nobody read. */
  readonly isIdle: boolean
}

interface Idle {
  stream: ReusableStream
  sinceMs: number
}

/** Streams between two exchanges. Opening one costs each side a negotiation, a lock and a dozen events: more than a small request does. */
export class IdleStreams {
  readonly #byName = new Map<string, Idle[]>()
  #timer: NodeJS.Timeout | null = null

  /** @returns a stream kept under `name` that is still good, or null. */
  take(name: string): ReusableStream | null {
    const waiting = this.#byName.get(name) ?? []
    for (let last = waiting.pop(); last; last = waiting.pop()) {
      if (last.stream.isIdle) return last.stream
      void last.stream.close()
    }
    return null
  }

  /** Keeps `stream` for a while, or closes it. */
  give(name: string, stream: ReusableStream): void {
    const waiting = this.#byName.get(name) ?? []
    if (!stream.isIdle || waiting.length >= IDLE_STREAMS_OF_A_PEER) {
      void stream.close()
      return
    }
    waiting.push({ stream, sinceMs: performance.now() })
    this.#byName.set(name, waiting)
    this.#timer ??= inBackground(setTimeout(() => this.#sweep(), IDLE_MS))
  }

  /** Closes all of them. */
  close(): void {
    if (this.#timer) clearTimeout(this.#timer)
    for (const waiting of this.#byName.values()) for (const { stream } of waiting) void stream.close()
    this.#byName.clear()
  }

  #sweep(): void {
    const nowMs = performance.now()
    for (const [name, waiting] of this.#byName) {
      const young = waiting.filter(({ stream, sinceMs }) => stream.isIdle && nowMs - sinceMs < IDLE_MS)
      for (const idle of waiting) if (!young.includes(idle)) void idle.stream.close()
      if (young.length > 0) this.#byName.set(name, young)
      else this.#byName.delete(name)
    }
    this.#timer = this.#byName.size > 0 ? inBackground(setTimeout(() => this.#sweep(), IDLE_MS)) : null
  }
}

/** One exchange over `stream`. What its user does afterwards no longer reaches the stream, which may serve another by then. */
export class LentStream implements FrameStream {
  readonly remote: FrameStream['remote']
  #stream: ReusableStream | null
  readonly #giveBack: (stream: ReusableStream) => void

  /** @param giveBack takes the stream when it may serve again. */
  constructor(stream: ReusableStream, giveBack: (stream: ReusableStream) => void) {
    this.remote = stream.remote
    this.#stream = stream
    this.#giveBack = giveBack
  }

  write(...parts: Uint8Array[]): Promise<void> {
    return this.#own().write(...parts)
  }

  read(maxBytes: number, idleMs: number): Promise<Uint8Array | null> {
    return this.#own().read(maxBytes, idleMs)
  }

  async close(): Promise<void> {
    await this.#stream?.close()
  }

  release(): void {
    const stream = this.#stream
    this.#stream = null
    if (stream) this.#giveBack(stream)
  }

  abort(reason: Error): void {
    this.#stream?.abort(reason)
  }

  async flushed(): Promise<void> {
    await this.#stream?.flushed?.()
  }

  #own(): ReusableStream {
    assert(this.#stream !== null, 'the exchange over this stream has ended')
    return this.#stream
  }
}
