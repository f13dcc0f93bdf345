import { HEDGE_MS } from '../../limits.ts'
import type { Clock } from '../../ports.ts'

/** One thing to try. What it gives is handed out; why it failed is its own affair. */
export type Candidate<T> = () => Promise<T>

/**
 * Tries candidates in order, as many at a time as somebody waits for. One that keeps its waiter longer than HEDGE_MS
 * gets company, and whichever is ready first is handed out; the late one is kept for the next who asks.
 */
export class FirstAnswers<T> {
  readonly #untried: Candidate<T>[]
  readonly #clock: Clock
  readonly #drop: (late: T) => void
  readonly #ready: T[] = []
  readonly #waiting = new Set<{ resolve(answer: T | null): void }>()
  #running = 0
  #company = 0
  #isClosed = false

  /** @param drop lets go of an answer that nobody took. */
  constructor(candidates: Candidate<T>[], clock: Clock, drop: (late: T) => void) {
    this.#untried = [...candidates]
    this.#clock = clock
    this.#drop = drop
  }

  /** @returns the next answer, or null when no candidate is left that could give one. */
  async next(): Promise<T | null> {
    const { promise, resolve } = Promise.withResolvers<T | null>()
    const waiter = { resolve }
    this.#waiting.add(waiter)
    this.#turn()
    const done = new AbortController()
    void this.#watch(done.signal)
    try {
      return await promise
    } finally {
      done.abort()
      this.#waiting.delete(waiter)
    }
  }

  /** Drops what nobody took, now and later. Who still waits gets null. */
  close(): void {
    this.#isClosed = true
    this.#untried.length = 0
    for (const answer of this.#ready.splice(0)) this.#drop(answer)
    for (const { resolve } of this.#waiting) resolve(null)
    this.#waiting.clear()
  }

  /** Gives a slow candidate company, again and again, until `done`. */
  async #watch(done: AbortSignal): Promise<void> {
    let company = 0
    try {
      for (;;) {
        await this.#clock.sleep(HEDGE_MS, done)
        if (done.aborted) return
        company++
        this.#company++
        this.#turn()
      }
    } catch {
      // The waiter has its answer.
    } finally {
      this.#company -= company
    }
  }

  #turn(): void {
    for (const waiter of this.#waiting) {
      const answer = this.#ready.shift()
      if (answer === undefined) break
      this.#waiting.delete(waiter)
      waiter.resolve(answer)
    }
    if (this.#waiting.size > 0)
      while (this.#untried.length > 0 && this.#running < this.#waiting.size + this.#company)
        void this.#run(this.#untried.shift()!)
    if (this.#running > 0 || this.#ready.length > 0) return
    for (const { resolve } of this.#waiting) resolve(null)
    this.#waiting.clear()
  }

  async #run(candidate: Candidate<T>): Promise<void> {
    this.#running++
    const answer = await candidate().catch(() => null)
    this.#running--
    if (answer !== null && this.#isClosed) this.#drop(answer)
    else if (answer !== null) this.#ready.push(answer)
    this.#turn()
  }
}
