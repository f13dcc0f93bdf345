import { XcareError } from '../errors.ts'
import type { Clock, Random } from '../ports.ts'
import { openTurnLock } from './lock.ts'

const WAIT_MS_MAX = 30_000
const STEP_MS_MAX = 20

/**
 * Runs `work` while no other process and nobody else in this one holds the lock at `path`; the others wait
 * for their turn. A process that dies in the middle holds nobody up.
 * @param waitMs how long to wait.
 * @throws XcareError LOCKED when it is not our turn by then; what `work` throws
 */
export async function inTurn<T>(
  path: string,
  { clock, random, waitMs = WAIT_MS_MAX }: { clock: Clock; random: Random; waitMs?: number },
  work: () => Promise<T>,
): Promise<T> {
  const lock = openTurnLock(path)
  try {
    const until = clock.nowMs() + waitMs
    while (!lock.tryTake()) {
      if (clock.nowMs() > until)
        throw new XcareError('LOCKED', `another process has been writing to ${path} for ${waitMs / 1000} s`, {
          next: 'wait until that command has ended and run this one again',
        })
      // By chance, so that many who wait do not come all at once.
      await clock.sleep(1 + (random.bytes(1)[0]! % STEP_MS_MAX))
    }
    try {
      return await work()
    } finally {
      lock.give()
    }
  } finally {
    lock.close()
  }
}
