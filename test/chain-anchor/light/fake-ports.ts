import { concat } from '../../../src/bytes.ts'
import type { Clock, Folder } from '../../../src/ports.ts'

/** A clock that stands still until it is set or slept on. */
export class FakeClock implements Clock {
  ms: number
  /** Called after each sleep, so that a chain can grow meanwhile. */
  onSleep: (durationMs: number) => void = () => {}

  constructor(ms: number) {
    this.ms = ms
  }

  nowMs(): number {
    return this.ms
  }

  /** A sleep that can be cut short is a deadline, which never comes here; any other takes its time at once. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    if (signal)
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    this.ms += durationMs
    this.onSleep(durationMs)
    return Promise.resolve()
  }
}

/** A folder in memory. */
export class MemoryFolder implements Folder {
  readonly files = new Map<string, Uint8Array>()

  async read(name: string): Promise<Uint8Array | null> {
    return this.files.get(name)?.slice() ?? null
  }

  async replace(name: string, content: Uint8Array): Promise<void> {
    this.files.set(name, content.slice())
  }

  async append(name: string, content: Uint8Array): Promise<void> {
    this.files.set(name, concat(this.files.get(name) ?? new Uint8Array(0), content))
  }

  async remove(name: string): Promise<void> {
    this.files.delete(name)
  }

  async list(): Promise<string[]> {
    return [...this.files.keys()].sort()
  }
}
