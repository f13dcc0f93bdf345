import { asXcareError, XcareError } from '../errors.ts'
import type { Manifest, SealedManifest } from '../fragment/manifest.ts'
import type { ObjectId } from '../ids.ts'
import type { Ledger } from '../ports.ts'
import type { Coder, OpenStream } from './coder.ts'
import type { ColumnDownload } from './column-download.ts'
import { type ColumnPorts, ColumnSet } from './column-set.ts'
import { type LocatedObject, locateObject } from './locate.ts'

/** What a get needs of the world. */
export interface GetPorts extends ColumnPorts {
  network: string
  ledger: Ledger
  coder: Coder
}

/** @returns the custody key of a located object: from the vault for the owner, from guardians under a grant for others. */
export type CustodyKeySource = (located: LocatedObject) => Promise<Uint8Array>

/** An object whose keys are open: what it is, and its content. */
export interface OpenedObject {
  sealed: SealedManifest
  /** Plaintext in order, `sealed.length` bytes in all. Fails rather than yield a wrong byte. */
  content: AsyncGenerator<Uint8Array>
}

interface Lane {
  download: ColumnDownload
  fragments: AsyncGenerator<Uint8Array> | null
}

/**
 * Opens one object. The steps, in order: locate on the chain, manifest, custody key, key shares of k columns, then
 * stripe after stripe. Source: docs/life-of-a-get.md.
 * @throws XcareError NOT_FOUND, NO_GRANT, TOO_FEW_FRAGMENTS, TOO_FEW_GUARDIANS, INTEGRITY, OFFLINE
 */
export async function openObject(
  ports: GetPorts,
  objectId: ObjectId,
  custodyKeyOf: CustodyKeySource,
): Promise<OpenedObject> {
  const located = await locateObject(ports.ledger, objectId)
  const columns = new ColumnSet(ports, located)
  const custodyKey = await custodyKeyOf(located)
  const { manifest, bytes } = await columns.manifest(ports.network)
  const lanes = await openLanes(columns, manifest)
  const shares = await collectShares(columns, manifest, lanes)
  const opened = await ports.coder.open(bytes, custodyKey, shares).catch((error: unknown) =>
    // Shares come unproven because that is cheap; when they do not combine, the proven ones tell who lied.
    openWithProvenShares(ports, columns, manifest, lanes, bytes, custodyKey, error),
  )
  return { sealed: opened.sealed, content: readStripes(ports, columns, manifest, lanes, opened) }
}

async function openLanes(columns: ColumnSet, manifest: Manifest): Promise<Lane[]> {
  let open = 0
  const opening = Array.from({ length: manifest.k }, async () => {
    const download = await columns.next(manifest, () => open)
    open++
    return { download, fragments: null }
  })
  const settled = await Promise.allSettled(opening)
  const failed = settled.find((result) => result.status === 'rejected')
  if (!failed) return settled.map((result) => (result as PromiseFulfilledResult<Lane>).value)
  for (const result of settled) if (result.status === 'fulfilled') result.value.download.abort(failed.reason)
  throw columns.tooFew(open)
}

/** Runs `step` on every lane; a lane that fails is blamed and replaced by another column until k have answered. */
async function onEveryLane<T>(
  columns: ColumnSet,
  manifest: Manifest,
  lanes: Lane[],
  step: (lane: Lane) => Promise<T>,
): Promise<T[]> {
  const good = new Set<Lane>()
  return Promise.all(
    lanes.map(async (_, at) => {
      for (;;) {
        const lane = lanes[at]!
        try {
          const answer = await step(lane)
          good.add(lane)
          return answer
        } catch (error) {
          columns.blame(lane.download, asXcareError(error))
          lanes[at] = { download: await columns.next(manifest, () => good.size), fragments: null }
        }
      }
    }),
  )
}

async function collectShares(columns: ColumnSet, manifest: Manifest, lanes: Lane[]): Promise<Uint8Array[][]> {
  const byColumn = await onEveryLane(columns, manifest, lanes, (lane) => lane.download.shares())
  return transpose(byColumn, manifest.stripes)
}

async function openWithProvenShares(
  ports: GetPorts,
  columns: ColumnSet,
  manifest: Manifest,
  lanes: Lane[],
  bytes: Uint8Array,
  custodyKey: Uint8Array,
  cause: unknown,
): Promise<OpenStream> {
  if (asXcareError(cause).code !== 'INTEGRITY') throw cause
  const byColumn = await onEveryLane(columns, manifest, lanes, (lane) => lane.download.provenShares())
  return ports.coder.open(bytes, custodyKey, transpose(byColumn, manifest.stripes))
}

function transpose(byColumn: Uint8Array[][], stripes: number): Uint8Array[][] {
  return Array.from({ length: stripes }, (_, stripe) => byColumn.map((shares) => shares[stripe]!))
}

async function* readStripes(
  ports: GetPorts,
  columns: ColumnSet,
  manifest: Manifest,
  lanes: Lane[],
  opened: OpenStream,
): AsyncGenerator<Uint8Array> {
  let done = 0
  const fetch = (stripe: number) => fetchStripe(columns, manifest, lanes, stripe)
  try {
    let coming = fetch(0)
    for (let stripe = 0; stripe < manifest.stripes; stripe++) {
      const fragments = await coming
      if (stripe + 1 < manifest.stripes) {
        coming = fetch(stripe + 1)
        // It is awaited a turn later; until then its failure must not count as unhandled.
        coming.catch(() => {})
      }
      const plain = await opened.openStripe(stripe, fragments)
      if (plain.length > 0) yield plain
      done += plain.length
      ports.progress({ type: 'get-progress', bytes: done, of: opened.sealed.length })
    }
    if (done !== opened.sealed.length)
      throw new XcareError(
        'INTEGRITY',
        `the object holds ${done} bytes where its manifest promises ${opened.sealed.length}`,
      )
  } finally {
    opened.close()
    for (const { download } of lanes) await download.close().catch(() => {})
  }
}

async function fetchStripe(
  columns: ColumnSet,
  manifest: Manifest,
  lanes: Lane[],
  stripe: number,
): Promise<(Uint8Array | null)[]> {
  const fragments: (Uint8Array | null)[] = new Array(manifest.n).fill(null)
  await onEveryLane(columns, manifest, lanes, async (lane) => {
    lane.fragments ??= lane.download.fragments(stripe, manifest.stripes)
    const { value, done } = await lane.fragments.next()
    if (done)
      throw new XcareError('MALFORMED', `storage node ${lane.download.node} ended before stripe ${stripe}`)
    fragments[lane.download.column] = value
  })
  return fragments
}
