import { COMMIT_BYTES_MAX, VOLUME_BLOCK_BYTES } from '../../limits.ts'
import type { FragmentIndex } from './catalog/fragment-index.ts'
import type { Committer } from './commit.ts'
import { RECORD, type RecordHeader, recordBytes, wholeBlocks } from './volume/record.ts'
import { type FoundRecord, scanVolume } from './volume/scan.ts'
import type { Volumes } from './volume/volumes.ts'

/** A volume of which less than this part still counts is emptied. */
const LIVE_MIN = 0.5

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
    const number = this.#candidate()
    if (number === null || roomBytes < COMMIT_BYTES_MAX * 2) return false
    this.#from = number === this.#number ? this.#from : VOLUME_BLOCK_BYTES
    this.#number = number
    const moves = this.#gather(number)
    if (moves.length > 0) this.#parts.committer.rewrite(moves)
    else if ((this.#parts.index.volumes.get(number)?.live ?? 0) > 0) this.#stuck.add(number)
    return true
  }

  #candidate(): number | null {
    const { index, volumes } = this.#parts
    for (const [number, { size, live }] of index.volumes) {
      if (number === volumes.active || live === 0 || this.#stuck.has(number)) continue
      if (live < wholeBlocks(size) * LIVE_MIN) return number
    }
    return null
  }

  #gather(number: number): Move[] {
    const moves: Move[] = []
    let bytes = 0
    for (const found of scanVolume(this.#parts.volumes.file(number), this.#parts.storeId, this.#from)) {
      const size = recordBytes(found.header.length)
      if (bytes + size > COMMIT_BYTES_MAX) return moves
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
