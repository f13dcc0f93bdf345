/** Longer lengths than this many bytes of a number are no lengths of ours. */
const PREFIX_MAX = 5

/**
 * How much of a message that is not whole yet a reader of the library keeps. All its protocols send messages
 * with their length before them, seven bits a byte; whole messages are answered or forgotten at once.
 */
export class UnreadMessage {
  /** Bytes of the message under way that have come. */
  bytes = 0
  #left = 0
  #length = 0
  #prefix = 0

  /** Takes the next bytes of the stream. */
  take(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#left === 0) this.#takePrefix(chunk[at++]!)
      else {
        const length = Math.min(this.#left, chunk.length - at)
        this.#left -= length
        this.bytes = this.#left === 0 ? 0 : this.bytes + length
        at += length
      }
    }
  }

  #takePrefix(byte: number): void {
    this.#length += (byte & 0x7f) * 2 ** (7 * this.#prefix)
    this.#prefix++
    if (byte >= 0x80 && this.#prefix < PREFIX_MAX) return
    this.#left = this.#length
    this.#length = 0
    this.#prefix = 0
  }
}
