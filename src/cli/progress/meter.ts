import type { Progress } from '../../ports.ts'

/**
 * The rate is that of the last so many ms, so that it follows the line, and stands still enough to be read.
 */
const WINDOW_MS = 15_000
/** Before so many ms a rate would be a guess. */
const MEANT_MS = 1_000
const TYPES = new Set(['put-progress', 'get-progress'])

/** How fast something goes, and how long it takes still; null while that cannot be told. */
export interface Pace {
  bytesPerSecond: number | null
  leftSeconds: number | null
}

/** Tells rate and time left of one thing from how far it had come when. Pure: time is an argument. */
export class Meter {
  readonly #points: { ms: number; bytes: number }[] = []

  /** @param nowMs of any clock that only goes forward. @param bytes done, of `of`. */
  add(nowMs: number, bytes: number, of: number): Pace {
    const last = this.#points.at(-1)
    // What was there already, from an earlier try, was not done now.
    if (last && bytes < last.bytes) this.#points.length = 0
    this.#points.push({ ms: nowMs, bytes })
    while (this.#points.length > 2 && this.#points[1]!.ms <= nowMs - WINDOW_MS) this.#points.shift()
    const [first] = this.#points
    const tookMs = nowMs - first!.ms
    const done = bytes - first!.bytes
    if (tookMs < MEANT_MS || done <= 0) return { bytesPerSecond: null, leftSeconds: null }
    const perMs = done / tookMs
    return {
      bytesPerSecond: Math.round(perMs * 1000),
      leftSeconds: Math.ceil(Math.max(0, of - bytes) / perMs / 1000),
    }
  }
}

/**
 * @returns progress that tells rate and time left as well, of all records of a command where it names
 * `allBytes` and `allOf`.
 */
export function metered(progress: Progress, nowMs: () => number): Progress {
  const meters = new Map<string, Meter>()
  return (event) => {
    if (!TYPES.has(event.type)) return progress(event)
    const { name, bytes, of, allBytes, allOf } = event
    const isAll = typeof allBytes === 'number' && typeof allOf === 'number'
    const key = `${event.type} ${isAll ? '' : String(name)}`
    const meter = meters.get(key) ?? new Meter()
    meters.set(key, meter)
    const pace = isAll ? meter.add(nowMs(), allBytes, allOf) : meter.add(nowMs(), Number(bytes), Number(of))
    progress({ ...event, ...pace })
  }
}
