import { equalBytes } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import { decodeHead, SHARE_BYTES } from '../../fragment/header.ts'
import { columnRoot } from '../../fragment/manifest.ts'
import { FRAGMENT_HEAD_BYTES } from '../../limits.ts'
import { hashesOf } from './column-hashes.ts'
import type { FragmentIndex } from './fragment-index.ts'
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
  nowMs: number
}

/** A damaged record, kept until a sound one behind it proves that it was not the torn end. */
type Doubtful = Omit<FoundRecord, 'body'>

/**
 * Brings the records of one volume into the index, inside the caller's transaction.
 * @returns where the last sound record ends, and the highest sequence met.
 */
export function replayVolume(index: FragmentIndex, source: ReplaySource): { end: number; sequence: number } {
  const replay = new Replay(index, source)
  const doubtful: Doubtful[] = []
  let end = source.from
  let sequence = 0
  for (const found of scanVolume(source.file, source.storeId, source.from)) {
    const { header, at, isSound } = found
    sequence = Math.max(sequence, header.sequence)
    if (!isSound) {
      doubtful.push({ header, at, isSound })
      continue
    }
    for (const { header: damaged, at: place } of doubtful.splice(0)) replay.applyDamaged(damaged, place)
    replay.apply(found)
    end = at + recordBytes(header.length)
  }
  if (!source.isNewest) {
    for (const { header, at } of doubtful) replay.applyDamaged(header, at)
    end = Math.max(end, source.file.size())
  }
  index.setVolumeSize(source.number, end)
  return { end, sequence }
}

class Replay {
  readonly #index: FragmentIndex
  readonly #volume: number
  readonly #nowMs: number

  constructor(index: FragmentIndex, source: ReplaySource) {
    this.#index = index
    this.#volume = source.number
    this.#nowMs = source.nowMs
  }

  apply({ header, at, body }: FoundRecord): void {
    if (header.type === RECORD.tombstone) this.#delete(header, at)
    else if (header.version <= this.#index.tombstone(header.objectId, header.ownerKey)) return
    else if (header.type === RECORD.fragment) this.#fragment(header, at, body)
    else if (header.type === RECORD.manifest) this.#manifest(header, at)
    else this.#column(header)
  }

  /** A damaged fragment of a known column is kept in the index as bad, so that it is reported and can be replaced. */
  applyDamaged(header: RecordHeader, at: number): void {
    if (header.type !== RECORD.fragment) return
    if (header.version <= this.#index.tombstone(header.objectId, header.ownerKey)) return
    const column = this.#index.column(header, header.ownerKey)
    if (column === null) return
    const before = this.#index.place(column.id, header.stripe)
    const { length, id: hash } = header
    const share = new Uint8Array(SHARE_BYTES)
    this.#index.setPlace(
      column.id,
      header.stripe,
      { volume: this.#volume, at, length, isBad: true, hash, share },
      before,
    )
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

  #column(header: RecordHeader): void {
    const column = this.#index.column(header, header.ownerKey)
    if (column === null || column.isComplete) return
    const hashes = hashesOf(this.#index, column)
    if (hashes === null || !equalBytes(columnRoot(hashes), header.id)) return
    this.#index.completeColumn(column.id, this.#volume, this.#nowMs)
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
