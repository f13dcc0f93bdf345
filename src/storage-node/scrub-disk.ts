import { asXcareError } from '../errors.ts'
import { SCRUB_PASS_MS, SCRUB_RATE_BYTES_MIN } from '../limits.ts'
import type { Clock, XcareEvent } from '../ports.ts'
import type { FragmentStore } from './fragment-store.ts'

/** Nothing is due: look again then. */
const REST_MS = 60_000
/** Somebody waits for the disk: look again then, so often at most before the scrub has its turn. */
const YIELD_MS = 250
const YIELDS_MAX = 240
/** Steps whose column was lost or empty cost time as well. */
const STEP_BYTES_MIN = 64 * 1024

/**
 * Reads the node's own disk in the background until `signal`: all of it within SCRUB_PASS_MS, in small steps,
 * and when nobody else needs the disk.
 */
export async function scrubDisk(
  store: Pick<FragmentStore, 'call' | 'isIdle'>,
  clock: Pick<Clock, 'sleep'>,
  signal: AbortSignal,
  log: (event: XcareEvent) => void,
): Promise<void> {
  const pause = (durationMs: number) => clock.sleep(durationMs, signal).catch(() => null)
  while (!signal.aborted) {
    for (let turn = 0; turn < YIELDS_MAX && !store.isIdle && !signal.aborted; turn++) await pause(YIELD_MS)
    if (signal.aborted) return
    try {
      const bytes = await store.call('scrub')
      if (bytes > 0) for (const lost of await store.call('takeDamaged')) log(damageEvent(lost))
      await pause(bytes === 0 ? REST_MS : pauseAfter(bytes, (await store.call('status')).liveBytes))
    } catch (error) {
      if (signal.aborted) return
      log({ type: 'failed', what: 'scrub', code: asXcareError(error).code })
      await pause(REST_MS)
    }
  }
}

/** @returns what the log says of a fragment that was found damaged. */
export function damageEvent({
  version,
  column,
  stripe,
}: {
  version: number
  column: number
  stripe: number
}) {
  return { type: 'damaged', version, column, stripe }
}

/** @returns how long to rest after `bytes`, so that a disk of `liveBytes` takes one pass. */
export function pauseAfter(bytes: number, liveBytes: number): number {
  const bytesPerMs = Math.max(SCRUB_RATE_BYTES_MIN / 1000, liveBytes / SCRUB_PASS_MS)
  return Math.max(bytes, STEP_BYTES_MIN) / bytesPerMs
}
