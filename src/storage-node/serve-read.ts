import { concat } from '../bytes.ts'
import { XcareError } from '../errors.ts'
import { CREDIT_BYTES_MAX, FRAGMENT_BYTES_MAX, LEAF_BYTES, MANIFEST_BYTES_MAX } from '../limits.ts'
import { BATCH_BYTES_MAX, encodeFragments, type MessageOf } from '../wire/fragment-protocol.ts'
import type { FragmentRun } from './disk/column-reader.ts'
import type { Conversation } from './serve-parts.ts'

/** A key share, the longer kind, and the longest proof of one leaf alone. */
const SHARE_BYTES_MOST = 64
const PROOF_BYTES_A_LEAF = 2048

/** Sends whole fragments by stripe, those of neighbouring columns together; damaged ones are left out. */
export async function serveFragmentsOf(session: Conversation, message: MessageOf<'GET'>): Promise<void> {
  const { columns, from, to } = message
  if (message.hashes) await sendHashes(session, message, columns)
  const { store } = session.parts
  await session.withRoom(mostOf(columns.length * (to - from) * FRAGMENT_BYTES_MAX), async (keep) => {
    const run = await store.call('fragments', versionOf(message), columns, from, to)
    keep(run.bytes.length)
    try {
      for (const { stripe, first, body } of batches(run, columns))
        await session.write(...encodeFragments('FRAG', { stripe, first }, body))
      await session.send({ op: 'END' })
    } finally {
      // Also of a stream that broke off, once nobody reads it: the collector would come for it much later
      // than the next reader.
      void session.flushed().then(() => store.giveBack(run))
    }
  })
}

/** No answer is longer than what may be on its way, and its head. */
function mostOf(bytes: number): number {
  return Math.min(Math.max(0, bytes), CREDIT_BYTES_MAX + FRAGMENT_BYTES_MAX)
}

/** Sends the key shares of columns without touching their fragments. */
export async function serveHeads(session: Conversation, message: MessageOf<'GET_HEADS'>): Promise<void> {
  const { columns, from, to } = message
  await session.withRoom(mostOf(columns.length * (to - from) * SHARE_BYTES_MOST), async (keep) => {
    const runs = await session.parts.store.call('shares', versionOf(message), columns, from, to)
    keep(runs.reduce((sum, { shares }) => sum + shares.length, 0))
    for (const { shares, ...run } of runs) await session.send({ op: 'HEADS', ...run, body: shares })
    await session.send({ op: 'END' })
  })
}

/** Sends ranges of leaves, each with its proof; ranges of damaged fragments are left out. @throws XcareError MALFORMED above the credit. */
export async function serveLeaves(session: Conversation, message: MessageOf<'GET_LEAVES'>): Promise<void> {
  const { store } = session.parts
  const wanted = message.ranges.reduce((sum, { count }) => sum + count, 0) * LEAF_BYTES
  if (wanted > CREDIT_BYTES_MAX)
    throw new XcareError('MALFORMED', `${wanted} bytes of leaves, at most ${CREDIT_BYTES_MAX} in one answer`)
  if (message.hashes.length > 0) await sendHashes(session, message, message.hashes)
  // One range after the other: no more than the longest is in memory.
  const longest = message.ranges.reduce((most, { count }) => Math.max(most, count), 0)
  await session.withRoom(mostOf(longest * (LEAF_BYTES + PROOF_BYTES_A_LEAF)), async () => {
    for (const { column, ...range } of message.ranges) {
      const run = await store.call('leaves', { ...versionOf(message), column }, range)
      if (run === null) continue
      const { stripe, first, count, proofBytes, bytes } = run
      await session.send({ op: 'LEAVES', column, stripe, first, count, proofBytes, body: bytes })
    }
    await session.send({ op: 'END' })
  })
}

/** Sends the newest manifest of an object. */
export async function serveManifest(
  session: Conversation,
  { objectId }: MessageOf<'GET_MANIFEST'>,
): Promise<void> {
  await session.withRoom(MANIFEST_BYTES_MAX, async (keep) => {
    const body = await session.parts.store.call('manifest', objectId)
    keep(body.length)
    await session.send({ op: 'MANIFEST', body })
  })
}

/** Sends the fragment hashes of columns, those of several in one frame where they fit; what is not here is left out. */
async function sendHashes(
  session: Conversation,
  message: MessageOf<'GET' | 'GET_LEAVES'>,
  columns: readonly number[],
): Promise<void> {
  const { store } = session.parts
  await session.withRoom(BATCH_BYTES_MAX, async (keep) => {
    // How long a column is, its first one tells; no call brings more than a frame takes.
    let several = 1
    for (let from = 0; from < columns.length; ) {
      const runs = await store.call('hashes', versionOf(message), columns.slice(from, from + several))
      if (from + several >= columns.length)
        keep(runs.reduce((sum, { hashes }) => sum + hashes.reduce((all, { length }) => all + length, 0), 0))
      for (const { first, hashes } of runs) {
        const body = concat(...hashes)
        await session.send({ op: 'HASHES', first: from + first, count: hashes.length, body })
      }
      from += several
      const [some] = runs
      if (some) several = Math.max(1, Math.floor(BATCH_BYTES_MAX / some.hashes[0]!.length))
    }
  })
}

interface Batch {
  stripe: number
  /** Place of its first column in the request. */
  first: number
  body: Uint8Array[]
}

/** @returns the fragments in groups that fit one frame: of one stripe, of columns side by side in the request. */
function* batches({ bytes, parts }: FragmentRun, columns: readonly number[]): Generator<Batch> {
  const placeOf = new Map(columns.map((column, place) => [column, place]))
  let batch = null as Batch | null
  for (const { stripe, column, at, length } of parts) {
    const place = placeOf.get(column)!
    const fragment = bytes.subarray(at, at + length)
    const isNext =
      batch?.stripe === stripe &&
      batch.first + batch.body.length === place &&
      (batch.body.length + 1) * length <= BATCH_BYTES_MAX
    if (batch && isNext) batch.body.push(fragment)
    else {
      if (batch) yield batch
      batch = { stripe, first: place, body: [fragment] }
    }
  }
  if (batch) yield batch
}

function versionOf({ objectId, version }: { objectId: Uint8Array; version: number }) {
  return { objectId, version }
}
