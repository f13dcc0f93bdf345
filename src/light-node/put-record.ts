import { asXcareError, XcareError } from '../errors.ts'
import { type BundleRecord, packBundle } from '../fragment/bundle.ts'
import type { SealedManifest } from '../fragment/manifest.ts'
import type { Profile } from '../fragment/profile.ts'
import { mediaType, recordName } from '../fragment/record-name.ts'
import type { Vault } from '../identity/vault.ts'
import type { VaultObject } from '../identity/vault-entry.ts'
import { type ObjectId, objectIdFromBytes, objectIdToBytes } from '../ids.ts'
import { OBJECT_BYTES_MAX, PARTS_MAX, PUT_JOURNAL_BYTES_MIN } from '../limits.ts'
import { type PutObject, type PutPorts, putObject } from './put.ts'
import { PutJournal } from './unfinished/journal.ts'
import type { JournalObject, SourceIdentity } from './unfinished/journal-format.ts'

const SLICE_BYTES = 512 * 1024

/** A record to be put. */
export interface RecordSource {
  name: string
  mediaType: string
  /** Bytes in all. */
  length: number
  /** Yields the bytes from `offset` on, `length` of them. */
  read(offset: number, length: number): AsyncIterable<Uint8Array>
  /**
   * What tells the source from others, and from itself after a change: a put of it that was interrupted can
   * be gone on with.
   */
  identity?: SourceIdentity
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
 * A large source with an identity keeps a journal: put again after an interruption, the objects that were
 * stored are not sent again.
 * @param objectBytes plaintext of one object, at most. @throws XcareError USAGE above PARTS_MAX objects; as putObject
 */
export async function putRecord(
  ports: PutRecordPorts,
  source: RecordSource,
  profile: Profile,
  objectBytes: number = OBJECT_BYTES_MAX,
): Promise<StoredRecord> {
  requireSealable(source, objectBytes)
  const { identity, name } = source
  const isLarge = source.length >= PUT_JOURNAL_BYTES_MIN || source.length > objectBytes
  const shape = `${profile.name} ${profile.k}/${profile.n} ${profile.shardBytes ?? 0} ${objectBytes}`
  const journal = identity && isLarge ? await PutJournal.open(ports, { source: identity, name, shape }) : null
  try {
    const stored = await putParts(ports, source, profile, objectBytes, journal)
    await journal?.end()
    return stored
  } catch (error) {
    throw journal ? await failed(journal, asXcareError(error)) : error
  }
}

async function putParts(
  ports: PutRecordPorts,
  source: RecordSource,
  profile: Profile,
  objectBytes: number,
  journal: PutJournal | null,
): Promise<StoredRecord> {
  const parts: { object: PutObject; length: number }[] = []
  let before = 0
  for (let offset = objectBytes; offset < source.length; offset += objectBytes) {
    const length = Math.min(objectBytes, source.length - offset)
    const part: Part = { offset, length, kind: 'part', parts: [], before }
    parts.push({ object: await putPart(ports, source, part, profile, journal), length })
    before += length
  }
  const length = Math.min(objectBytes, source.length)
  const partIds = parts.map(({ object }) => object.objectId)
  const whole: Part = { offset: 0, length, kind: 'record', parts: partIds, before }
  const head = await putPart(ports, source, whole, profile, journal)
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

/** @returns the error of a put that can be gone on with. */
async function failed(journal: PutJournal, error: XcareError): Promise<XcareError> {
  const { stored, left } = await journal.fail()
  const told = [
    stored > 0
      ? `${stored} bytes are stored: the same command goes on from there`
      : 'nothing of it is stored',
    ...(left > 0 ? ['what could not be dropped yet, the next command of this wallet sees to'] : []),
  ].join('; ')
  const next = error.next ? `${error.next}; ${told}` : told
  return new XcareError(error.code, error.message, { cause: error, next })
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
      place: { name, before: 0, of: packed.length },
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
  /** Bytes of the record that are stored before it. */
  before: number
}

async function putPart(
  ports: PutRecordPorts,
  source: RecordSource,
  part: Part,
  profile: Profile,
  journal: PutJournal | null,
): Promise<PutObject> {
  const { offset, length, kind, parts, before } = part
  const { name, mediaType } = source
  const known = journal?.storedAt(offset, length)
  if (known?.stored) return asPutObject(known, known.stored)
  const sealed = (objectId: Uint8Array): SealedManifest => ({
    ...{ name, mediaType, length, kind, createdMs: ports.clock.nowMs() },
    ...(parts.length > 0 ? { parts: [objectId, ...parts.map(objectIdToBytes)] } : {}),
  })
  const place = { name, before, of: source.length }
  const notes = journal?.notesAt(offset, length) ?? null
  const object = await putObject(
    ports,
    { length, sealed, read: () => source.read(offset, length), place },
    profile,
    notes,
  )
  const { columns, columnsOf, custodians, custodiansOf, durability } = object
  const worth = { milliNines: Math.floor(durability.nines * 1000), custodians, custodiansOf }
  await journal?.stored(objectIdToBytes(object.objectId), { columns, columnsOf, ...worth })
  return object
}

/** @returns an object that an earlier call stored, as that call would have told of it. */
function asPutObject(
  { objectId, version, custodyKey }: JournalObject,
  { milliNines, ...facts }: NonNullable<JournalObject['stored']>,
): PutObject {
  const nines = milliNines / 1000
  const durability = { nines, unavailable: 10 ** -nines }
  return { objectId: objectIdFromBytes(objectId), version, custodyKey, durability, ...facts }
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
