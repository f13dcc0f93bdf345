import { asXcareError, XcareError } from '../errors.ts'
import { type Layout, layoutFrom } from '../fragment/layout.ts'
import type { SealedManifest } from '../fragment/manifest.ts'
import { checkCustodyKey } from '../fragment/object-keys.ts'
import type { ObjectId } from '../ids.ts'
import type { Ledger, Progress } from '../ports.ts'
import type { Coder, OpenStream } from './coder.ts'
import { checkAnchored } from './columns/anchored-manifest.ts'
import { type ColumnPorts, Holders } from './columns/holders.ts'
import { ObjectColumns } from './columns/object-columns.ts'
import { type LocatedObject, locateObject } from './locate.ts'

/** What a get needs of the world. */
export interface GetPorts extends ColumnPorts {
  network: string
  ledger: Ledger
  coder: Coder
}

/** @returns the custody key of a located object: from the vault for the owner, from guardians under a grant for others. */
export type CustodyKeySource = (located: LocatedObject) => Promise<Uint8Array>

/** An object whose keys are open. Whoever opened it closes it. */
export interface OpenedObject {
  objectId: ObjectId
  sealed: SealedManifest
  layout: Layout
  columns: ObjectColumns
  stream: OpenStream
  progress: Progress
  /** Ends all streams. */
  close(): void
}

/**
 * Opens one object. The steps, in order: locate on the chain, custody key, manifest, key shares of k columns.
 * Source: docs/life-of-a-get.md.
 * @throws XcareError NOT_FOUND, NO_GRANT, TOO_FEW_FRAGMENTS, TOO_FEW_GUARDIANS, INTEGRITY, OFFLINE
 */
export async function openObject(
  ports: GetPorts,
  objectId: ObjectId,
  custodyKeyOf: CustodyKeySource,
): Promise<OpenedObject> {
  const located = await locateObject(ports.ledger, objectId)
  const custodyKey = await custodyKeyOf(located)
  checkCustodyKey(located.record.objectId, located.custody.kcv, custodyKey)
  const holders = new Holders(ports, located)
  const { manifest, bytes } = await holders.manifest(ports.network)
  checkAnchored(manifest, located)
  const columns = new ObjectColumns(holders, manifest)
  try {
    const stream = await unlock(ports.coder, bytes, custodyKey, columns)
    const close = () => {
      stream.close()
      columns.close()
    }
    return {
      objectId,
      sealed: stream.sealed,
      layout: layoutFrom(manifest),
      columns,
      stream,
      progress: ports.progress,
      close,
    }
  } catch (error) {
    columns.close()
    throw error
  }
}

/** Key shares come unproven because that is cheap; when they do not combine, the proven ones tell who lied. */
async function unlock(
  coder: Coder,
  manifest: Uint8Array,
  custodyKey: Uint8Array,
  columns: ObjectColumns,
): Promise<OpenStream> {
  const shares = await columns.shares()
  try {
    return await coder.open(manifest, custodyKey, shares)
  } catch (error) {
    if (asXcareError(error).code !== 'INTEGRITY') throw error
    return coder.open(manifest, custodyKey, await columns.provenShares())
  }
}

/**
 * Where an object is in the record that is read: its name, bytes before it, and of all, as far as that is
 * known.
 */
export interface ReadPlace {
  name: string
  before: number
  of: number
}

/**
 * Yields the plaintext of an object in order, `sealed.length` bytes in all, and closes it. A piece is valid until the next one
 * is asked for; then its memory is used again.
 * @throws XcareError TOO_FEW_FRAGMENTS, INTEGRITY rather than yield a wrong byte.
 */
export async function* readContent(
  { objectId, sealed, layout, columns, stream, progress, close }: OpenedObject,
  { name, before, of }: ReadPlace,
): AsyncGenerator<Uint8Array> {
  const { stripes } = layout
  let done = 0
  try {
    let coming = columns.stripe(0, stripes)
    for (let stripe = 0; stripe < stripes; stripe++) {
      const fragments = await coming
      if (stripe + 1 < stripes) {
        coming = columns.stripe(stripe + 1, stripes)
        // It is awaited a turn later; until then its failure must not count as unhandled.
        coming.catch(() => {})
      }
      const plain = await stream.openStripe(stripe, fragments)
      done += plain.length
      if (plain.length > 0) yield plain
      stream.recycle(plain)
      progress({ type: 'get-progress', name, objectId, bytes: before + done, of })
    }
    if (done !== sealed.length)
      throw new XcareError(
        'INTEGRITY',
        `the object holds ${done} bytes where its manifest promises ${sealed.length}`,
      )
  } finally {
    close()
  }
}
