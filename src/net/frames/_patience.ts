import { FRAME_PROGRESS_BYTES } from '../../limits.ts'
import { inBackground } from '../_background.ts'

/**
 * Ends waits that last too long, one at a time. Its timer outlives the wait it was set for: most end within milliseconds, and a timer
 * for each of them would cost as much as the message.
 */
export class Patience {
  readonly #arrived: () => number
  readonly #end: (idleMs: number) => void
  #timer: NodeJS.Timeout | null = null
  /** When the timer runs out, and when the wait under way is too long, in ms of `performance.now()`. */
  #timerMs = 0
  #dueMs: number | null = null
  #idleMs = 0
  #before = 0

  /** @param arrived tells how many bytes have come so far. @param end is called when fewer than FRAME_PROGRESS_BYTES came in `idleMs`. */
  constructor(arrived: () => number, end: (idleMs: number) => void) {
    this.#arrived = arrived
    this.#end = end
  }

  /** A wait begins. A slow frame may take longer than `idleMs` as long as it makes real progress. */
  begin(idleMs: number): void {
    this.#idleMs = idleMs
    this.#before = this.#arrived()
    this.#dueMs = performance.now() + idleMs
    if (this.#timer === null || this.#timerMs > this.#dueMs) this.#set(idleMs)
  }

  /** The wait is over. */
  pause(): void {
    this.#dueMs = null
  }

  /** No wait will follow. */
  end(): void {
    this.#dueMs = null
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
  }

  #set(ms: number): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timerMs = performance.now() + ms
    this.#timer = inBackground(setTimeout(() => this.#look(), ms))
  }

  #look(): void {
    this.#timer = null
    if (this.#dueMs === null) return
    const leftMs = this.#dueMs - performance.now()
    // Timers and clocks differ by a fraction of a millisecond.
    if (leftMs >= 1) this.#set(leftMs)
    else if (this.#arrived() - this.#before < FRAME_PROGRESS_BYTES) this.#end(this.#idleMs)
    else this.begin(this.#idleMs)
  }
}
