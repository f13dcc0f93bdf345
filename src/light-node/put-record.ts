import { XcareError } from '../errors.ts'
import { type BundleRecord, packBundle } from '../fragment/bundle.ts'
import type { SealedManifest } from '../fragment/manifest.ts'
import type { Profile } from '../fragment/profile.ts'
import { mediaType, recordName } from '../fragment/record-name.ts'
import type { Vault } from '../identity/vault.ts'
import type { VaultObject } from '../identity/vault-entry.ts'
import { type ObjectId, objectIdToBytes } from '../ids.ts'
import { OBJECT_BYTES_MAX, PARTS_MAX } from '../limits.ts'
import { type PutObject, type PutPorts, putObject } from './put.ts'

const SLICE_BYTES = 512 * 1024

/** A record to be put. */
export interface RecordSource {
  name: string
  mediaType: string
  /** Bytes in all. */
  length: number
  /** Yields the bytes from `offset` on, `length` of them. */
  read(offset: number, length: number): AsyncIterable<Uint8Array>
}

/** What putting records needs beside the ports of one put. */
export interface PutRecordPorts extends PutPorts {
  vault: Vault
}

/** A stored record. `objectId` names the whole; `parts` are the further objects of a record too large for one. */
export interface StoredRecord {
  objectId: ObjectId
  name: string
  bytes: number
  parts: ObjectId[]
  /** The object with the fewest columns and guardians: what the whole record can count on. */
  weakest: PutObject
}

/**
 * Stores one record of any size: one object, or parts of 256 MiB that the first object lists.
 * The first object is put last, so that whoever finds it finds everything. Resolves when all is durable and the keys are in the vault.
 * @param objectBytes plaintext of one object, at most. @throws XcareError USAGE above PARTS_MAX objects; as putObject
 */
export async function putRecord(
  ports: PutRecordPorts,
  source: RecordSource,
  profile: Profile,
  objectBytes: number = OBJECT_BYTES_MAX,
): Promise<StoredRecord> {
  requireSealable(source, objectBytes)
  const parts: { object: PutObject; length: number }[] = []
  for (let offset = objectBytes; offset < source.length; offset += objectBytes) {
    const length = Math.min(objectBytes, source.length - offset)
    const part: Part = { offset, length, kind: 'part', parts: [] }
    parts.push({ object: await putPart(ports, source, part, profile), length })
  }
  const length = Math.min(objectBytes, source.length)
  const partIds = parts.map(({ object }) => object.objectId)
  const head = await putPart(ports, source, { offset: 0, length, kind: 'record', parts: partIds }, profile)
  const { name, mediaType } = source
  for (const { object, length: bytes } of parts)
    await keep(ports, object, {
      name,
      mediaType,
      bytes,
      kind: 'part',
      partOf: objectIdToBytes(head.objectId),
    })
  await keep(ports, head, { name, mediaType, bytes: source.length, kind: 'record' })
  return {
    objectId: head.objectId,
    name,
    bytes: source.length,
    parts: partIds,
    weakest: weakestOf([head, ...parts.map(({ object }) => object)]),
  }
}

/**
 * Stores several small records in one object, each readable by itself.
 * @param records at most 256 MiB in all, read into memory. @throws XcareError USAGE on names that cannot stand together; as putObject
 */
export async function putBundle(
  ports: PutRecordPorts,
  name: string,
  records: RecordSource[],
  profile: Profile,
): Promise<StoredRecord> {
  const total = records.reduce((sum, { length }) => sum + length, 0)
  if (total > OBJECT_BYTES_MAX)
    throw new XcareError(
      'USAGE',
      `a bundle holds at most ${OBJECT_BYTES_MAX} bytes, these records have ${total}`,
      {
        next: 'put large records singly, without --bundle',
      },
    )
  const loaded: BundleRecord[] = []
  // One after the other: there may be more of them than may be open at a time.
  for (const record of records) loaded.push(await loadRecord(record))
  return putLoadedBundle(ports, name, loaded, profile)
}

/** As `putBundle`, of records that are in memory already. @throws XcareError as putBundle */
export async function putLoadedBundle(
  ports: PutRecordPorts,
  name: string,
  records: BundleRecord[],
  profile: Profile,
): Promise<StoredRecord> {
  const packed = packBundle(records)
  const bytes = records.reduce((sum, record) => sum + record.bytes.length, 0)
  const source = { name, mediaType: 'application/vnd.xcare.bundle', length: packed.length }
  requireSealable(source, OBJECT_BYTES_MAX)
  const bundle = await putObject(
    ports,
    {
      length: packed.length,
      sealed: () => ({ ...source, kind: 'bundle', createdMs: ports.clock.nowMs() }),
      read: () => slicesOf(packed),
    },
    profile,
  )
  await keep(ports, bundle, { name, mediaType: source.mediaType, bytes, kind: 'bundle' })
  return { objectId: bundle.objectId, name, bytes, parts: [], weakest: bundle }
}

/** What would be refused only after everything was sent. */
function requireSealable(source: Omit<RecordSource, 'read'>, objectBytes: number): void {
  requireRecordName(source)
  const { name, length } = source
  if (length <= objectBytes * PARTS_MAX) return
  throw new XcareError('USAGE', `${name} has ${length} bytes, a record at most ${objectBytes * PARTS_MAX}`, {
    next: 'split it and put the pieces one by one',
  })
}

/** @throws XcareError USAGE when no record may be called so, or be of this type. */
export function requireRecordName({ name, mediaType: type }: Pick<RecordSource, 'name' | 'mediaType'>): void {
  if (recordName.safeParse(name).success && mediaType.safeParse(type).success) return
  throw new XcareError('USAGE', `${JSON.stringify(name)} of type ${type} is no name for a record`, {
    next: 'rename it: at most 255 bytes, without control characters',
  })
}

/** Yields `bytes` in slices about as large as a stripe, so that few stripes are in memory at once. */
export async function* slicesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += SLICE_BYTES)
    yield new Uint8Array(bytes.subarray(at, at + SLICE_BYTES))
}

/** Reads a record into memory. @throws XcareError USAGE when it has another length than it promised; whatever its source throws */
export async function loadRecord(record: RecordSource): Promise<BundleRecord> {
  const { name, mediaType, length } = record
  const bytes = new Uint8Array(length)
  let at = 0
  for await (const piece of record.read(0, length)) {
    if (at + piece.length > length) throw wrongLength(name, `more than the ${length} bytes promised`)
    bytes.set(piece, at)
    at += piece.length
  }
  if (at < length) throw wrongLength(name, `${at} of the ${length} bytes promised`)
  return { name, mediaType, bytes }
}

function wrongLength(name: string, given: string): XcareError {
  return new XcareError('USAGE', `"${name}" gave ${given}`, {
    next: 'put it when nothing writes to it any more',
  })
}

interface Part {
  offset: number
  length: number
  kind: SealedManifest['kind']
  /** Object ids of the further parts, in the first object of a record. */
  parts: ObjectId[]
}

function putPart(
  ports: PutRecordPorts,
  source: RecordSource,
  part: Part,
  profile: Profile,
): Promise<PutObject> {
  const { offset, length, kind, parts } = part
  const { name, mediaType } = source
  const sealed = (objectId: Uint8Array): SealedManifest => ({
    ...{ name, mediaType, length, kind, createdMs: ports.clock.nowMs() },
    ...(parts.length > 0 ? { parts: [objectId, ...parts.map(objectIdToBytes)] } : {}),
  })
  return putObject(ports, { length, sealed, read: () => source.read(offset, length) }, profile)
}

function keep(
  ports: PutRecordPorts,
  stored: PutObject,
  told: Pick<VaultObject, 'name' | 'mediaType' | 'bytes' | 'kind' | 'partOf'>,
): Promise<void> {
  const { version, custodyKey } = stored
  const objectId = objectIdToBytes(stored.objectId)
  return ports.vault.add({ ...told, objectId, version, custodyKey, createdMs: ports.clock.nowMs() })
}

function weakestOf(objects: PutObject[]): PutObject {
  return objects.reduce((weakest, object) =>
    object.columns < weakest.columns || object.custodians < weakest.custodians ? object : weakest,
  )
}
