import { asXcareError, type XcareError } from '../../../errors.ts'
import { systemClock } from '../../../sdk/clock.ts'
import { intendedStarts } from './schedule.ts'

/** One operation, the `index`th of its load. */
export type Operation = (index: number) => Promise<void>

/** What a load did. Latencies in ms, of the operations that went well. */
export interface LoadResult {
  latencies: number[]
  /** From the first begin to the last end. */
  seconds: number
  errors: { code: string; count: number }[]
}

/** Errors in a row after which a load is given up: it would measure nothing but refusals. */
const ERRORS_IN_A_ROW_MAX = 20

class Tally {
  readonly latencies: number[] = []
  readonly #errors = new Map<string, number>()
  readonly #start = performance.now()
  #failures = 0
  problem: XcareError | null = null

  async time(operation: Operation, index: number, fromMs: number): Promise<void> {
    try {
      await operation(index)
      this.latencies.push(performance.now() - fromMs)
      this.#failures = 0
    } catch (error) {
      const known = asXcareError(error)
      this.#errors.set(known.code, (this.#errors.get(known.code) ?? 0) + 1)
      if (++this.#failures >= ERRORS_IN_A_ROW_MAX) this.problem = known
    }
  }

  result(): LoadResult {
    if (this.problem) throw this.problem
    const errors = [...this.#errors].map(([code, count]) => ({ code, count }))
    return { latencies: this.latencies, seconds: (performance.now() - this.#start) / 1000, errors }
  }
}

/**
 * Closed loop: `inFlight` callers, each beginning its next operation when its last one is done, until `count` have begun or `seconds` are over.
 * @throws the last error when operations fail many times in a row.
 */
export async function closedLoop(
  { inFlight, count, seconds }: { inFlight: number; count: number; seconds: number },
  operation: Operation,
): Promise<LoadResult> {
  const tally = new Tally()
  const until = performance.now() + seconds * 1000
  let begun = 0
  const caller = async () => {
    while (begun < count && performance.now() < until && !tally.problem)
      await tally.time(operation, begun++, performance.now())
  }
  await Promise.all(Array.from({ length: inFlight }, caller))
  return tally.result()
}

/**
 * Open loop: operations begin at a fixed rate, and each latency counts from the intended start, so that a stall of the system is not hidden by
 * a load that waits for it. Never more than `inFlightMax` at a time; what has to wait for its turn waits on the clock.
 * @throws the last error when operations fail many times in a row.
 */
export async function openLoop(
  { perSecond, seconds, inFlightMax }: { perSecond: number; seconds: number; inFlightMax: number },
  operation: Operation,
): Promise<LoadResult> {
  const tally = new Tally()
  const origin = performance.now()
  const running = new Set<Promise<void>>()
  for (const [index, offset] of intendedStarts(perSecond, seconds).entries()) {
    const ahead = origin + offset - performance.now()
    if (ahead > 0) await systemClock.sleep(ahead)
    while (running.size >= inFlightMax) await Promise.race(running)
    if (tally.problem) break
    const one: Promise<void> = tally
      .time(operation, index, origin + offset)
      .finally(() => running.delete(one))
    running.add(one)
  }
  await Promise.all(running)
  return tally.result()
}
