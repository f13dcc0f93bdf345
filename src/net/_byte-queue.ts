/** Memory that waits to be used again, at most. */
const SPARE_BYTES_MAX = 4 * 1024 * 1024
/** A piece of memory that is larger than what goes in by more than this is not used for it. */
const SPARE_SLACK_BYTES = 64

/** Received bytes in arrival order, taken out again as contiguous pieces with at most one copy. */
export class ByteQueue {
  readonly #spares: ArrayBuffer[] = []
  #spareBytes = 0
  #chunks: Uint8Array[] = []
  #first = 0
  #offset = 0
  #length = 0

  /** Bytes held. */
  get length(): number {
    return this.#length
  }

  /** Adds `chunk`, which is kept, not copied. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#length += chunk.length
  }

  /** @returns the first four bytes as a big-endian number; at least four bytes must be held. */
  peekU32(): number {
    let value = 0
    let index = this.#first
    let at = this.#offset
    for (let count = 0; count < 4; count++) {
      if (at === this.#chunks[index]!.length) {
        index++
        at = 0
      }
      value = value * 256 + this.#chunks[index]![at++]!
    }
    return value
  }

  /** Drops the first `count` bytes; at least that many must be held. */
  skip(count: number): void {
    this.#length -= count
    let left = count
    while (left > 0) {
      const rest = this.#chunks[this.#first]!.length - this.#offset
      if (left < rest) {
        this.#offset += left
        return
      }
      left -= rest
      this.#nextChunk()
    }
  }

  /** @returns the first `count` bytes as one array; at least that many must be held. */
  take(count: number): Uint8Array {
    if (count === 0) return new Uint8Array(0)
    const chunk = this.#chunks[this.#first]!
    // A view is handed out only where it keeps little more memory alive than its own bytes, and where no byte behind it is
    // still to be read: whoever gets the view may move its memory to another thread.
    if (chunk.length - this.#offset === count && count * 2 >= chunk.buffer.byteLength) {
      // Not subarray: a chunk may be a Buffer, whose slice() does not copy.
      const view = new Uint8Array(chunk.buffer, chunk.byteOffset + this.#offset, count)
      this.skip(count)
      return view
    }
    return this.#gather(count)
  }

  /** Takes memory that nobody uses any more, for a later `take` of about that size. */
  recycle(memory: ArrayBuffer): void {
    this.#spares.push(memory)
    this.#spareBytes += memory.byteLength
    while (this.#spareBytes > SPARE_BYTES_MAX) this.#spareBytes -= this.#spares.shift()!.byteLength
  }

  /** Forgets everything. */
  clear(): void {
    this.#chunks = []
    this.#first = 0
    this.#offset = 0
    this.#length = 0
  }

  #gather(count: number): Uint8Array {
    const out = this.#memory(count)
    let at = 0
    this.#length -= count
    while (at < count) {
      const chunk = this.#chunks[this.#first]!
      const size = Math.min(chunk.length - this.#offset, count - at)
      out.set(chunk.subarray(this.#offset, this.#offset + size), at)
      at += size
      this.#offset += size
      if (this.#offset === chunk.length) this.#nextChunk()
    }
    return out
  }

  /** @returns `count` bytes whose content does not matter. */
  #memory(count: number): Uint8Array {
    const at = this.#spares.findIndex(
      ({ byteLength }) => byteLength >= count && byteLength - count <= SPARE_SLACK_BYTES,
    )
    if (at < 0) return new Uint8Array(count)
    const [memory] = this.#spares.splice(at, 1)
    this.#spareBytes -= memory!.byteLength
    return new Uint8Array(memory!, 0, count)
  }

  #nextChunk(): void {
    this.#chunks[this.#first++] = EMPTY
    this.#offset = 0
    if (this.#first === this.#chunks.length) {
      this.#chunks.length = 0
      this.#first = 0
    } else if (this.#first >= 256) {
      this.#chunks.splice(0, this.#first)
      this.#first = 0
    }
  }
}

const EMPTY = new Uint8Array(0)
