import { XcareError } from '../errors.ts'
import type { SealedManifest } from '../fragment/manifest.ts'
import { type ObjectId, objectIdFromBytes } from '../ids.ts'
import { type CustodyKeySource, type GetPorts, openObject } from './get.ts'

/** A record whose first object is open. */
export interface OpenedRecord {
  sealed: SealedManifest
  /** Plaintext of the whole record in order, all parts. */
  content: AsyncGenerator<Uint8Array>
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
  return { sealed: head.sealed, content: allParts(ports, head.content, parts, custodyKeyOf) }
}

async function* allParts(
  ports: GetPorts,
  head: AsyncGenerator<Uint8Array>,
  parts: ObjectId[],
  custodyKeyOf: CustodyKeySource,
): AsyncGenerator<Uint8Array> {
  yield* head
  for (const part of parts) {
    const { sealed, content } = await openObject(ports, part, custodyKeyOf)
    if (sealed.kind !== 'part')
      throw new XcareError('INTEGRITY', `object ${part} is not a part of this record`)
    yield* content
  }
}
