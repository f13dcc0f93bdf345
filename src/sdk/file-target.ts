import { closeSync, constants, existsSync, openSync, rmSync, type Stats } from 'node:fs'
import { type FileHandle, link, lstat, mkdir, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { XcareError } from '../errors.ts'
import { asDiskError, isSystemError } from './folder.ts'
import { unfinishedName } from './unfinished-files.ts'

/** Where what is written goes when something is there already: it stays, or it is replaced. */
export interface WriteChoice {
  /** Replaces a file, or a link itself; never a folder, and never what a link points to. */
  replaces?: boolean
}

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants
/** Paths through an open folder cannot be turned elsewhere by who renames its parents. */
const OPEN_FOLDERS = '/proc/self/fd'
const hasOpenFolders = existsSync(OPEN_FOLDERS)
/** What file systems without a second name for one file say. */
const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EACCES']

/** Files being written, which the end of the process must not leave behind. */
const unfinished = new Set<string>()

/** Removes what is only half written. For the end of the process: what goes on writing fails. */
export function removeUnfinished(): void {
  for (const path of unfinished) rmSync(path, { force: true })
  unfinished.clear()
}

/**
 * Writes `content` to the file `path`, which appears only when it is complete: a get that fails leaves nothing half-written.
 * @returns bytes written.
 * @throws whatever `content` throws; XcareError USAGE when something is there, NO_SPACE, FILE_UNREADABLE of
 * the disk.
 */
export async function writeWhole(
  path: string,
  content: AsyncIterable<Uint8Array>,
  choice: WriteChoice = {},
): Promise<number> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 }).catch(asDisk(path))
  const folder = await Place.open(dirname(path))
  try {
    return await folder.write(basename(path), content, choice)
  } finally {
    await folder.close()
  }
}

/** A folder on this machine that receives files under names from elsewhere: no link in it is followed. */
export interface TargetFolder {
  readonly path: string
  /** Whether something lies at the path of these segments, or in its way. */
  has(segments: string[]): Promise<boolean>
  /**
   * As writeWhole, for the path of these segments; folders on the way are made.
   * @throws XcareError FILE_UNREADABLE when a link or a file is one of them.
   */
  write(segments: string[], content: AsyncIterable<Uint8Array>, choice?: WriteChoice): Promise<number>
}

/** @returns the new folder `path`. @throws XcareError USAGE when something is there. */
export async function newTargetFolder(path: string): Promise<TargetFolder> {
  await mkdir(path, { mode: 0o700 }).catch((cause: unknown) => {
    throw isSystemError(cause, 'EEXIST') ? isThere(path) : asDiskError(cause, path)
  })
  return targetFolder(path)
}

/** @returns the folder `path`, made if need be: its own path is the caller's, and may lead through links. */
export async function openTargetFolder(path: string): Promise<TargetFolder> {
  await mkdir(path, { recursive: true, mode: 0o700 }).catch(asDisk(path))
  return targetFolder(path)
}

function targetFolder(path: string): TargetFolder {
  return {
    path,
    async has(segments) {
      for (let depth = 1; depth < segments.length; depth++) {
        const facts = await lstatOrNull(join(path, ...segments.slice(0, depth)))
        if (!facts) return false
        if (!facts.isDirectory()) return true
      }
      return (await lstatOrNull(join(path, ...segments))) !== null
    },
    async write(segments, content, choice = {}) {
      let place = await Place.open(path)
      try {
        for (const segment of segments.slice(0, -1)) {
          const inner = await place.inner(segment)
          await place.close()
          place = inner
        }
        return await place.write(segments.at(-1)!, content, choice)
      } finally {
        await place.close()
      }
    },
  }
}

async function lstatOrNull(path: string, shown = path): Promise<Stats | null> {
  return lstat(path).catch((cause: unknown) => {
    if (isSystemError(cause, 'ENOENT')) return null
    throw asDiskError(cause, shown)
  })
}

/** An open folder. */
class Place {
  readonly #handle: FileHandle
  readonly #path: string

  private constructor(handle: FileHandle, path: string) {
    this.#handle = handle
    this.#path = path
  }

  static async open(path: string): Promise<Place> {
    return new Place(await open(path, O_RDONLY | O_DIRECTORY).catch(asDisk(path)), path)
  }

  close(): Promise<void> {
    return this.#handle.close()
  }

  #at(name: string): string {
    return hasOpenFolders ? `${OPEN_FOLDERS}/${this.#handle.fd}/${name}` : join(this.#path, name)
  }

  /** @returns the folder `name` in this one, made if need be. */
  async inner(name: string): Promise<Place> {
    const path = join(this.#path, name)
    await mkdir(this.#at(name), { mode: 0o700 }).catch((cause: unknown) => {
      if (!isSystemError(cause, 'EEXIST')) throw asDiskError(cause, path)
    })
    const handle = await open(this.#at(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW).catch((cause: unknown) => {
      if (isSystemError(cause, 'ELOOP') || isSystemError(cause, 'ENOTDIR'))
        throw new XcareError(
          'FILE_UNREADABLE',
          `${path} is a link or a file: nothing is written through it`,
          {
            cause,
            next: 'name another folder with -o',
          },
        )
      throw asDiskError(cause, path)
    })
    return new Place(handle, path)
  }

  async write(
    name: string,
    content: AsyncIterable<Uint8Array>,
    { replaces = false }: WriteChoice,
  ): Promise<number> {
    const path = join(this.#path, name)
    const target = this.#at(name)
    // What would be refused at the end is refused before anything is fetched.
    const there = await lstatOrNull(target, path)
    if (there?.isDirectory()) throw new XcareError('FILE_UNREADABLE', `${path} is a folder`)
    if (there && !replaces) throw isThere(path)
    const fresh = this.#at(unfinishedName())
    begin(fresh, path)
    try {
      const file = await open(fresh, O_WRONLY | O_NOFOLLOW).catch(asDisk(path))
      const bytes = await fill(file, content, path)
      await (replaces ? rename(fresh, target).catch(asDisk(path)) : appear(fresh, target, path))
      return bytes
    } finally {
      // The first failure is the one to tell.
      await rm(fresh, { force: true }).catch(() => {})
      unfinished.delete(fresh)
    }
  }
}

/** Makes the file and notes it in one turn: an interrupt that came in between would leave it behind. */
function begin(fresh: string, path: string): void {
  try {
    closeSync(openSync(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600))
  } catch (cause) {
    throw asDiskError(cause, path)
  }
  unfinished.add(fresh)
}

async function fill(file: FileHandle, content: AsyncIterable<Uint8Array>, path: string): Promise<number> {
  let bytes = 0
  try {
    for await (const piece of content) {
      await file.writeFile(piece).catch(asDisk(path))
      bytes += piece.length
    }
    await file.sync().catch(asDisk(path))
  } finally {
    await file.close()
  }
  return bytes
}

/** Gives the file `fresh` its name, unless something took it meanwhile. */
async function appear(fresh: string, target: string, path: string): Promise<void> {
  try {
    await link(fresh, target)
  } catch (cause) {
    if (isSystemError(cause, 'EEXIST')) throw isThere(path)
    if (!NO_LINKS.some((code) => isSystemError(cause, code))) throw asDiskError(cause, path)
    // An empty file of ours keeps the place.
    const placeholder = await open(target, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600).catch(
      (error: unknown) => {
        throw isSystemError(error, 'EEXIST') ? isThere(path) : asDiskError(error, path)
      },
    )
    await placeholder.close()
    await rename(fresh, target).catch(asDisk(path))
  }
}

function isThere(path: string): XcareError {
  return new XcareError('USAGE', `${path} is there already`, {
    next: 'name another file, or move that one away; --force lets a get overwrite it',
  })
}

const asDisk = (path: string) => (cause: unknown) => {
  throw asDiskError(cause, path)
}
