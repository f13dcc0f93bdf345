import { asXcareError, type ErrorCode, XcareError } from '../../errors.ts'
import type { Manifest } from '../../fragment/manifest.ts'
import { rebuildFragments } from '../../fragment/rebuild.ts'
import { HEDGE_MS, STRAGGLER_MS_MAX } from '../../limits.ts'
import { FRAGMENT_PROTOCOL, type MessageOf } from '../../wire/fragment-protocol.ts'
import type { KeptObject } from './anchored-manifest.ts'
import { type ColumnPorts, Holders } from './holders.ts'
import { NodeUpload } from './node-upload.ts'
import type { UploadTarget } from './node-uploads.ts'
import { ObjectColumns } from './object-columns.ts'

/** A node that was dropped for these is not asked again: it answered. */
const FINAL: ErrorCode[] = ['INTEGRITY', 'MALFORMED', 'REFUSED', 'QUOTA_FULL', 'NO_SPACE']
/** Columns that are made again on this thread, at most. */
const COLUMNS_MAX = 64

/** An object most of whose columns are stored, and the nodes that were left behind. */
export interface LateColumns {
  kept: KeptObject
  manifest: Manifest
  /** As it is encoded. */
  manifestBytes: Uint8Array
  dropped: readonly { target: UploadTarget; error: XcareError }[]
  /** Throws when a receipt is not what the keeper of the columns must sign. */
  check(columns: readonly number[], receipt: MessageOf<'RECEIPT'>): void
}

/**
 * Gives nodes that were away or slow during a put a second chance: their fragments are made again from those that are stored.
 * A node that does not answer at once is left alone, and all of it takes no longer than stragglers may take; what fails leaves the put as it was.
 * @returns columns that are stored now as well.
 */
export async function storeLateColumns(ports: ColumnPorts, late: LateColumns): Promise<number[]> {
  const targets = late.dropped.filter(({ error }) => !FINAL.includes(error.code)).map(({ target }) => target)
  const count = targets.reduce((sum, { columns }) => sum + columns.length, 0)
  if (count === 0 || count > COLUMNS_MAX) return []
  const reached = await Promise.all(targets.map((target) => begun(ports, target)))
  const uploads = reached.flatMap((upload) => upload ?? [])
  if (uploads.length === 0) return []
  const columns = new ObjectColumns(new Holders({ ...ports, progress: () => {} }, late.kept), late.manifest)
  const over = new AbortController()
  const outOfTime = ports.clock.sleep(STRAGGLER_MS_MAX, over.signal).then(
    () => [],
    () => [],
  )
  try {
    const stored = await Promise.race([sendAll(ports, late, columns, uploads), outOfTime])
    return stored.flat()
  } catch {
    return []
  } finally {
    over.abort()
    columns.close()
    for (const upload of uploads) upload.abort(new XcareError('INTERRUPTED', 'the put is over'))
  }
}

/** @returns null for a node that still does not answer at once. */
async function begun(ports: ColumnPorts, target: UploadTarget): Promise<NodeUpload | null> {
  const over = new AbortController()
  const late = ports.clock.sleep(HEDGE_MS, over.signal).then(
    () => over.abort(),
    () => {},
  )
  let upload: NodeUpload | null = null
  try {
    const stream = await ports.transport.open(target.peer, FRAGMENT_PROTOCOL, over.signal)
    upload = new NodeUpload(stream, target.signOrder(), ports.clock)
    const tooLate = late.then(() => Promise.reject(new XcareError('TIMEOUT', 'still too slow')))
    await Promise.race([upload.begin(), tooLate])
    return upload
  } catch (error) {
    upload?.abort(asXcareError(error))
    return null
  } finally {
    over.abort()
  }
}

/** @returns for each upload its columns, or none when the node failed again. */
async function sendAll(
  ports: ColumnPorts,
  { manifest, manifestBytes, check }: LateColumns,
  columns: ObjectColumns,
  uploads: NodeUpload[],
): Promise<number[][]> {
  const live = new Set(uploads)
  const guarded = (upload: NodeUpload, step: Promise<unknown>) =>
    step.catch((error) => {
      live.delete(upload)
      upload.abort(asXcareError(error))
    })
  for (let stripe = 0; stripe < manifest.stripes && live.size > 0; stripe++) {
    const fragments = await columns.stripe(stripe, manifest.stripes)
    const sent = [...live].map((upload) => {
      const made = rebuildFragments(manifest, stripe, upload.columns, fragments)
      return guarded(upload, upload.send([{ stripe, fragments: made }]))
    })
    await Promise.all(sent)
  }
  const finished = [...live].map((upload) =>
    guarded(
      upload,
      upload.finish(manifestBytes).then((receipt) => check(upload.columns, receipt)),
    ),
  )
  await Promise.all(finished)
  return [...live].map((upload) => {
    ports.progress({ type: 'node-caught-up', node: upload.node, columns: [...upload.columns] })
    return [...upload.columns]
  })
}
