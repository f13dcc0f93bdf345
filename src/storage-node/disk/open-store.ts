import * as fs from 'node:fs'
import { join } from 'node:path'
import { fromHex, toHex } from '../../bytes.ts'
import { systemRandom } from '../../crypto/random.ts'
import { takeLock } from '../../local/lock.ts'
import type { DiskOptions } from './calls.ts'
import { VolumeStore } from './store.ts'
import { storeIdOf } from './store-id.ts'
import { openVolumeFolder, syncFolder } from './volume/files.ts'

const CONFIG = 'store.json'

/** Opens the store in a data folder: takes its lock, checks that the volumes are its own, recovers. @throws XcareError LOCKED, INTEGRITY */
export function openStore({ path, quotaBytes, audience }: DiskOptions): {
  store: VolumeStore
  close(): void
} {
  fs.mkdirSync(path, { recursive: true, mode: 0o700 })
  const lock = takeLock(join(path, 'lock'))
  try {
    const folder = openVolumeFolder(join(path, 'volumes'))
    const configured = configuredId(path)
    const storeId = storeIdOf(folder, configured, systemRandom)
    if (configured === null) configureId(path, storeId)
    const index = { path: join(path, 'index.db') }
    const clock = { nowMs: () => Date.now() }
    const store = new VolumeStore({ folder, index, storeId, quotaBytes, audience, clock })
    const close = () => {
      store.close()
      lock.release()
    }
    return { store, close }
  } catch (error) {
    lock.release()
    throw error
  }
}

function configuredId(path: string): Uint8Array | null {
  try {
    const { storeId } = JSON.parse(fs.readFileSync(join(path, CONFIG), 'utf8')) as { storeId: string }
    return fromHex(storeId)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
}

function configureId(path: string, storeId: Uint8Array): void {
  const fresh = join(path, `${CONFIG}.new`)
  const file = fs.openSync(fresh, 'w', 0o600)
  fs.writeSync(file, JSON.stringify({ format: 1, storeId: toHex(storeId) }))
  fs.fsyncSync(file)
  fs.closeSync(file)
  fs.renameSync(fresh, join(path, CONFIG))
  syncFolder(path)
}
