import { rmSync } from 'node:fs'
import { VOLUME_BLOCK_BYTES } from '../../limits.ts'
import { FragmentIndex } from './fragment-index.ts'
import { replayVolume } from './replay.ts'
import { wholeBlocks } from './volume/record.ts'
import type { Volumes } from './volume/volumes.ts'

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
  let sequence = index.sequence
  let tornBytes = 0
  const newest = numbers.at(-1)
  for (const number of numbers) {
    const file = volumes.file(number)
    const from = index.volumes.get(number)?.size ?? VOLUME_BLOCK_BYTES
    const isNewest = number === newest
    if (file.size() <= from && !(isNewest || rebuilt)) continue
    index.begin()
    const { end, sequence: highest } = replayVolume(index, { number, file, storeId, from, isNewest, nowMs })
    sequence = Math.max(sequence, highest + 1)
    if (isNewest && file.size() > end) {
      tornBytes = Math.max(0, file.size() - wholeBlocks(end))
      file.truncate(end)
      file.sync()
    }
    index.commit(sequence)
  }
  if (rebuilt) index.ready()
  if (newest !== undefined) volumes.resume(newest, index.volumes.get(newest)?.size ?? VOLUME_BLOCK_BYTES)
  return { index, sequence, recovery: { rebuilt, tornBytes } }
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
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true })
  return FragmentIndex.create(path, storeId)
}

/** Removes a newest volume whose first block never became durable: nothing in it was ever acknowledged. */
function dropUnborn(volumes: Volumes, numbers: number[]): number[] {
  const newest = numbers.at(-1)
  if (newest === undefined || volumes.headOf(newest) !== null) return numbers
  if (volumes.file(newest).size() > VOLUME_BLOCK_BYTES) return numbers
  volumes.remove(newest)
  return numbers.slice(0, -1)
}
