import * as fs from 'node:fs'
import { join } from 'node:path'
import { VOLUME_BLOCK_BYTES } from '../../../limits.ts'
import { isPageAligned } from './page-aligned.ts'

/** One volume's file. Calls are synchronous: they run on the disk thread. Errors are the system's own, with `code`. */
export interface VolumeFile {
  /** Bytes in the file. */
  size(): number
  /** Writes from offset `at`. @returns bytes written, which may be fewer than asked. */
  write(bytes: Uint8Array, at: number): number
  /** Reads from offset `at`. @returns bytes read; fewer than asked only at the end of the file. */
  read(into: Uint8Array, at: number): number
  /** As `read`, but past the page cache where the file system allows it. @param into whole blocks of page-aligned memory. @param at a whole block. */
  readDirectly(into: Uint8Array, at: number): number
  /** Cuts the file to `length`. */
  truncate(length: number): void
  /** Makes data and length durable. */
  sync(): void
  close(): void
}

/** The folder of the volumes: the disk as the store sees it, replaceable by one that fails on purpose. */
export interface VolumeFolder {
  list(): string[]
  /** Makes a new file; fails when it exists. Durable only after `sync`. */
  create(name: string): VolumeFile
  open(name: string): VolumeFile
  remove(name: string): void
  /** Makes creations and removals durable. */
  sync(): void
  /** Bytes that can still be written on this disk. */
  freeBytes(): number
}

/** Opens the folder at `path`, made when absent. */
export function openVolumeFolder(path: string): VolumeFolder {
  fs.mkdirSync(path, { recursive: true, mode: 0o700 })
  return {
    list: () => fs.readdirSync(path).sort(),
    create: (name) => new DiskFile(join(path, name), fs.constants.O_CREAT | fs.constants.O_EXCL),
    open: (name) => new DiskFile(join(path, name), 0),
    remove: (name) => fs.unlinkSync(join(path, name)),
    sync: () => syncFolder(path),
    freeBytes() {
      const { bavail, bsize } = fs.statfsSync(path)
      return bavail * bsize
    },
  }
}

/** Makes creations, renames and removals in the folder at `path` durable. */
export function syncFolder(path: string): void {
  const folder = fs.openSync(path, 'r')
  try {
    fs.fsyncSync(folder)
  } finally {
    fs.closeSync(folder)
  }
}

/** Writes whole blocks past the page cache where the file system allows it: a sixth of the CPU time. What is then read for the first time is on the disk only. */
class DiskFile implements VolumeFile {
  readonly #file: number
  #direct: number | null

  constructor(path: string, flags: number) {
    this.#file = fs.openSync(path, fs.constants.O_RDWR | flags, 0o600)
    this.#direct = openDirect(path)
  }

  size(): number {
    return fs.fstatSync(this.#file).size
  }

  write(bytes: Uint8Array, at: number): number {
    return (
      this.#directly(bytes, at, (file) => fs.writeSync(file, bytes, 0, bytes.length, at)) ??
      fs.writeSync(this.#file, bytes, 0, bytes.length, at)
    )
  }

  readDirectly(into: Uint8Array, at: number): number {
    const count = this.#directly(into, at, (file) => fs.readSync(file, into, 0, into.length, at))
    // Less than was asked for need not be the end of the file.
    return count === into.length ? count : this.read(into, at)
  }

  read(into: Uint8Array, at: number): number {
    let done = 0
    while (done < into.length) {
      const count = fs.readSync(this.#file, into, done, into.length - done, at + done)
      if (count === 0) break
      done += count
    }
    return done
  }

  /** @returns what `call` gives; null when blocks cannot go past the page cache. One refusal ends that for this file. */
  #directly(bytes: Uint8Array, at: number, call: (file: number) => number): number | null {
    if (this.#direct === null || !isPageAligned(bytes) || at % VOLUME_BLOCK_BYTES !== 0) return null
    try {
      return call(this.#direct)
    } catch (error) {
      if (!isInvalid(error)) throw error
      fs.closeSync(this.#direct)
      this.#direct = null
      return null
    }
  }

  truncate(length: number): void {
    fs.ftruncateSync(this.#file, length)
  }

  sync(): void {
    fs.fdatasyncSync(this.#file)
  }

  close(): void {
    if (this.#direct !== null) fs.closeSync(this.#direct)
    fs.closeSync(this.#file)
  }
}

function openDirect(path: string): number | null {
  const flag: number | undefined = fs.constants.O_DIRECT
  if (flag === undefined) return null
  try {
    return fs.openSync(path, fs.constants.O_RDWR | flag)
  } catch (error) {
    if (isInvalid(error)) return null
    throw error
  }
}

function isInvalid(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EINVAL' || error.code === 'EOPNOTSUPP')
}
