import { assert } from '../../assert.ts'
import { equalBytes } from '../../bytes.ts'
import { leafProof } from '../../crypto/blake3-tree.ts'
import { blake3 } from '../../crypto/hash.ts'
import { XcareError } from '../../errors.ts'
import { fragmentBytesOf } from '../../fragment/layout.ts'
import { CREDIT_BYTES_MAX, LEAF_BYTES, VOLUME_BLOCK_BYTES } from '../../limits.ts'
import { SHARE_BYTES } from '../../wire/fragment-protocol.ts'
import { hashesOf } from './catalog/column-hashes.ts'
import type { FragmentIndex } from './catalog/fragment-index.ts'
import type { Place } from './catalog/place.ts'
import type { ColumnName, ColumnRow, ManifestRow } from './catalog/rows.ts'
import { RecentReads } from './recent-reads.ts'
import { ReadMemory } from './volume/read-memory.ts'
import { RECORD_HEADER_BYTES, readRecordHeader, recordBytes } from './volume/record.ts'
import type { Volumes } from './volume/volumes.ts'

/** Extents of this length in the mean are read past the page cache. */
const DIRECT_BYTES_MIN = 64 * 1024
/** All of them together, at most: what is asked for, record headers, and what lies between. */
const DIRECT_BYTES_MAX = CREDIT_BYTES_MAX * 1.25

/**
 * Stripes of one step of a verification, at most: even the smallest fragments, each in a block of its own,
 * fit what is read at once.
 */
const VERIFY_STEP_STRIPES = 256
/** Bytes of fragments that one step reads, about. */
const VERIFY_STEP_BYTES = 1024 * 1024

/** @returns how many stripes of a column one step of a verification takes. */
export function verifyStepOf(column: Pick<ColumnRow, 'shardBytes'>): number {
  const fitting = Math.floor(VERIFY_STEP_BYTES / recordBytes(fragmentBytesOf(column)))
  return Math.min(VERIFY_STEP_STRIPES, Math.max(1, fitting))
}

/** Names a column to a reader, who need not know its owner. */
export type ColumnKey = Omit<ColumnName, 'ownerKey'>

/** Names the version of an object whose columns are read. */
export type VersionKey = Omit<ColumnKey, 'column'>

/** Whole fragments that were read in one go. Damaged ones are left out. */
export interface FragmentRun {
  /** Memory that belongs to this run alone: it moves to whoever asked, or, when it is shared, is given back. */
  bytes: Uint8Array
  /** By stripe, then by column. */
  parts: { stripe: number; column: number; at: number; length: number }[]
}

/** Shares of stripes `from` to `to` (exclusive) of neighbouring columns, column by column, 33 bytes each. */
export interface ShareRun {
  /** Place of the first column among those asked for. */
  first: number
  from: number
  to: number
  shares: Uint8Array
}

/** Fragment hashes of neighbouring columns, 32 bytes for each stripe. */
export interface HashRun {
  /** Place of the first column among those asked for. */
  first: number
  hashes: Uint8Array[]
}

/** Neighbouring leaves of one fragment with the proof behind them. */
export interface LeafRun {
  stripe: number
  first: number
  count: number
  proofBytes: number
  bytes: Uint8Array
}

/** Names one fragment that was found damaged. */
export interface DamagedFragment {
  /** Row of the column in the index. */
  id: number
  objectId: Uint8Array
  version: number
  column: number
  stripe: number
}

interface Located {
  column: ColumnRow
  stripe: number
  place: Place
}

/** Part of a volume that is read in one go, with the fragments in it. */
interface Extent {
  group: Located[]
  at: number
  bytes: number
}

/** What reads have in common from one to the next. */
export interface Reading {
  storeId: Uint8Array
  memory: ReadMemory
  recent: RecentReads
}

/** @returns them for a store that was just opened. */
export function newReading(storeId: Uint8Array): Reading {
  return { storeId, memory: new ReadMemory(DIRECT_BYTES_MAX), recent: new RecentReads() }
}

/** Reads what is complete. Nothing leaves unless it has the hash it was put under. */
export class ColumnReader {
  readonly #index: FragmentIndex
  readonly #volumes: Volumes
  readonly #reading: Reading
  readonly #onDamage: (fragment: DamagedFragment) => void

  constructor(
    index: FragmentIndex,
    volumes: Volumes,
    reading: Reading,
    onDamage: (fragment: DamagedFragment) => void,
  ) {
    this.#index = index
    this.#volumes = volumes
    this.#reading = reading
    this.#onDamage = onDamage
  }

  /** @returns the fragments of `columns` from stripe `from` to `to` (exclusive). @throws XcareError NOT_FOUND when none of the columns is complete here, MALFORMED above CREDIT_BYTES_MAX. */
  fragments(key: VersionKey, columns: readonly number[], from: number, to: number): FragmentRun {
    const rows = this.#columns(key, columns).map(({ row }) => row)
    const wanted = rows.length * (to - from) * fragmentBytesOf(rows[0]!)
    if (wanted > CREDIT_BYTES_MAX)
      throw new XcareError('MALFORMED', `${wanted} bytes asked for, at most ${CREDIT_BYTES_MAX} at once`)
    const located = rows.flatMap((row) => this.#located(row, from, to))
    const groups = neighbours(located.sort(byPlace))
    const blocks = groups.map((group) => extentOf(group, VOLUME_BLOCK_BYTES))
    const isLong = isWorthDirect(lengthOf(blocks), blocks.length)
    const extents = isLong ? blocks : groups.map((group) => extentOf(group, 1))
    const { memory, recent } = this.#reading
    const isAgain = isLong && recent.isAgain(key.objectId, key.version, from, to)
    const shared = isLong ? memory.take(lengthOf(extents)) : null
    const bytes = shared ?? new Uint8Array(lengthOf(extents))
    const parts: FragmentRun['parts'] = []
    let base = 0
    for (const extent of extents) {
      this.#fill(extent, bytes.subarray(base, base + extent.bytes), shared !== null && !isAgain)
      for (const found of extent.group) {
        const at = base + found.place.at - extent.at + RECORD_HEADER_BYTES
        const { stripe, column, place } = found
        if (this.#isSound(found, bytes.subarray(at, at + place.length)))
          parts.push({ stripe, column: column.column, at, length: place.length })
      }
      base += extent.bytes
    }
    return { bytes, parts: parts.sort((a, b) => a.stripe - b.stripe || a.column - b.column) }
  }

  /** @returns the hashes of all fragments of those of `columns` that are complete here. @throws as fragments. */
  hashes(key: VersionKey, columns: readonly number[]): HashRun[] {
    const runs: HashRun[] = []
    for (const { row, place } of this.#columns(key, columns)) {
      const hashes = hashesOf(this.#index, row)
      if (hashes === null) throw new XcareError('INTEGRITY', 'the index lost a fragment of a complete column')
      const run = runs.at(-1)
      if (run && run.first + run.hashes.length === place) run.hashes.push(hashes)
      else runs.push({ first: place, hashes: [hashes] })
    }
    return runs
  }

  /** @returns key shares of stripes `from` to `to` (exclusive) in runs; damaged fragments are gaps. @throws as fragments. */
  shares(key: VersionKey, columns: readonly number[], from: number, to: number): ShareRun[] {
    const runs = this.#columns(key, columns).flatMap(({ row, place }) =>
      stripeRuns(this.#located(row, from, to)).map((run) => ({ first: place, run })),
    )
    return joined(runs)
  }

  /** @returns one run of leaves with its proof; null when the fragment is damaged. @throws XcareError MALFORMED for leaves that are not there; as fragments. */
  leaves(
    key: ColumnKey,
    { stripe, first, count }: { stripe: number; first: number; count: number },
  ): LeafRun | null {
    const column = this.#column(key)
    const found = this.#located(column, stripe, stripe + 1)[0]
    if (stripe >= column.stripes || first + count > Math.ceil(fragmentBytesOf(column) / LEAF_BYTES))
      throw new XcareError('MALFORMED', `no leaves ${first} to ${first + count - 1} in stripe ${stripe}`)
    if (found === undefined) return null
    const body = new Uint8Array(found.place.length)
    this.#read(found.place.volume, found.place.at + RECORD_HEADER_BYTES, body)
    if (!this.#isSound(found, body)) return null
    const proof = leafProof(body, first, count)
    const leaves = body.subarray(first * LEAF_BYTES, Math.min((first + count) * LEAF_BYTES, body.length))
    const bytes = new Uint8Array(leaves.length + proof.length)
    bytes.set(leaves)
    bytes.set(proof, leaves.length)
    return { stripe, first, count, proofBytes: proof.length, bytes }
  }

  /**
   * Reads fragments of stripes `from` to `to` (exclusive) of one column from the disk itself, at most
   * VERIFY_STEP_STRIPES; what is not as it was put, record header included, counts as damaged from then on.
   * @returns bytes read.
   */
  verify(column: ColumnRow, from: number, to: number): number {
    assert(to - from <= VERIFY_STEP_STRIPES, 'one step reads little')
    let bytes = 0
    for (const group of neighbours(this.#located(column, from, to).sort(byPlace))) {
      const extent = extentOf(group, VOLUME_BLOCK_BYTES)
      const memory = this.#reading.memory.take(extent.bytes) ?? new Uint8Array(extent.bytes)
      this.#fill(extent, memory, true)
      for (const found of group) {
        const at = found.place.at - extent.at
        const end = at + RECORD_HEADER_BYTES + found.place.length
        const header = readRecordHeader(memory, this.#reading.storeId, at)
        if (header === null || !equalBytes(header.id, found.place.hash)) this.#markBad(found)
        else this.#isSound(found, memory.subarray(at + RECORD_HEADER_BYTES, end))
      }
      if (memory.buffer instanceof SharedArrayBuffer) this.#reading.memory.giveBack(memory)
      bytes += extent.bytes
    }
    return bytes
  }

  /**
   * @returns the manifest of one version, read from the disk; null without one. One that is damaged is
   * forgotten, so that it can be put again.
   */
  manifestOf({ objectId, version }: VersionKey): Uint8Array | null {
    const row = this.#index.manifest(objectId, version)
    return row === null ? null : this.#soundManifest(row)
  }

  /** @returns the newest manifest of an object. @throws XcareError NOT_FOUND, INTEGRITY when it is damaged here. */
  manifest(objectId: Uint8Array): Uint8Array {
    const row = this.#index.manifest(objectId, null)
    if (row === null) throw new XcareError('NOT_FOUND', 'the object is not on this node')
    const body = this.#soundManifest(row)
    if (body === null) throw new XcareError('INTEGRITY', 'the manifest is damaged on this node')
    return body
  }

  #soundManifest(row: ManifestRow): Uint8Array | null {
    const body = new Uint8Array(row.length)
    this.#read(row.volume, row.at + RECORD_HEADER_BYTES, body)
    if (equalBytes(blake3(body), row.hash)) return body
    // Without the row the manifest can be put again.
    this.#index.dropManifest(row.objectId, row.version)
    return null
  }

  #columns(key: VersionKey, columns: readonly number[]): { row: ColumnRow; place: number }[] {
    const rows = columns.flatMap((column, place) => {
      const row = this.#index.column({ ...key, column }, null)
      return row ? [{ row, place }] : []
    })
    if (rows.length === 0) throw new XcareError('NOT_FOUND', 'these columns are not on this node')
    return rows
  }

  #column(key: ColumnKey): ColumnRow {
    const column = this.#index.column(key, null)
    if (column === null) throw new XcareError('NOT_FOUND', 'the column is not on this node')
    return column
  }

  #located(column: ColumnRow, from: number, to: number): Located[] {
    const places = [...this.#index.places(column.id, from, Math.min(to, column.stripes))]
    return places.filter(({ place }) => !place.isBad).map((found) => ({ column, ...found }))
  }

  /** Fills `into` with an extent. A disk that cannot read all of it is asked for each fragment: one bad sector costs one. */
  #fill({ group, at }: Extent, into: Uint8Array, isDirect: boolean): void {
    const { volume } = group[0]!.place
    try {
      const file = this.#volumes.file(volume)
      const count = isDirect ? file.readDirectly(into, at) : file.read(into, at)
      into.fill(0, count)
    } catch (error) {
      if (!isUnreadable(error)) throw error
      into.fill(0)
      for (const { place } of group) {
        const from = place.at - at + RECORD_HEADER_BYTES
        this.#read(volume, place.at + RECORD_HEADER_BYTES, into.subarray(from, from + place.length))
      }
    }
  }

  /** Fills `into`; what the disk does not give stays zero and fails its hash. */
  #read(volume: number, at: number, into: Uint8Array): void {
    try {
      this.#volumes.file(volume).read(into, at)
    } catch (error) {
      if (!isUnreadable(error)) throw error
    }
  }

  #isSound(found: Located, body: Uint8Array): boolean {
    if (equalBytes(blake3(body), found.place.hash)) return true
    this.#markBad(found)
    return false
  }

  #markBad({ column, stripe, place }: Located): void {
    this.#index.setPlace(column.id, stripe, { ...place, isBad: true }, place)
    const { objectId, version } = column
    this.#onDamage({ id: column.id, objectId, version, column: column.column, stripe })
  }
}

function byPlace({ place: a }: Located, { place: b }: Located): number {
  return a.volume - b.volume || a.at - b.at
}

/** @returns `located` in groups that lie side by side in one volume, padding between commits allowed. */
function neighbours(located: Located[]): Located[][] {
  const groups: Located[][] = []
  let end = -1
  for (const found of located) {
    const { volume, at, length } = found.place
    const group = groups.at(-1)
    const isNear = at >= end && at - end < VOLUME_BLOCK_BYTES
    if (group && isNear && group[0]!.place.volume === volume) group.push(found)
    else groups.push([found])
    end = at + recordBytes(length)
  }
  return groups
}

/** @returns where `group` lies, in whole blocks of `block` bytes. */
function extentOf(group: Located[], block: number): Extent {
  const last = group.at(-1)!.place
  const at = Math.floor(group[0]!.place.at / block) * block
  const end = Math.ceil((last.at + RECORD_HEADER_BYTES + last.length) / block) * block
  return { group, at, bytes: end - at }
}

function lengthOf(extents: readonly Extent[]): number {
  return extents.reduce((sum, { bytes }) => sum + bytes, 0)
}

/** A short read would cost a disk access where the system reads ahead. */
function isWorthDirect(length: number, extents: number): boolean {
  return length <= DIRECT_BYTES_MAX && length >= DIRECT_BYTES_MIN * Math.max(1, extents)
}

function isUnreadable(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EIO'
}

/** @returns `located` of one column in runs of neighbouring stripes. */
function stripeRuns(located: Located[]): Located[][] {
  const runs: Located[][] = []
  for (const found of located) {
    const run = runs.at(-1)
    if (run && run.at(-1)!.stripe + 1 === found.stripe) run.push(found)
    else runs.push([found])
  }
  return runs
}

/** @returns runs of the same stripes of neighbouring columns together. */
function joined(runs: { first: number; run: Located[] }[]): ShareRun[] {
  const groups: { first: number; runs: Located[][] }[] = []
  for (const { first, run } of runs) {
    const group = groups.at(-1)
    const isNext = group && group.first + group.runs.length === first && isSameRange(group.runs[0]!, run)
    if (isNext) group.runs.push(run)
    else groups.push({ first, runs: [run] })
  }
  return groups.map(({ first, runs }) => {
    const from = runs[0]![0]!.stripe
    return { first, from, to: from + runs[0]!.length, shares: sharesOf(runs.flat()) }
  })
}

function isSameRange(a: Located[], b: Located[]): boolean {
  return a.length === b.length && a[0]!.stripe === b[0]!.stripe
}

function sharesOf(run: Located[]): Uint8Array {
  const shares = new Uint8Array(run.length * SHARE_BYTES)
  run.forEach(({ place }, index) => {
    shares.set(place.share, index * SHARE_BYTES)
  })
  return shares
}
