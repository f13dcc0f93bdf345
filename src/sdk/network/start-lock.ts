import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isHeld, openTurnLock } from '../../local/lock.ts'
import { systemClock } from '../clock.ts'
import { asDiskError } from '../folder.ts'
import { bornOf, holderOf, type ProcessId } from '../roles/life.ts'

const STEP_MS = 100

const lockOf = (root: string) => join(root, 'start.lock')

/**
 * Takes the turn to start the network in `root`: two starts at once would each end or doubt what the other
 * begins. The end of this process is the end of its turn.
 * @param onWait called once when another has the turn.
 * @returns how to give it back.
 */
export async function takeStartTurn(root: string, onWait: () => void): Promise<() => void> {
  try {
    await mkdir(root, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw asDiskError(cause, root)
  }
  const lock = openTurnLock(lockOf(root))
  for (let told = false; !lock.tryTake(); told = true) {
    if (!told) onWait()
    await systemClock.sleep(STEP_MS)
  }
  return () => {
    lock.give()
    lock.close()
  }
}

/**
 * @returns the process that is starting the network in `root` now: null when none is, or none that this
 * system names.
 */
export function startingProcess(root: string): ProcessId | null {
  if (!isHeld(lockOf(root))) return null
  const pid = holderOf(lockOf(root))
  return pid === null ? null : { pid, born: bornOf(pid) }
}
