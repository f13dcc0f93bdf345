import { laterTurn } from '../one-a-turn.ts'

/** What is encrypted and handed to the system in one turn of the event loop, at most and a little: a MiB costs 1 ms, on new sockets 2. */
const TURN_BYTES = 3 * 1024 * 1024

/** Up to this much is written at once when nothing waits: an acknowledgement is no burst, and turns of its own would cost more than it does. */
const AT_ONCE_BYTES = 16 * 1024

interface Waiting {
  bytes: number
  write(): void
}

/**
 * Bounds what is written in one turn of the event loop, over all connections. Stripes go to a dozen nodes at once: all in one turn is
 * 12 MiB, and whatever comes meanwhile would wait until they were encrypted.
 */
class WritingTurn {
  readonly #waiting: Waiting[] = []
  #left = TURN_BYTES
  #isUnderWay = false

  /** Calls `write`, which writes about `bytes` and must not throw, in this turn or in a later one: who came first is first. */
  take(bytes: number, write: () => void): void {
    if (bytes <= AT_ONCE_BYTES && this.#waiting.length === 0) {
      this.#left -= bytes
      write()
      return
    }
    this.#waiting.push({ bytes, write })
    if (!this.#isUnderWay) void this.#runTurns()
    else this.#writeSome()
  }

  async #runTurns(): Promise<void> {
    this.#isUnderWay = true
    do {
      this.#left = TURN_BYTES
      this.#writeSome()
      await laterTurn()
    } while (this.#waiting.length > 0)
    this.#isUnderWay = false
  }

  #writeSome(): void {
    while (this.#left > 0) {
      const next = this.#waiting.shift()
      if (!next) return
      this.#left -= next.bytes
      next.write()
    }
  }
}

/** The one of this process. */
export const writingTurn = new WritingTurn()
