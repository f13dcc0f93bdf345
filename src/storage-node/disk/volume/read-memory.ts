import { assert } from '../../../assert.ts'
import { CREDIT_BYTES_MAX, READ_BYTES } from '../../../limits.ts'
import { againPageAligned, sharedPageAligned } from './page-aligned.ts'

/** Pieces that wait to be used again, at most: those of all readers that there is room for. */
const SPARES_MAX = Math.floor(READ_BYTES.total / CREDIT_BYTES_MAX)

/**
 * Page-aligned memory that fragments are read into past the page cache and sent from. The network thread sees it without a copy and gives it
 * back when nobody reads it any more, sent or not: what is left to the collector stays for long, as it is
 * outside of its sight.
 */
export class ReadMemory {
  /** Bytes of a piece. */
  readonly #pieceBytes: number
  readonly #spares: Uint8Array[] = []

  /** @param pieceBytes most that is ever taken at once. */
  constructor(pieceBytes: number) {
    this.#pieceBytes = pieceBytes
  }

  /** @returns a view of `bytes` of any content; null when there is no such memory. */
  take(bytes: number): Uint8Array | null {
    assert(bytes <= this.#pieceBytes, 'a read fits one piece')
    const piece = this.#spares.pop() ?? sharedPageAligned(this.#pieceBytes)
    return piece?.subarray(0, bytes) ?? null
  }

  /** Takes back the piece that `view` is of, taken here; it may have been in another thread meanwhile. */
  giveBack(view: Uint8Array): void {
    if (this.#spares.length >= SPARES_MAX) return
    this.#spares.push(againPageAligned(new Uint8Array(view.buffer)))
  }
}
