import type { Clock } from '../../../src/ports.ts'

interface Sleeper {
  wakeMs: number
  wake: () => void
}

/** A clock that moves only when a test says so. */
export class ManualClock implements Clock {
  ms: number
  readonly #sleepers = new Set<Sleeper>()

  constructor(ms = 1_000_000) {
    this.ms = ms
  }

  nowMs(): number {
    return this.ms
  }

  sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const sleeper = { wakeMs: this.ms + durationMs, wake: resolve }
      this.#sleepers.add(sleeper)
      signal?.addEventListener('abort', () => {
        this.#sleepers.delete(sleeper)
        reject(signal.reason)
      })
    })
  }

  /** Lets `ms` pass, wakes whoever waited for it, and lets them work. */
  async pass(ms: number): Promise<void> {
    this.ms += ms
    for (const sleeper of this.#sleepers)
      if (sleeper.wakeMs <= this.ms) {
        this.#sleepers.delete(sleeper)
        sleeper.wake()
      }
    await settle()
  }
}

/** Lets everything that is ready run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
