import { concat, equalBytes, u32be, utf8 } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { XcareError } from '../errors.ts'
import { BUNDLE_INDEX_BYTES_MAX, BUNDLE_RECORDS_MAX, OBJECT_BYTES_MAX } from '../limits.ts'
import { bytes, format, uint, z } from '../schema.ts'
import { mediaType, recordName } from './record-name.ts'

/** Bytes in front of a bundle: the length of its index, u32be. */
export const BUNDLE_PREFIX_BYTES = 4

/** Of a record's entry in the index beside its name and media type, at most, with what stands around all entries. */
const ENTRY_BYTES = 96

/** One record to be bundled. */
export interface BundleRecord {
  /** Relative path with `/`, as its owner calls it. */
  name: string
  mediaType: string
  bytes: Uint8Array
}

/** Where a record lies in a bundle. */
export interface BundleEntry {
  name: string
  mediaType: string
  /** Of the record's first byte, from the start of the bundle. */
  offset: number
  length: number
  /** SHA-256 of the record. */
  sha256: Uint8Array
}

const index = format(
  'bundle index',
  BUNDLE_INDEX_BYTES_MAX,
  z
    .array(z.strictObject({ name: recordName, mediaType, length: uint(OBJECT_BYTES_MAX), sha256: bytes(32) }))
    .min(1)
    .max(BUNDLE_RECORDS_MAX),
)

/**
 * Packs small records into the plaintext of one object: u32be length of the index, index, records back to back.
 * Spec: docs/spec/bundle.md.
 * @throws XcareError USAGE on names that are repeated, unsafe or in each other's way, and above 256 MiB.
 */
export function packBundle(records: BundleRecord[]): Uint8Array {
  const entries = records.map((record) => ({
    name: record.name,
    mediaType: record.mediaType,
    length: record.bytes.length,
    sha256: sha256(record.bytes),
  }))
  const flaw = recordsFlawOf(entries)
  if (flaw) throw new XcareError('USAGE', `cannot bundle these records: ${flaw}`)
  const head = index.encode(entries)
  const total = entries.reduce((sum, entry) => sum + entry.length, BUNDLE_PREFIX_BYTES + head.length)
  if (head.length > BUNDLE_INDEX_BYTES_MAX || total > OBJECT_BYTES_MAX)
    throw new XcareError(
      'USAGE',
      `a bundle has at most ${OBJECT_BYTES_MAX} bytes, these records need ${total}`,
    )
  return concat(u32be(head.length), head, ...records.map((record) => record.bytes))
}

/** @returns bytes that a record adds to a bundle, at most: its content and its entry in the index. */
export function bundledBytes(record: { name: string; mediaType: string; length: number }): number {
  return record.length + utf8(record.name).length + utf8(record.mediaType).length + ENTRY_BYTES
}

/** Names that can stand together in one bundle: none is there twice, and none is the folder another one lies in. */
export class BundleNames {
  readonly #names = new Set<string>()
  readonly #folders = new Set<string>()

  /** Adds `name`, unless something is in its way. @returns what that is, or null. */
  add(name: string): string | null {
    if (this.#names.has(name)) return `the name "${name}" is there twice`
    if (this.#folders.has(name)) return `another record lies inside "${name}"`
    const folders: string[] = []
    for (let at = name.indexOf('/'); at > 0; at = name.indexOf('/', at + 1)) folders.push(name.slice(0, at))
    if (folders.some((folder) => this.#names.has(folder))) return `"${name}" lies inside another record`
    this.#names.add(name)
    for (const folder of folders) this.#folders.add(folder)
    return null
  }
}

/**
 * @param start at least the first 4 bytes of a bundle.
 * @returns bytes from the start of the bundle to the end of its index: what must be read to know its records.
 * @throws XcareError MALFORMED when the index is larger than allowed.
 */
export function bundleHeadBytes(start: Uint8Array): number {
  if (start.length < BUNDLE_PREFIX_BYTES) throw malformed('it ends before its index')
  const length = new DataView(start.buffer, start.byteOffset, start.length).getUint32(0)
  if (length > BUNDLE_INDEX_BYTES_MAX) throw malformed(`an index of ${length} bytes`)
  return BUNDLE_PREFIX_BYTES + length
}

/**
 * Reads what a bundle holds.
 * @param start the bundle or its first bytes up to the end of the index (`bundleHeadBytes`).
 * @param bundleLength bytes of the whole bundle; the records must end exactly there.
 * @throws XcareError MALFORMED on a short or loose index, unsafe or repeated names, or records that do not fill the bundle.
 */
export function readBundleIndex(start: Uint8Array, bundleLength: number = start.length): BundleEntry[] {
  const end = bundleHeadBytes(start)
  if (start.length < end) throw malformed('it ends within its index')
  const fields = index.decode(start.subarray(BUNDLE_PREFIX_BYTES, end))
  let offset = end
  const entries = fields.map((entry) => {
    const at = offset
    offset += entry.length
    return { ...entry, offset: at }
  })
  if (offset !== bundleLength) throw malformed(`its records end at ${offset}, the bundle at ${bundleLength}`)
  const flaw = recordsFlawOf(entries)
  if (flaw) throw malformed(flaw)
  return entries
}

/**
 * @param content the record's bytes, `entry.length` from `entry.offset`. @returns `content`, proven to be the record.
 * @throws XcareError INTEGRITY when it is not.
 */
export function checkRecord(entry: BundleEntry, content: Uint8Array): Uint8Array {
  if (content.length !== entry.length || !equalBytes(sha256(content), entry.sha256))
    throw new XcareError('INTEGRITY', `record "${entry.name}" differs from its hash in the bundle`)
  return content
}

/** @param bundle the whole bundle. @returns a view of the record `entry`. @throws XcareError INTEGRITY as checkRecord. */
export function bundleRecord(bundle: Uint8Array, entry: BundleEntry): Uint8Array {
  return checkRecord(entry, bundle.subarray(entry.offset, entry.offset + entry.length))
}

function recordsFlawOf(entries: { name: string; mediaType: string }[]): string | null {
  if (entries.length === 0 || entries.length > BUNDLE_RECORDS_MAX)
    return `${entries.length} records, 1 to ${BUNDLE_RECORDS_MAX} allowed`
  const names = new BundleNames()
  for (const entry of entries) {
    if (!recordName.safeParse(entry.name).success)
      return `${JSON.stringify(entry.name)} is no name for a record`
    if (!mediaType.safeParse(entry.mediaType).success) return `"${entry.name}" has no valid media type`
    const flaw = names.add(entry.name)
    if (flaw) return flaw
  }
  return null
}

function malformed(flaw: string): XcareError {
  return new XcareError('MALFORMED', `not a bundle: ${flaw}`)
}
