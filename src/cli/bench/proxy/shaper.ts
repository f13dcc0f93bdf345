import type { NetworkProfile } from './profiles.ts'

const SEGMENT_BYTES = 1460
/** A router on the way keeps about so much waiting for its line. */
const ROUTER_QUEUE_MS = 50
const QUEUE_BYTES_MIN = 64 * 1024
const QUEUE_BYTES_MAX = 4 * 1024 * 1024

/** One direction of the client's line: what goes over it leaves one after the other, at its rate. */
export class Line {
  readonly #bytesPerMs: number
  #freeMs = 0

  /** @param mbit rate in Mbit/s, or null for no limit. */
  constructor(mbit: number | null) {
    this.#bytesPerMs = mbit === null ? Number.POSITIVE_INFINITY : (mbit * 1e6) / 8 / 1000
  }

  /** @returns bytes that may be on a way of `delayMs`, and in the router before this line, before the sender is slowed down. */
  queueBytes(delayMs: number): number {
    return Math.min(
      QUEUE_BYTES_MAX,
      Math.max(QUEUE_BYTES_MIN, this.#bytesPerMs * (delayMs + ROUTER_QUEUE_MS)),
    )
  }

  /** @returns when the last of `bytes` that came at `nowMs` has left. */
  depart(bytes: number, nowMs: number): number {
    this.#freeMs = Math.max(this.#freeMs, nowMs) + bytes / this.#bytesPerMs
    return this.#freeMs
  }
}

/** Tells when the bytes of one connection in one direction arrive: in order, whatever chance does to each. */
export class Shaper {
  readonly #profile: NetworkProfile
  readonly #line: Line
  readonly #random: () => number
  #lastMs = 0
  /** Stalls so far. */
  stalls = 0

  constructor(profile: NetworkProfile, line: Line, random: () => number) {
    this.#profile = profile
    this.#line = line
    this.#random = random
  }

  /** Bytes of this connection that may be on their way at a time. */
  get queueBytes(): number {
    return this.#line.queueBytes(this.#profile.delayMs + this.#profile.jitterMs)
  }

  /** @returns when `bytes` that came at `nowMs` arrive at the other side, never before what came earlier. */
  arrival(bytes: number, nowMs: number): number {
    const { delayMs, jitterMs, loss, stallMs } = this.#profile
    const segments = Math.ceil(bytes / SEGMENT_BYTES)
    const isLost = loss > 0 && this.#random() < 1 - (1 - loss) ** segments
    if (isLost) this.stalls++
    const onTheWay = delayMs + jitterMs * this.#random() + (isLost ? stallMs : 0)
    this.#lastMs = Math.max(this.#lastMs, this.#line.depart(bytes, nowMs) + onTheWay)
    return this.#lastMs
  }
}
