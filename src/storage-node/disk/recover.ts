import { rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { VOLUME_BLOCK_BYTES } from '../../limits.ts'
import { FragmentIndex } from './catalog/fragment-index.ts'
import { Replay } from './replay.ts'
import { syncFolder } from './volume/files.ts'
import { wholeBlocks } from './volume/record.ts'
import type { Volumes } from './volume/volumes.ts'

/** Path of an index that lives in memory, for tests. */
const IN_MEMORY = ':memory:'

/** What was found and done when a store was opened. */
export interface Recovery {
  /** Whether the index was made again from the volumes. */
  rebuilt: boolean
  /** Bytes of a torn end that were cut off. */
  tornBytes: number
}

/** Where an index lives: a file, or bytes and then memory in tests of crashes. */
export interface IndexPlace {
  path: string
  /** Serialized index to start from instead of the file. */
  bytes?: Uint8Array | null
}

/**
 * Opens the index and brings it up to date with the volumes; makes it again when it cannot be trusted.
 * @returns the index, the next unused sequence and what was done.
 */
export function recover(
  volumes: Volumes,
  place: IndexPlace,
  storeId: Uint8Array,
  nowMs: number,
): { index: FragmentIndex; sequence: number; recovery: Recovery } {
  const numbers = dropUnborn(volumes, volumes.open())
  const opened = FragmentIndex.open(place.bytes ?? place.path, storeId)
  const index = opened && fits(opened, volumes, numbers) ? opened : freshIndex(opened, place, storeId)
  const rebuilt = index !== opened
  // Records below the index's own sequence that it does not know were taken back when their commit failed.
  const replay = new Replay(index, nowMs, rebuilt ? 0 : index.sequence)
  let tornBytes = 0
  const newest = numbers.at(-1)
  // One transaction: an index that knows a volume's end must also know what was decided about its columns.
  index.begin()
  for (const number of numbers) {
    const file = volumes.file(number)
    const from = index.volumes.get(number)?.size ?? VOLUME_BLOCK_BYTES
    const isNewest = number === newest
    if (file.size() <= from && !(isNewest || rebuilt)) continue
    const end = replay.takeVolume({ number, file, storeId, from, isNewest })
    if (isNewest && file.size() > end) {
      tornBytes = Math.max(0, file.size() - wholeBlocks(end))
      file.truncate(end)
      file.sync()
    }
  }
  const sequence = Math.max(index.sequence, replay.sequence + 1)
  replay.finish()
  index.commit(sequence)
  if (rebuilt) settle(index, place)
  if (newest !== undefined) volumes.resume(newest, index.volumes.get(newest)?.size ?? VOLUME_BLOCK_BYTES)
  return { index, sequence, recovery: { rebuilt: rebuilt && numbers.length > 0, tornBytes } }
}

/** @returns whether the index knows no volume, and no part of one, that is not there. */
function fits(index: FragmentIndex, volumes: Volumes, numbers: number[]): boolean {
  for (const [number, { size }] of index.volumes) {
    if (!numbers.includes(number) || volumes.file(number).size() < size) return false
  }
  return true
}

function freshIndex(old: FragmentIndex | null, { path }: IndexPlace, storeId: Uint8Array): FragmentIndex {
  old?.close()
  if (path !== IN_MEMORY)
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true })
  return FragmentIndex.create(path, storeId)
}

/**
 * A rebuilt index may know fragments that the old one had forgotten, and answers may rely on them: the old one must never
 * come back, whatever a power failure does to the folder.
 */
function settle(index: FragmentIndex, { path }: IndexPlace): void {
  index.ready()
  index.flush()
  if (path !== IN_MEMORY) syncFolder(dirname(path))
}

/** Removes a newest volume whose first block never became durable: nothing in it was ever acknowledged. */
function dropUnborn(volumes: Volumes, numbers: number[]): number[] {
  const newest = numbers.at(-1)
  if (newest === undefined || volumes.headOf(newest) !== null) return numbers
  if (volumes.file(newest).size() > VOLUME_BLOCK_BYTES) return numbers
  volumes.remove(newest)
  return numbers.slice(0, -1)
}
