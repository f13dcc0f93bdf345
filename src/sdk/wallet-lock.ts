import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fromUtf8 } from '../bytes.ts'
import { XcareError } from '../errors.ts'
import { systemClock } from './clock.ts'
import { isSystemError, readOrNull } from './folder.ts'
import { bornOf, isAlive } from './roles/role.ts'

const WAIT_MS_MAX = 10_000
const WAIT_STEP_MS = 100

/**
 * Takes the wallet in the folder `path` for this process alone, and waits a little for another that has it. A lock whose owner
 * is dead is taken over.
 * @returns how to let go. @throws XcareError LOCKED when a living process keeps it.
 */
export async function lockWallet(path: string): Promise<() => Promise<void>> {
  const file = join(path, 'lock')
  const until = systemClock.nowMs() + WAIT_MS_MAX
  for (;;) {
    if (await tryLock(file)) return () => rm(file, { force: true })
    const owner = await ownerOf(file)
    if (owner && !isAlive(owner)) await rm(file, { force: true })
    else if (systemClock.nowMs() > until)
      throw new XcareError(
        'LOCKED',
        `the wallet in ${path} is in use by process ${owner?.pid ?? 'unknown'}`,
        {
          next: 'wait until that command has ended and run this one again',
        },
      )
    else await systemClock.sleep(WAIT_STEP_MS)
  }
}

async function tryLock(file: string): Promise<boolean> {
  try {
    const lock = await open(file, 'wx', 0o600)
    await lock.writeFile(JSON.stringify({ pid: process.pid, born: bornOf(process.pid) }))
    await lock.close()
    return true
  } catch (error) {
    if (isSystemError(error, 'EEXIST')) return false
    throw error
  }
}

/** Who holds the lock, or null while its owner is still writing its name. */
async function ownerOf(file: string): Promise<{ pid: number; born: string } | null> {
  const content = await readOrNull(file)
  try {
    return content && JSON.parse(fromUtf8(content))
  } catch {
    return null
  }
}
