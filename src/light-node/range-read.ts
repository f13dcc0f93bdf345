import { concat } from '../bytes.ts'
import {
  BUNDLE_PREFIX_BYTES,
  type BundleEntry,
  bundleHeadBytes,
  checkRecord,
  readBundleIndex,
} from '../fragment/bundle.ts'
import { LENGTH_PREFIX_BYTES } from '../fragment/layout.ts'
import { type LeafRun, rangeLeaves } from '../fragment/range.ts'
import { CHUNK_BYTES, LEAF_BYTES } from '../limits.ts'
import type { RangePart } from './coder.ts'
import type { OpenedObject } from './get.ts'

/** Plaintext fetched at a time, so that memory stays small however long the range is. */
const SLICE_BYTES = 4 * 1024 * 1024
/** The first chunk of an object is opened as a whole; so much of it is content. */
const FIRST_CHUNK_BYTES = CHUNK_BYTES - LENGTH_PREFIX_BYTES

/**
 * Reads a range of an object's plaintext: the leaves it lies in where their column is at hand, else the stripes around
 * it, rebuilt from any k columns. Every byte is proven against the manifest before it is opened.
 * @throws XcareError USAGE beyond the end, TOO_FEW_FRAGMENTS, INTEGRITY
 */
export async function readRange(object: OpenedObject, offset: number, length: number): Promise<Uint8Array> {
  if (length <= SLICE_BYTES) return readSlice(object, offset, length)
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += SLICE_BYTES)
    bytes.set(await readSlice(object, offset + at, Math.min(SLICE_BYTES, length - at)), at)
  return bytes
}

/** @returns what an open bundle holds, from its first bytes. @throws XcareError MALFORMED when it is none; as readRange. */
export async function readBundleEntries(object: OpenedObject): Promise<BundleEntry[]> {
  const { length } = object.sealed
  const start = await readRange(object, 0, Math.min(length, FIRST_CHUNK_BYTES))
  const head = start.length < BUNDLE_PREFIX_BYTES ? 0 : bundleHeadBytes(start)
  if (head <= start.length || head > length) return readBundleIndex(start, length)
  const rest = await readRange(object, start.length, head - start.length)
  return readBundleIndex(concat(start, rest), length)
}

/** @returns one record of an open bundle, proven by the bundle's index as well. @throws XcareError as readRange */
export async function readBundleRecord(object: OpenedObject, entry: BundleEntry): Promise<Uint8Array> {
  return checkRecord(entry, await readRange(object, entry.offset, entry.length))
}

async function readSlice(object: OpenedObject, offset: number, length: number): Promise<Uint8Array> {
  if (length === 0) return new Uint8Array(0)
  const { layout, columns, stream } = object
  const runs = rangeLeaves(layout, offset, length)
  const read = await columns.leaves(runs.filter(({ stripe }) => !isMostOf(object, runs, stripe)))
  const parts: RangePart[] = [...read]
  const found = new Set(read.map(({ run }) => run))
  const others = new Set(runs.filter((run) => !found.has(run)).map(({ stripe }) => stripe))
  for (const stripe of [...others].sort((a, b) => a - b))
    parts.push({ stripe, fragments: await columns.stripe(stripe, stripe + 1) })
  return stream.openRange(offset, length, parts)
}

/** Whether most of a stripe is wanted: then whole fragments cost less than leaves with their proofs, and any k will do. */
function isMostOf({ layout }: OpenedObject, runs: readonly LeafRun[], stripe: number): boolean {
  const leaves = runs.reduce((sum, run) => (run.stripe === stripe ? sum + run.leafCount : sum), 0)
  return leaves * LEAF_BYTES * 2 > layout.k * layout.shardBytes
}
