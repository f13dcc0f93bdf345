/** What the sockets of a process give in one turn of its event loop, at most and a little: to take a MiB costs 3 to 4 ms. */
const TURN_BYTES = 3 * 1024 * 1024

/** One that can be kept from reading until the next turn. */
export interface Reader {
  hold(): void
  letGo(): void
}

/**
 * Bounds what is read in one turn of the event loop, over all connections. When a dozen nodes answer at once, each turn would else take
 * whatever had come to all their sockets, and everything else would wait.
 */
class ReadingTurn {
  readonly #held: Reader[] = []
  #left = TURN_BYTES
  #isUnderWay = false

  /** To be told of every piece that was read. */
  took(reader: Reader, bytes: number): void {
    if (!this.#isUnderWay) {
      this.#isUnderWay = true
      setImmediate(() => this.#end())
    }
    this.#left -= bytes
    if (this.#left > 0) return
    reader.hold()
    this.#held.push(reader)
  }

  #end(): void {
    this.#isUnderWay = false
    this.#left = TURN_BYTES
    for (const reader of this.#held.splice(0)) reader.letGo()
  }
}

/** The one of this process. */
export const readingTurn = new ReadingTurn()
