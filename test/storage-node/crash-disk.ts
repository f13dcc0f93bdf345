import type { VolumeFile, VolumeFolder } from '../../src/storage-node/disk/volume/files.ts'

const SECTOR_BYTES = 512

/** One thing the store asked of the disk. */
type DiskOp =
  | { kind: 'create' | 'remove' | 'sync' | 'lostSync'; file: number }
  | { kind: 'write'; file: number; at: number; bytes: Uint8Array }
  | { kind: 'truncate'; file: number; length: number }
  | { kind: 'syncFolder' }

/** Ways in which a store, or the system below it, can be wrong; each must be noticed by the tests. */
export interface DiskFaults {
  /** Says that files are durable without making them so. */
  ignoreSync?: boolean
  /** Says that the folder is durable without making it so. */
  ignoreFolderSync?: boolean
  /** This call of sync fails once, and what it should have written is lost although it can still be read. */
  failSyncAt?: number
  /** Asks again after a failed sync, as a store must not. */
  retrySync?: boolean
  /** This call, whichever it is, fails once with this code. */
  failCall?: { at: number; code: string }
  /** Bytes one write takes at most. */
  shortWriteBytes?: number
  /** Bytes the disk holds; above it writes fail with ENOSPC. */
  capacityBytes?: number
}

/** What lies on the disk after a crash. */
export type DiskImage = Map<string, Uint8Array>

/** A disk in memory that remembers every call, so that each moment at which the power can fail can be tried. */
export class CrashDisk implements VolumeFolder {
  readonly log: DiskOp[] = []
  readonly faults: DiskFaults
  readonly #names = new Map<string, number>()
  readonly #contents: Uint8Array[] = []
  readonly #fileNames: string[] = []
  #syncs = 0
  /** Calls so far. */
  calls = 0

  constructor(image: DiskImage = new Map(), faults: DiskFaults = {}) {
    this.faults = faults
    for (const [name, bytes] of image) {
      this.#names.set(name, this.#contents.push(bytes.slice()) - 1)
      this.#fileNames.push(name)
    }
  }

  #called(): void {
    if (this.calls++ === this.faults.failCall?.at) throw systemError(this.faults.failCall.code)
  }

  list(): string[] {
    this.#called()
    return [...this.#names.keys()].sort()
  }

  create(name: string): VolumeFile {
    this.#called()
    if (this.#names.has(name)) throw systemError('EEXIST')
    const file = this.#contents.push(new Uint8Array(0)) - 1
    this.#fileNames.push(name)
    this.#names.set(name, file)
    this.log.push({ kind: 'create', file })
    return this.#handle(file)
  }

  open(name: string): VolumeFile {
    this.#called()
    const file = this.#names.get(name)
    if (file === undefined) throw systemError('ENOENT')
    return this.#handle(file)
  }

  remove(name: string): void {
    this.#called()
    const file = this.#names.get(name)
    if (file === undefined) throw systemError('ENOENT')
    this.#names.delete(name)
    this.log.push({ kind: 'remove', file })
  }

  sync(): void {
    this.#called()
    if (!this.faults.ignoreFolderSync) this.log.push({ kind: 'syncFolder' })
  }

  freeBytes(): number {
    this.#called()
    return (this.faults.capacityBytes ?? 2 ** 40) - this.#used()
  }

  /** Everything as a reader sees it now. */
  image(): DiskImage {
    return new Map([...this.#names].map(([name, file]) => [name, this.#contents[file]!.slice()]))
  }

  /** Changes one byte behind the store's back. */
  flip(name: string, at: number, mask: number): void {
    this.#contents[this.#names.get(name)!]![at]! ^= mask
  }

  #used(): number {
    let used = 0
    for (const file of this.#names.values()) used += this.#contents[file]!.length
    return used
  }

  #handle(file: number): VolumeFile {
    const read = (into: Uint8Array, at: number) => {
      this.#called()
      const part = this.#contents[file]!.subarray(at, at + into.length)
      into.set(part)
      return part.length
    }
    return {
      size: () => {
        this.#called()
        return this.#contents[file]!.length
      },
      write: (bytes, at) => {
        this.#called()
        return this.#write(file, bytes, at)
      },
      read,
      readDirectly: read,
      truncate: (length) => {
        this.#called()
        this.#contents[file] = resized(this.#contents[file]!, length)
        this.log.push({ kind: 'truncate', file, length })
      },
      sync: () => {
        this.#called()
        this.#sync(file)
      },
      close: () => {},
    }
  }

  #write(file: number, all: Uint8Array, at: number): number {
    const { shortWriteBytes = all.length, capacityBytes = 2 ** 40 } = this.faults
    const growth = Math.max(0, at + Math.min(all.length, shortWriteBytes) - this.#contents[file]!.length)
    const room = Math.max(0, capacityBytes - this.#used())
    const length = Math.min(all.length, shortWriteBytes) - Math.max(0, growth - room)
    if (length <= 0) throw systemError('ENOSPC')
    const bytes = all.slice(0, length)
    this.#contents[file] = written(this.#contents[file]!, bytes, at)
    this.log.push({ kind: 'write', file, at, bytes })
    return length
  }

  #sync(file: number): void {
    if (this.faults.ignoreSync) return
    if (this.#syncs++ === this.faults.failSyncAt) {
      this.log.push({ kind: 'lostSync', file })
      if (!this.faults.retrySync) throw systemError('EIO')
    }
    this.log.push({ kind: 'sync', file })
  }

  /**
   * What may lie on the disk when the power fails before call `end`. `choose(n)` picks a number below n at each
   * uncertainty: whether a write since the last sync of its file arrived, in which sectors, and whether names did.
   */
  crash(end: number, choose: (options: number) => number): DiskImage {
    const files: { durable: Uint8Array; pending: DiskOp[] }[] = []
    const durableNames = new Set<number>()
    let pendingNames: DiskOp[] = []
    for (const op of this.log.slice(0, end)) {
      if (op.kind === 'syncFolder') {
        for (const change of pendingNames) applyName(durableNames, change)
        pendingNames = []
      } else if (op.kind === 'create' || op.kind === 'remove') {
        if (op.kind === 'create') files[op.file] = { durable: new Uint8Array(0), pending: [] }
        pendingNames.push(op)
      } else {
        const state = files[op.file]!
        if (op.kind === 'sync') state.durable = state.pending.reduce(applied, state.durable)
        if (op.kind === 'sync' || op.kind === 'lostSync') state.pending = []
        else state.pending.push(op)
      }
    }
    for (const change of pendingNames) if (choose(2) === 1) applyName(durableNames, change)
    const image: DiskImage = new Map()
    for (const file of durableNames) {
      const { durable, pending } = files[file]!
      image.set(
        this.#fileNames[file]!,
        pending.reduce((content, op) => maybeApplied(content, op, choose), durable),
      )
    }
    return image
  }
}

function applyName(names: Set<number>, op: DiskOp): void {
  if (op.kind === 'create') names.add(op.file)
  if (op.kind === 'remove') names.delete(op.file)
}

function applied(content: Uint8Array, op: DiskOp): Uint8Array {
  if (op.kind === 'write') return written(content, op.bytes, op.at)
  return op.kind === 'truncate' ? resized(content, op.length) : content
}

function maybeApplied(content: Uint8Array, op: DiskOp, choose: (options: number) => number): Uint8Array {
  const fate = choose(op.kind === 'write' ? 4 : 2)
  if (fate === 0) return content
  if (fate === 1 || op.kind !== 'write') return applied(content, op)
  const sectors = Math.ceil(op.bytes.length / SECTOR_BYTES)
  if (fate === 2) return written(content, op.bytes.subarray(0, choose(sectors) * SECTOR_BYTES), op.at)
  // The length arrived, some of the sectors did not.
  const torn = op.bytes.slice()
  for (let sector = 0; sector < sectors; sector++)
    if (choose(3) === 0) torn.fill(0, sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES)
  return written(content, torn, op.at)
}

function written(content: Uint8Array, bytes: Uint8Array, at: number): Uint8Array {
  const out = at + bytes.length > content.length ? resized(content, at + bytes.length) : content.slice()
  out.set(bytes, at)
  return out
}

function resized(content: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length)
  out.set(content.subarray(0, length))
  return out
}

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code })
}
