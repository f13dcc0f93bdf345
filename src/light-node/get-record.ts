import { XcareError } from '../errors.ts'
import type { SealedManifest } from '../fragment/manifest.ts'
import { type ObjectId, objectIdFromBytes } from '../ids.ts'
import { type CustodyKeySource, type GetPorts, type OpenedObject, openObject, readContent } from './get.ts'
import { readRange } from './range-read.ts'

/** Bytes of a range that are handed out at once. */
const RANGE_SLICE_BYTES = 4 * 1024 * 1024

/** A record whose first object is open. */
export interface OpenedRecord {
  sealed: SealedManifest
  /** Plaintext of the whole record in order, all parts. To be read once, to its end or not at all; a piece is valid until the next one is asked for. */
  content: AsyncGenerator<Uint8Array>
  /** The first object: what a bundle lies in, for reading ranges of it instead of its content. */
  head: OpenedObject
  /** Ends all streams; does no harm after the content was read. */
  close(): void
}

/**
 * Opens a record by the id of its first object; the further parts are opened as their turn comes.
 * @throws XcareError as openObject
 */
export async function openRecord(
  ports: GetPorts,
  objectId: ObjectId,
  custodyKeyOf: CustodyKeySource,
): Promise<OpenedRecord> {
  const head = await openObject(ports, objectId, custodyKeyOf)
  const parts = (head.sealed.parts ?? []).slice(1).map(objectIdFromBytes)
  const content = allParts(ports, head, parts, custodyKeyOf)
  return { sealed: head.sealed, content, head, close: () => head.close() }
}

/**
 * Yields the bytes of an open record from `first` up to `end`, or up to its own end where that comes before:
 * only the parts they lie in are opened.
 * @throws XcareError USAGE when the record ends before `first`; as openRecord, readRange
 */
export async function* readRecordRange(
  ports: GetPorts,
  { head }: OpenedRecord,
  { first, end }: { first: number; end: number },
  custodyKeyOf: CustodyKeySource,
): AsyncGenerator<Uint8Array> {
  const parts = head.sealed.parts?.slice(1).map(objectIdFromBytes) ?? []
  // All parts but the last are as long as the first.
  const partBytes = head.sealed.length
  for (let at = first; at < end; ) {
    const place = partBytes === 0 ? 0 : Math.min(Math.floor(at / partBytes), parts.length)
    const part = place === 0 ? head : await openPart(ports, parts[place - 1]!, custodyKeyOf)
    try {
      const { length } = part.sealed
      if (place < parts.length && length !== partBytes)
        throw new XcareError('INTEGRITY', 'the parts of this record are not of one length')
      const offset = at - place * partBytes
      if (at === first && offset >= length)
        throw new XcareError('USAGE', `the record ends before byte ${first}`)
      const upTo = Math.min(length, end - place * partBytes)
      for (let from = offset; from < upTo; from += RANGE_SLICE_BYTES)
        yield await readRange(part, from, Math.min(RANGE_SLICE_BYTES, upTo - from))
      at = place * partBytes + upTo
      if (place === parts.length) return
    } finally {
      if (part !== head) part.close()
    }
  }
}

async function openPart(
  ports: GetPorts,
  id: ObjectId,
  custodyKeyOf: CustodyKeySource,
): Promise<OpenedObject> {
  const part = await openObject(ports, id, custodyKeyOf)
  if (part.sealed.kind === 'part') return part
  part.close()
  throw new XcareError('INTEGRITY', `object ${id} is not a part of this record`)
}

async function* allParts(
  ports: GetPorts,
  head: OpenedObject,
  parts: ObjectId[],
  custodyKeyOf: CustodyKeySource,
): AsyncGenerator<Uint8Array> {
  const { name, length } = head.sealed
  // Parts are as long as the first, and how long the last one is, it tells itself.
  let of = length * (parts.length + 1)
  let before = 0
  yield* readContent(head, { name, before, of })
  for (const [at, id] of parts.entries()) {
    before += length
    const part = await openPart(ports, id, custodyKeyOf)
    if (at === parts.length - 1) of = before + part.sealed.length
    yield* readContent(part, { name, before, of })
  }
}
