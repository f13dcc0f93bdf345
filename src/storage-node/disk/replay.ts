import { equalBytes } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import { decodeHead, SHARE_BYTES } from '../../fragment/header.ts'
import { columnRoot } from '../../fragment/manifest.ts'
import { FRAGMENT_HEAD_BYTES } from '../../limits.ts'
import { hashesOf } from './catalog/column-hashes.ts'
import type { FragmentIndex } from './catalog/fragment-index.ts'
import type { VolumeFile } from './volume/files.ts'
import { RECORD, type RecordHeader, recordBytes } from './volume/record.ts'
import { type FoundRecord, scanVolume } from './volume/scan.ts'

/** One volume to bring into the index. */
export interface ReplaySource {
  number: number
  file: VolumeFile
  storeId: Uint8Array
  /** Offset from which the index does not know it. */
  from: number
  /** Whether it is the newest volume: only there a crash can have torn the end. */
  isNewest: boolean
}

/** A damaged record, kept until a sound one behind it proves that it was not the torn end. */
type Doubtful = Pick<FoundRecord, 'header' | 'at'>

/** Brings records into an index. One replay may take many volumes, in order; `finish` ends it. */
export class Replay {
  readonly #index: FragmentIndex
  readonly #nowMs: number
  readonly #minSequence: number
  /** Column records and their volumes: judged at the end, because a copied fragment may lie behind them. */
  readonly #columns: { header: RecordHeader; volume: number }[] = []
  /**
   * Damaged records: judged at the end as well, because the first of a column that is sound may lie behind
   * them.
   */
  readonly #damaged: (Doubtful & { volume: number })[] = []
  #volume = 0
  /** Highest sequence met. */
  sequence = 0

  /** @param minSequence records below it are passed over. */
  constructor(index: FragmentIndex, nowMs: number, minSequence: number) {
    this.#index = index
    this.#nowMs = nowMs
    this.#minSequence = minSequence
  }

  /** Takes one volume, inside the caller's transaction. @returns where its last sound record ends. */
  takeVolume(source: ReplaySource): number {
    const doubtful: Doubtful[] = []
    let end = source.from
    this.#volume = source.number
    for (const found of scanVolume(source.file, source.storeId, source.from)) {
      const { header, at, isSound } = found
      if (header.sequence < this.#minSequence) continue
      this.sequence = Math.max(this.sequence, header.sequence)
      if (!isSound) {
        doubtful.push({ header, at })
        continue
      }
      this.#noteDamaged(doubtful.splice(0))
      this.#apply(found)
      end = at + recordBytes(header.length)
    }
    if (!source.isNewest) {
      this.#noteDamaged(doubtful)
      end = Math.max(end, source.file.size())
    }
    this.#index.setVolumeSize(source.number, end)
    return end
  }

  /** Judges the columns, inside the caller's transaction. */
  finish(): void {
    for (const damaged of this.#damaged) this.#applyDamaged(damaged)
    for (const { header, volume } of this.#columns) this.#complete(header, volume)
  }

  #apply({ header, at, body }: FoundRecord): void {
    if (header.type === RECORD.tombstone) this.#delete(header, at)
    else if (header.version <= this.#index.tombstone(header.objectId, header.ownerKey)) return
    else if (header.type === RECORD.fragment) this.#fragment(header, at, body)
    else if (header.type === RECORD.manifest) this.#manifest(header, at)
    else this.#columns.push({ header, volume: this.#volume })
  }

  #noteDamaged(doubtful: readonly Doubtful[]): void {
    for (const one of doubtful) this.#damaged.push({ ...one, volume: this.#volume })
  }

  /**
   * A damaged fragment of a known column is kept in the index as bad, so that it is reported and can be
   * replaced; unless it was replaced already.
   */
  #applyDamaged({ header, at, volume }: Doubtful & { volume: number }): void {
    if (header.type !== RECORD.fragment) return
    if (header.version <= this.#index.tombstone(header.objectId, header.ownerKey)) return
    const column = this.#index.column(header, header.ownerKey)
    if (column === null || this.#index.place(column.id, header.stripe) !== null) return
    const { length, id: hash } = header
    const share = new Uint8Array(SHARE_BYTES)
    const place = { volume, at, length, isBad: true, hash, share }
    this.#index.setPlace(column.id, header.stripe, place, null)
  }

  #fragment(header: RecordHeader, at: number, body: Uint8Array): void {
    const head = headOf(body)
    if (head === null) return
    const { length, id: hash, stripe } = header
    const known = this.#index.column(header, header.ownerKey)
    const id = known?.id ?? this.#index.addColumn(header, head.header, this.#nowMs)
    const before = this.#index.place(id, stripe)
    // A complete column takes a fragment again only to heal it.
    if (known?.isComplete && before && !equalBytes(before.hash, hash)) return
    const place = { volume: this.#volume, at, length, isBad: false, hash, share: head.share }
    this.#index.setPlace(id, stripe, place, before)
  }

  #manifest({ objectId, ownerKey, version, length, id: hash }: RecordHeader, at: number): void {
    this.#index.setManifest({ objectId, ownerKey, version, volume: this.#volume, at, length, hash })
  }

  #complete(header: RecordHeader, volume: number): void {
    const column = this.#index.column(header, header.ownerKey)
    if (column === null || column.isComplete) return
    const hashes = hashesOf(this.#index, column)
    if (hashes === null || !equalBytes(columnRoot(hashes), header.id)) return
    this.#index.completeColumn(column.id, volume, this.#nowMs)
  }

  #delete({ objectId, ownerKey, version }: RecordHeader, at: number): void {
    if (version <= this.#index.tombstone(objectId, ownerKey)) return
    forgetVersions(this.#index, objectId, ownerKey, version)
    this.#index.setTombstone(objectId, ownerKey, version, this.#volume, at)
  }
}

/** Drops every column and manifest of an object up to `version` that this owner put. */
export function forgetVersions(
  index: FragmentIndex,
  objectId: Uint8Array,
  ownerKey: Uint8Array,
  version: number,
): void {
  for (const column of index.columnsOf(objectId))
    if (column.version <= version && equalBytes(column.ownerKey, ownerKey)) index.dropColumn(column.id)
  for (const held of index.manifestVersions(objectId)) {
    const manifest = index.manifest(objectId, held)
    if (manifest && held <= version && equalBytes(manifest.ownerKey, ownerKey))
      index.dropManifest(objectId, held)
  }
}

function headOf(body: Uint8Array): ReturnType<typeof decodeHead> | null {
  try {
    return decodeHead(body.subarray(0, FRAGMENT_HEAD_BYTES))
  } catch (error) {
    if (error instanceof XcareError) return null
    throw error
  }
}
