import {
  COMMIT_BYTES_MAX,
  FRAGMENT_BYTES_MAX,
  MANIFEST_BYTES_MAX,
  VOLUME_BLOCK_BYTES,
} from '../../../limits.ts'
import type { FragmentIndex } from '../catalog/fragment-index.ts'
import type { Committer } from '../commit.ts'
import { RECORD, type RecordHeader, recordBytes, wholeBlocks } from '../volume/record.ts'
import { type FoundRecord, scanVolume } from '../volume/scan.ts'
import type { Volumes } from '../volume/volumes.ts'

/** A volume of which less than this part still counts is emptied. */
const LIVE_MIN = 0.5
/**
 * The volume that takes new records is closed, to be emptied as well, once so much of it does not count any
 * more: more than the padding of what is copied.
 */
const DEAD_BYTES_MAX = 1024 * 1024
const DEAD_PART_MAX = 16
const PADDING_BYTES_MAX = 4 * VOLUME_BLOCK_BYTES
/** Beside what is copied: the first block of a new volume, and what the index grows by. */
const BESIDE_BYTES = 64 * 1024

/** Room without which some record could never be copied. */
const ONE_RECORD_BYTES = recordBytes(Math.max(FRAGMENT_BYTES_MAX, MANIFEST_BYTES_MAX))

/** What compaction works on. */
export interface CompactParts {
  index: FragmentIndex
  volumes: Volumes
  committer: Committer
  storeId: Uint8Array
}

interface Move {
  header: RecordHeader
  body: Uint8Array
  moved(volume: number, at: number): void
}

/** Empties volumes that hold mostly what nobody needs any more, a few MiB at a time. */
export class Compactor {
  readonly #parts: CompactParts
  /** Volumes that hold damaged fragments: they stay until those were put again or deleted. */
  readonly #stuck = new Set<number>()
  #number = 0
  #from = 0

  constructor(parts: CompactParts) {
    this.#parts = parts
  }

  /** Copies the next few MiB of what counts. @param roomBytes bytes that may be written now. @returns whether there is more to do. @throws XcareError as Committer.rewrite. */
  step(roomBytes: number): boolean {
    // On a small disk that is full there is little room, and all the more need.
    const room = Math.min(COMMIT_BYTES_MAX, roomBytes - BESIDE_BYTES)
    this.#closeDead()
    const number = this.#candidate()
    if (number === null || room < ONE_RECORD_BYTES) return false
    this.#from = number === this.#number ? this.#from : VOLUME_BLOCK_BYTES
    this.#number = number
    const moves = this.#gather(number, room)
    if (moves.length > 0) this.#parts.committer.rewrite(moves)
    else if ((this.#parts.index.volumes.get(number)?.live ?? 0) > 0) this.#stuck.add(number)
    return true
  }

  /** Lets the next commit begin a new volume when the one it would go to is mostly dead. */
  #closeDead(): void {
    const { index, volumes } = this.#parts
    const use = volumes.active === null ? undefined : index.volumes.get(volumes.active)
    if (use === undefined) return
    const dead = wholeBlocks(use.size) - VOLUME_BLOCK_BYTES - use.live
    const isMostly = use.live < wholeBlocks(use.size) * LIVE_MIN
    const most = Math.max(PADDING_BYTES_MAX, Math.min(DEAD_BYTES_MAX, volumes.maxBytes / DEAD_PART_MAX))
    if (isMostly && dead >= most) volumes.closeActive()
  }

  #candidate(): number | null {
    const { index, volumes } = this.#parts
    for (const [number, { size, live }] of index.volumes) {
      if (number === volumes.active || live === 0 || this.#stuck.has(number)) continue
      if (live < wholeBlocks(size) * LIVE_MIN) return number
    }
    return null
  }

  #gather(number: number, room: number): Move[] {
    const moves: Move[] = []
    let bytes = 0
    for (const found of scanVolume(this.#parts.volumes.file(number), this.#parts.storeId, this.#from)) {
      const size = recordBytes(found.header.length)
      if (bytes + size > room) return moves
      this.#from = found.at + size
      const moved = found.isSound ? this.#mover(number, found) : null
      if (moved === null) continue
      moves.push({ header: found.header, body: found.body.slice(), moved })
      bytes += size
    }
    return moves
  }

  /** @returns how the index is told that the record moved; null when nobody needs the record. */
  #mover(number: number, { header, at }: FoundRecord): Move['moved'] | null {
    const { index } = this.#parts
    const { objectId, ownerKey, version } = header
    if (header.type === RECORD.tombstone) {
      if (!index.isTombstoneAt(objectId, ownerKey, number, at)) return null
      return (volume, to) => index.setTombstone(objectId, ownerKey, version, volume, to)
    }
    if (header.type === RECORD.manifest) {
      const manifest = index.manifest(objectId, version)
      if (manifest?.volume !== number || manifest.at !== at) return null
      return (volume, to) => index.setManifest({ ...manifest, volume, at: to })
    }
    const column = index.column(header, ownerKey)
    if (column === null) return null
    if (header.type === RECORD.column) {
      if (index.anchorOf(column.id) !== number) return null
      return (volume) => index.moveAnchor(column.id, volume)
    }
    const place = index.place(column.id, header.stripe)
    if (place?.volume !== number || place.at !== at) return null
    return (volume, to) =>
      index.setPlace(column.id, header.stripe, { ...place, isBad: false, volume, at: to }, place)
  }
}
