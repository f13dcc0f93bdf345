import { XcareError } from '../errors.ts'
import type { SealedManifest } from '../fragment/manifest.ts'
import { type ObjectId, objectIdFromBytes } from '../ids.ts'
import { type CustodyKeySource, type GetPorts, type OpenedObject, openObject, readContent } from './get.ts'

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

async function* allParts(
  ports: GetPorts,
  head: OpenedObject,
  parts: ObjectId[],
  custodyKeyOf: CustodyKeySource,
): AsyncGenerator<Uint8Array> {
  yield* readContent(head)
  for (const id of parts) {
    const part = await openObject(ports, id, custodyKeyOf)
    if (part.sealed.kind !== 'part') {
      part.close()
      throw new XcareError('INTEGRITY', `object ${id} is not a part of this record`)
    }
    yield* readContent(part)
  }
}
