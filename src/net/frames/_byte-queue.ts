/** Memory that waits to be used again, at most. */
const SPARE_BYTES_MAX = 4 * 1024 * 1024
/** A piece of memory that is larger than what goes in by more than this is not used for it. */
const SPARE_SLACK_BYTES = 64
/** Memory below this is as well left to the collector. */
const FREED_BYTES = 4 * 1024

/** Received bytes in arrival order, taken out again as contiguous pieces. They are copied when they come, and once more only where no room was reserved. */
export class ByteQueue {
  readonly #spares: ArrayBuffer[] = []
  #spareBytes = 0
  #chunks: Uint8Array[] = []
  #first = 0
  #offset = 0
  #length = 0
  /** Bytes at the end of the last chunk that have not come yet. */
  #missing = 0

  /** Bytes held. */
  get length(): number {
    return this.#length
  }

  /** Bytes of memory taken for what is held and for what was reserved. */
  get memory(): number {
    return this.#length + this.#missing
  }

  /** Adds a copy of `chunk`. */
  push(chunk: Uint8Array): void {
    const count = Math.min(chunk.length, this.#missing)
    if (count > 0) {
      const last = this.#chunks.at(-1)!
      last.set(count === chunk.length ? chunk : chunk.subarray(0, count), last.length - this.#missing)
      this.#missing -= count
    }
    if (count < chunk.length) this.#chunks.push(new Uint8Array(chunk.subarray(count)))
    this.#length += chunk.length
  }

  /** Makes one piece of the first `count` bytes, of which some are still to come: they go to their place at once. */
  reserve(count: number): void {
    if (this.#missing > 0 || this.#length >= count) return
    const whole = this.#memory(count)
    const held = this.#length
    this.#gather(whole.subarray(0, held))
    this.clear()
    this.#chunks.push(whole)
    this.#length = held
    this.#missing = count - held
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
  drop(count: number): void {
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
      const view = chunk.subarray(this.#offset)
      this.drop(count)
      return view
    }
    const out = this.#memory(count)
    this.#gather(out)
    return out
  }

  /** Takes memory that nobody uses any more, for a later `take` of about that size. */
  recycle(memory: ArrayBuffer): void {
    this.#spares.push(memory)
    this.#spareBytes += memory.byteLength
    while (this.#spareBytes > SPARE_BYTES_MAX) this.#spareBytes -= this.#spares.shift()!.byteLength
  }

  /**
   * Forgets everything and gives its memory back at once: many streams cut at the same time must not wait for
   * the collector.
   */
  free(): void {
    for (const { buffer } of this.#chunks.slice(this.#first))
      if (buffer.byteLength >= FREED_BYTES && 'transfer' in buffer) buffer.transfer(0)
    this.#spares.length = 0
    this.#spareBytes = 0
    this.clear()
  }

  /** Forgets everything. */
  clear(): void {
    this.#chunks = []
    this.#first = 0
    this.#offset = 0
    this.#length = 0
    this.#missing = 0
  }

  /** Moves bytes from the front to `out`, which they fill. */
  #gather(out: Uint8Array): void {
    let at = 0
    this.#length -= out.length
    while (at < out.length) {
      const chunk = this.#chunks[this.#first]!
      const size = Math.min(chunk.length - this.#offset, out.length - at)
      out.set(chunk.subarray(this.#offset, this.#offset + size), at)
      at += size
      this.#offset += size
      if (this.#offset === chunk.length) this.#nextChunk()
    }
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
