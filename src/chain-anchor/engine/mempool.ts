import { toHex } from '../../bytes.ts'
import { MEMPOOL_BYTES_MAX, MEMPOOL_TXS_MAX } from '../../limits.ts'

/** Transactions that wait for a block, in order of arrival, each once. Bounded in number and bytes. */
export class Mempool {
  readonly #waiting = new Map<string, Uint8Array>()
  #bytes = 0

  /** How many wait. */
  get size(): number {
    return this.#waiting.size
  }

  /** Whether the transaction with this hash waits. */
  has(hash: Uint8Array): boolean {
    return this.#waiting.has(toHex(hash))
  }

  /** Whether another transaction of `length` bytes fits. */
  hasRoomFor(length: number): boolean {
    return this.#waiting.size < MEMPOOL_TXS_MAX && this.#bytes + length <= MEMPOOL_BYTES_MAX
  }

  /** Lets a transaction wait. */
  add(hash: Uint8Array, tx: Uint8Array): void {
    this.#waiting.set(toHex(hash), tx)
    this.#bytes += tx.length
  }

  /** Takes a transaction out. */
  remove(hash: Uint8Array): void {
    const name = toHex(hash)
    this.#bytes -= this.#waiting.get(name)?.length ?? 0
    this.#waiting.delete(name)
  }

  /** All that wait, oldest first. */
  all(): Uint8Array[] {
    return [...this.#waiting.values()]
  }
}
