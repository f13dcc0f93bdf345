import { assert } from '../../../assert.ts'
import { equalBytes } from '../../../bytes.ts'
import { XcareError } from '../../../errors.ts'
import { VOLUME_BLOCK_BYTES, VOLUME_BYTES } from '../../../limits.ts'
import type { VolumeFile, VolumeFolder } from './files.ts'
import { decodeVolumeHead, encodeVolumeHead, volumeName, volumeNumber, wholeBlocks } from './record.ts'

/** The append-only files that are the truth of a store. One of them, the newest, takes new records. */
export class Volumes {
  readonly #folder: VolumeFolder
  readonly #storeId: Uint8Array
  /** Bytes that no commit makes a volume longer than. */
  readonly maxBytes: number
  readonly #files = new Map<number, VolumeFile>()
  #active: { number: number; size: number } | null = null
  #next = 1

  /** @param maxBytes a volume takes no commit that would make it longer. */
  constructor(folder: VolumeFolder, storeId: Uint8Array, maxBytes = VOLUME_BYTES) {
    this.#folder = folder
    this.#storeId = storeId
    this.maxBytes = maxBytes
  }

  /** Opens every volume of the folder. @returns their numbers in order. @throws XcareError INTEGRITY when one belongs to another store. */
  open(): number[] {
    const numbers = this.#folder.list().map(volumeNumber)
    for (const number of numbers) if (number !== null) this.#openOne(number)
    return [...this.#files.keys()].sort((a, b) => a - b)
  }

  #openOne(number: number): void {
    const file = this.#folder.open(volumeName(number))
    this.#files.set(number, file)
    this.#next = Math.max(this.#next, number + 1)
    const head = this.headOf(number)
    if (head === null || (equalBytes(head.storeId, this.#storeId) && head.number === number)) return
    throw new XcareError('INTEGRITY', `volume ${volumeName(number)} belongs to another store`, {
      next: 'mount the disk that belongs to this node, or move the volume away',
    })
  }

  /** @returns what the first block of a volume says, or null when it is damaged or was never finished. */
  headOf(number: number): ReturnType<typeof decodeVolumeHead> {
    const block = new Uint8Array(VOLUME_BLOCK_BYTES)
    return this.file(number).read(block, 0) === block.length ? decodeVolumeHead(block) : null
  }

  /** The open file of a volume. */
  file(number: number): VolumeFile {
    const file = this.#files.get(number)
    assert(file !== undefined, `volume ${number} is open`)
    return file
  }

  /** Whether there is such a volume. */
  has(number: number): boolean {
    return this.#files.has(number)
  }

  /** Takes up appending to `number` behind its first `size` bytes. */
  resume(number: number, size: number): void {
    this.#active = { number, size: wholeBlocks(size) }
  }

  /** @returns the volume and offset that the next commit of `length` bytes goes to; makes a new volume when it does not fit. */
  place(length: number): { number: number; at: number } {
    if (this.#active !== null && this.#active.size + length > this.maxBytes) this.#active = null
    this.#active ??= this.#create()
    return { number: this.#active.number, at: this.#active.size }
  }

  #create(): { number: number; size: number } {
    const number = this.#next++
    const name = volumeName(number)
    const file = this.#folder.create(name)
    try {
      writeAll(file, encodeVolumeHead(this.#storeId, number), 0)
      file.sync()
      this.#folder.sync()
    } catch (error) {
      file.close()
      this.#folder.remove(name)
      throw error
    }
    this.#files.set(number, file)
    return { number, size: VOLUME_BLOCK_BYTES }
  }

  /** Appends `blocks` where `place` said and makes them durable. @returns the new size of the volume. On an error call `undo`. */
  append(blocks: Uint8Array): number {
    assert(this.#active !== null, 'place was asked before')
    const file = this.file(this.#active.number)
    writeAll(file, blocks, this.#active.size)
    file.sync()
    return this.#active.size + blocks.length
  }

  /** Accepts the last append: the volume has `size` bytes now. */
  accept(size: number): void {
    assert(this.#active !== null, 'something was appended')
    this.#active.size = size
  }

  /** Cuts a failed append away. A volume that cannot be cut, or whose sync failed, takes no more records. */
  undo({ seal }: { seal: boolean }): void {
    if (this.#active === null) return
    const { number, size } = this.#active
    if (seal) this.#active = null
    try {
      this.file(number).truncate(size)
    } catch {
      this.#active = null
    }
  }

  /** Lets the next commit go to a new volume. */
  closeActive(): void {
    this.#active = null
  }

  /** Number of the volume that takes records, or null before the first. */
  get active(): number | null {
    return this.#active?.number ?? null
  }

  /** Deletes a volume. */
  remove(number: number): void {
    this.file(number).close()
    this.#files.delete(number)
    this.#folder.remove(volumeName(number))
    this.#folder.sync()
  }

  /** Closes every file. */
  close(): void {
    for (const file of this.#files.values()) file.close()
    this.#files.clear()
    this.#active = null
  }
}

function writeAll(file: VolumeFile, bytes: Uint8Array, at: number): void {
  let done = 0
  while (done < bytes.length) {
    const count = file.write(bytes.subarray(done), at + done)
    // A disk that takes nothing and says nothing would keep us here for ever.
    if (count <= 0) throw new XcareError('NO_SPACE', 'the disk took no more bytes')
    done += count
  }
}
