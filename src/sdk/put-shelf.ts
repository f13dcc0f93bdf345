import { existsSync, rmSync } from 'node:fs'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { toHex } from '../bytes.ts'
import { systemRandom } from '../crypto/random.ts'
import type { Shelf, ShelfFile } from '../light-node/unfinished/shelf.ts'
import { openTurnLock } from '../local/lock.ts'
import { readOrNull, replaceFile } from './folder.ts'

const FILE = /^[0-9a-f]{16}$/
const LOCK = '.lock'

/**
 * @returns the files of puts under way in the folder `path`, which is made when something is noted first.
 * Whoever uses one holds a lock of the system on it.
 */
export function openPutShelf(path: string): Shelf {
  return {
    list: async () =>
      existsSync(path) ? (await readdir(path)).filter((name) => FILE.test(name)).sort() : [],
    take: async (name) => taken(path, name),
    async begin() {
      await mkdir(path, { recursive: true, mode: 0o700 })
      return taken(path, toHex(systemRandom.bytes(8)))!
    },
  }
}

function taken(folder: string, name: string): ShelfFile | null {
  const path = join(folder, name)
  const lock = openTurnLock(path + LOCK)
  if (!lock.tryTake()) {
    lock.close()
    return null
  }
  let isOurs = true
  const leave = () => {
    if (!isOurs) return
    isOurs = false
    // Without the file nobody looks for its lock.
    if (!existsSync(path)) rmSync(path + LOCK, { force: true })
    lock.close()
  }
  return {
    name,
    read: () => readOrNull(path),
    write: (content) => replaceFile(path, content),
    async remove() {
      rmSync(path, { force: true })
      leave()
    },
    leave,
  }
}
