import { equalBytes } from '../../bytes.ts'
import { leafProof } from '../../crypto/blake3-tree.ts'
import { blake3 } from '../../crypto/hash.ts'
import { XcareError } from '../../errors.ts'
import { fragmentBytesOf } from '../../fragment/layout.ts'
import { LEAF_BYTES, READ_RUN_BYTES, VOLUME_BLOCK_BYTES } from '../../limits.ts'
import { HEADS_MAX, SHARE_BYTES } from '../../wire/fragment-protocol.ts'
import { hashesOf } from './catalog/column-hashes.ts'
import type { ColumnName, ColumnRow, FragmentIndex } from './catalog/fragment-index.ts'
import type { Place } from './catalog/place.ts'
import { RECORD_HEADER_BYTES, recordBytes } from './volume/record.ts'
import type { Volumes } from './volume/volumes.ts'

/** Names a column to a reader, who need not know its owner. */
export type ColumnKey = Omit<ColumnName, 'ownerKey'>

/** Whole fragments that were read in one go. Damaged ones are left out. */
export interface FragmentRun {
  /** Memory that belongs to this run alone. */
  bytes: Uint8Array
  parts: { stripe: number; at: number; length: number }[]
  /** Stripe to go on from. */
  next: number
}

/** Shares of neighbouring stripes from `from` on, 33 bytes each. */
export interface ShareRun {
  from: number
  shares: Uint8Array
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
  objectId: Uint8Array
  version: number
  column: number
  stripe: number
}

interface Located {
  stripe: number
  place: Place
}

/** Reads what is complete. Nothing leaves unless it has the hash it was put under. */
export class ColumnReader {
  readonly #index: FragmentIndex
  readonly #volumes: Volumes
  readonly #onDamage: (fragment: DamagedFragment) => void

  constructor(index: FragmentIndex, volumes: Volumes, onDamage: (fragment: DamagedFragment) => void) {
    this.#index = index
    this.#volumes = volumes
    this.#onDamage = onDamage
  }

  /** @returns about READ_RUN_BYTES of fragments from stripe `from` on. @throws XcareError NOT_FOUND when the column is not complete here. */
  fragments(key: ColumnKey, from: number, to: number): FragmentRun {
    const column = this.#column(key)
    const count = Math.max(1, Math.floor(READ_RUN_BYTES / fragmentBytesOf(column)))
    const next = Math.min(to, column.stripes, from + count)
    const located = this.#located(column, from, next)
    const groups = neighbours(located)
    const bytes = new Uint8Array(groups.reduce((sum, group) => sum + spanOf(group), 0))
    const parts: FragmentRun['parts'] = []
    let base = 0
    for (const group of groups) {
      const span = bytes.subarray(base, base + spanOf(group))
      const start = group[0]!.place.at
      this.#read(group[0]!.place.volume, start, span)
      for (const found of group) {
        const at = found.place.at - start + RECORD_HEADER_BYTES
        const body = span.subarray(at, at + found.place.length)
        if (this.#isSound(column, found, body))
          parts.push({ stripe: found.stripe, at: base + at, length: body.length })
      }
      base += span.length
    }
    return { bytes, parts, next: next >= Math.min(to, column.stripes) ? to : next }
  }

  /** @returns the hashes of all fragments of the column, 32 bytes each. @throws as fragments. */
  hashes(key: ColumnKey): Uint8Array {
    const hashes = hashesOf(this.#index, this.#column(key))
    if (hashes === null) throw new XcareError('INTEGRITY', 'the index lost a fragment of a complete column')
    return hashes
  }

  /** @returns key shares of stripes `from` to `to` (exclusive) in runs; damaged fragments are gaps. @throws as fragments. */
  shares(key: ColumnKey, from: number, to: number): ShareRun[] {
    const column = this.#column(key)
    const runs: ShareRun[] = []
    let run: Located[] = []
    const flush = () => {
      if (run.length > 0) runs.push({ from: run[0]!.stripe, shares: sharesOf(run) })
      run = []
    }
    for (const found of this.#located(column, from, Math.min(to, column.stripes))) {
      const last = run.at(-1)
      if (last && (last.stripe + 1 !== found.stripe || run.length === HEADS_MAX)) flush()
      run.push(found)
    }
    flush()
    return runs
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
    if (!this.#isSound(column, found, body)) return null
    const proof = leafProof(body, first, count)
    const leaves = body.subarray(first * LEAF_BYTES, Math.min((first + count) * LEAF_BYTES, body.length))
    const bytes = new Uint8Array(leaves.length + proof.length)
    bytes.set(leaves)
    bytes.set(proof, leaves.length)
    return { stripe, first, count, proofBytes: proof.length, bytes }
  }

  /** @returns the newest manifest of an object. @throws XcareError NOT_FOUND, INTEGRITY when it is damaged here. */
  manifest(objectId: Uint8Array): Uint8Array {
    const row = this.#index.manifest(objectId, null)
    if (row === null) throw new XcareError('NOT_FOUND', 'the object is not on this node')
    const body = new Uint8Array(row.length)
    this.#read(row.volume, row.at + RECORD_HEADER_BYTES, body)
    if (equalBytes(blake3(body), row.hash)) return body
    // Without the row the manifest can be put again.
    this.#index.dropManifest(objectId, row.version)
    throw new XcareError('INTEGRITY', 'the manifest is damaged on this node')
  }

  #column(key: ColumnKey): ColumnRow {
    const column = this.#index.column(key, null)
    if (column === null) throw new XcareError('NOT_FOUND', 'the column is not on this node')
    return column
  }

  #located(column: ColumnRow, from: number, to: number): Located[] {
    return [...this.#index.places(column.id, from, to)].filter(({ place }) => !place.isBad)
  }

  /** Fills `into`; what the disk does not give stays zero and fails its hash. */
  #read(volume: number, at: number, into: Uint8Array): void {
    try {
      this.#volumes.file(volume).read(into, at)
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EIO') return
      throw error
    }
  }

  #isSound(column: ColumnRow, { stripe, place }: Located, body: Uint8Array): boolean {
    if (equalBytes(blake3(body), place.hash)) return true
    this.#index.setPlace(column.id, stripe, { ...place, isBad: true }, place)
    const { objectId, version } = column
    this.#onDamage({ objectId, version, column: column.column, stripe })
    return false
  }
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

function spanOf(group: Located[]): number {
  const { at, length } = group.at(-1)!.place
  return at + RECORD_HEADER_BYTES + length - group[0]!.place.at
}

function sharesOf(run: Located[]): Uint8Array {
  const shares = new Uint8Array(run.length * SHARE_BYTES)
  run.forEach(({ place }, index) => {
    shares.set(place.share, index * SHARE_BYTES)
  })
  return shares
}
