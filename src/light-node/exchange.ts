import { XcareError } from '../errors.ts'
import { FRAME_BYTES_MAX, FRAME_PROGRESS_BYTES } from '../limits.ts'
import type { Clock } from '../ports.ts'

/** What the head of one frame takes, at most, beside the items in it. */
const HEAD_BYTES = 128
/** The next frame may always be so long: a refusal has words. */
const FRAME_BYTES_MIN = 2048
/** Idle limits that a remote may use up in all, beyond what it earns by what it brings. */
const IDLE_LIMITS = 2

/** What a question may bring, at most. */
export interface Due {
  /** Things that were asked for, each of which may come once. */
  items: number
  /** Of all of them together, without the heads of frames. */
  bytes: number
}

/**
 * Bounds one exchange with a remote as a whole: messages, bytes and time. Each message must bring something
 * that is still due. Waiting is paid for with useful bytes, FRAME_PROGRESS_BYTES for each idle limit: who
 * sends just enough to look alive runs out of it. Only time in which we wait for the remote counts, so that a
 * reader who is slow himself is no fault of the remote.
 */
export class Exchange {
  readonly #clock: Clock
  readonly #who: string
  readonly #idleMs: number
  #items: number
  #bytes: number
  #leftMs: number
  #waitedMs = 0

  /** @param who the remote, for the error that names it. @param idleMs how long it may say nothing at all. */
  constructor(clock: Clock, who: string, idleMs: number, { items, bytes }: Due) {
    this.#clock = clock
    this.#who = who
    this.#idleMs = idleMs
    this.#items = items
    this.#bytes = bytes + (items + 1) * HEAD_BYTES
    this.#leftMs = IDLE_LIMITS * idleMs
  }

  /**
   * Waits for the next message.
   * @param read is told how long nothing may come and how long a frame may be.
   * @param dueMs since when something is due, where that may be later than the call.
   * @throws XcareError what `read` throws.
   */
  async next<T>(
    read: (idleMs: number, frameBytes: number) => Promise<T>,
    dueMs: () => number = () => 0,
  ): Promise<T> {
    const beganMs = this.#clock.nowMs()
    const came = await read(this.#idleMs, Math.max(FRAME_BYTES_MIN, Math.min(FRAME_BYTES_MAX, this.#bytes)))
    this.#waitedMs = this.#clock.nowMs() - Math.max(beganMs, dueMs())
    return came
  }

  /**
   * Counts what the last message brought.
   * @throws XcareError MALFORMED when it brought nothing, or more than was still due; TIMEOUT when it brought
   * too little for the time it took.
   */
  took(items: number, bytes: number): void {
    this.#items -= items
    this.#bytes -= bytes + HEAD_BYTES
    if (items <= 0 || this.#items < 0 || this.#bytes < 0)
      throw new XcareError('MALFORMED', `${this.#who} answered more than it was asked for`)
    const earnedMs = (this.#idleMs * bytes) / FRAME_PROGRESS_BYTES
    // A clock that was set, or a machine that slept, must not pass for a slow remote: no single wait counts
    // for more.
    const waitedMs = Math.min(Math.max(0, this.#waitedMs), this.#idleMs + earnedMs)
    this.#leftMs = Math.min(IDLE_LIMITS * this.#idleMs, this.#leftMs - waitedMs + earnedMs)
    if (this.#leftMs <= 0) throw new XcareError('TIMEOUT', `${this.#who} sends too little to be waited for`)
  }
}
