import { link, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fromUtf8 } from '../bytes.ts'
import { XcareError } from '../errors.ts'
import { systemClock } from './clock.ts'
import { asDiskError, besideOf, isSystemError, readOrNull } from './folder.ts'
import { bornOf, isAlive } from './roles/role.ts'

const WAIT_MS_MAX = 10_000
const WAIT_STEP_MS = 100

/**
 * Takes the wallet in the folder `path` for this process alone, and waits a little for another that has it. A lock whose owner
 * is dead is taken over.
 * @returns how to let go. @throws XcareError LOCKED when a living process keeps it.
 */
export async function lockWallet(path: string, waitMs = WAIT_MS_MAX): Promise<() => Promise<void>> {
  const file = join(path, 'lock')
  const until = systemClock.nowMs() + waitMs
  for (;;) {
    if (await tryLock(file)) return () => rm(file, { force: true })
    const owner = await ownerOf(file)
    if (!owner || !isAlive(owner)) await bury(file, owner)
    else if (systemClock.nowMs() > until)
      throw new XcareError('LOCKED', `the wallet in ${path} is in use by process ${owner.pid}`, {
        next: 'wait until that command has ended and run this one again',
      })
    else await systemClock.sleep(WAIT_STEP_MS)
  }
}

async function tryLock(file: string): Promise<boolean> {
  const fresh = besideOf(file)
  try {
    await writeFile(fresh, JSON.stringify({ pid: process.pid, born: bornOf(process.pid) }), { mode: 0o600 })
    // A lock appears with its owner's name in it or not at all.
    await link(fresh, file)
    return true
  } catch (error) {
    if (isSystemError(error, 'EEXIST')) return false
    throw asDiskError(error, file)
  } finally {
    await rm(fresh, { force: true })
  }
}

/** Takes a dead lock away, and puts it back when somebody else was faster and it is not the dead one any more. */
async function bury(file: string, dead: Owner | null): Promise<void> {
  const moved = besideOf(file)
  try {
    await rename(file, moved)
    const owner = await ownerOf(moved)
    if (owner && (owner.pid !== dead?.pid || owner.born !== dead.born)) await link(moved, file)
  } catch (error) {
    if (!isSystemError(error, 'ENOENT') && !isSystemError(error, 'EEXIST')) throw asDiskError(error, file)
  } finally {
    await rm(moved, { force: true })
  }
}

interface Owner {
  pid: number
  born: string
}

/** Who holds the lock, or null when that cannot be read. */
async function ownerOf(file: string): Promise<Owner | null> {
  const content = await readOrNull(file)
  try {
    return content && JSON.parse(fromUtf8(content))
  } catch {
    return null
  }
}
