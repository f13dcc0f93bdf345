import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { asDiskError, besideOf } from './folder.ts'

/**
 * Writes `content` to the file `path`, which appears only when it is complete: a get that fails leaves nothing half-written.
 * @returns bytes written. @throws whatever `content` throws; XcareError NO_SPACE, FILE_UNREADABLE of the disk.
 */
export async function writeWhole(path: string, content: AsyncIterable<Uint8Array>): Promise<number> {
  const fresh = besideOf(path)
  let bytes = 0
  try {
    await mkdir(dirname(path), { recursive: true }).catch(asDisk(path))
    const file = await open(fresh, 'wx', 0o600).catch(asDisk(path))
    try {
      for await (const piece of content) {
        await file.writeFile(piece).catch(asDisk(path))
        bytes += piece.length
      }
      await file.sync().catch(asDisk(path))
    } finally {
      await file.close()
    }
    await rename(fresh, path).catch(asDisk(path))
  } catch (error) {
    // The first failure is the one to tell.
    await rm(fresh, { force: true }).catch(() => {})
    throw error
  }
  return bytes
}

const asDisk = (path: string) => (cause: unknown) => {
  throw asDiskError(cause, path)
}
