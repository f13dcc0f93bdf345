import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { toHex } from '../bytes.ts'
import { systemRandom } from '../crypto/random.ts'
import { XcareError } from '../errors.ts'
import { inTurn } from '../local/turn.ts'
import type { Folder } from '../ports.ts'
import { systemClock } from './clock.ts'

const NAME = /^[a-z0-9][a-z0-9._-]*$/

/** Opens the folder at `path` (made with mode 0700 when absent) as a `Folder`; files get mode 0600. */
export async function openFolder(path: string): Promise<Folder> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  const at = (name: string) => {
    if (!NAME.test(name)) throw new XcareError('INTERNAL', `"${name}" is not a file name of a folder`)
    return join(path, name)
  }
  return {
    read: (name) => readOrNull(at(name)),
    replace: (name, content) => replaceFile(at(name), content),
    append: (name, content) => appendFile(at(name), content),
    remove: (name) => rm(at(name), { force: true }),
    list: async () => (await readdir(path)).filter((name) => NAME.test(name)).sort(),
    readFrom: (name, offset, length) => readFrom(at(name), offset, length),
    exclusive: (work) =>
      inTurn(join(path, 'turn.lock'), { clock: systemClock, random: systemRandom }, work).catch((cause) => {
        throw asDiskError(cause, path)
      }),
  }
}

async function readFrom(path: string, offset: number, length: number): Promise<Uint8Array | null> {
  let file: FileHandle
  try {
    file = await open(path, 'r')
  } catch (cause) {
    if (isSystemError(cause, 'ENOENT')) return null
    throw asDiskError(cause, path)
  }
  try {
    const { size } = await file.stat()
    const buffer = new Uint8Array(Math.max(0, Math.min(length, size - offset)))
    let filled = 0
    while (filled < buffer.length) {
      const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, offset + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return buffer.subarray(0, filled)
  } catch (cause) {
    throw asDiskError(cause, path)
  } finally {
    await file.close()
  }
}

/** @returns the whole file, or null when there is none. */
export async function readOrNull(path: string): Promise<Uint8Array | null> {
  try {
    const content = await readFile(path)
    return new Uint8Array(content.buffer, content.byteOffset, content.length)
  } catch (cause) {
    if (isSystemError(cause, 'ENOENT')) return null
    throw asDiskError(cause, path)
  }
}

/** Replaces a file so that a crash leaves the whole old or the whole new content. Durable when it resolves. */
export async function replaceFile(path: string, content: Uint8Array | string): Promise<void> {
  const fresh = besideOf(path)
  try {
    const file = await open(fresh, 'w', 0o600)
    await writeAndSync(file, content)
    await rename(fresh, path)
    await syncFolder(dirname(path))
  } catch (cause) {
    await rm(fresh, { force: true }).catch(() => {})
    throw asDiskError(cause, path)
  }
}

/**
 * @returns the path of a new file beside `path`, from where it can be renamed in one step: that works within one filesystem
 * only. The name begins with a dot, so that what a crash leaves is no file of the folder, and is never used twice.
 */
function besideOf(path: string): string {
  return join(dirname(path), `.xcare-${toHex(systemRandom.bytes(8))}.part`)
}

async function appendFile(path: string, content: Uint8Array): Promise<void> {
  try {
    const file = await open(path, constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY, 0o600)
    await writeAndSync(file, content)
  } catch (cause) {
    throw asDiskError(cause, path)
  }
}

async function writeAndSync(file: FileHandle, content: Uint8Array | string): Promise<void> {
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** @returns whether `error` is the operating system's error `code`. */
export function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

/** @returns the error a person should see when the disk refused `path`. */
export function asDiskError(cause: unknown, path: string): XcareError {
  if (cause instanceof XcareError) return cause
  if (isSystemError(cause, 'ENOSPC') || isSystemError(cause, 'EDQUOT'))
    return new XcareError('NO_SPACE', `the disk is full: ${path} could not be written`, {
      cause,
      next: 'free some space on that disk and run the command again; nothing stored earlier is lost',
    })
  if (isSystemError(cause, 'EACCES') || isSystemError(cause, 'EPERM') || isSystemError(cause, 'EROFS'))
    return new XcareError('FILE_UNREADABLE', `no permission for ${path}`, { cause })
  if (isSystemError(cause, 'EISDIR'))
    return new XcareError('FILE_UNREADABLE', `${path} is a folder`, { cause })
  if (
    isSystemError(cause, 'ENOTDIR') ||
    isSystemError(cause, 'EEXIST') ||
    isSystemError(cause, 'ENOENT') ||
    isSystemError(cause, 'ENAMETOOLONG')
  )
    return new XcareError('FILE_UNREADABLE', `there can be no file ${path}`, {
      cause,
      next: 'check the path',
    })
  return new XcareError('INTERNAL', `${path}: ${cause instanceof Error ? cause.message : String(cause)}`, {
    cause,
  })
}
