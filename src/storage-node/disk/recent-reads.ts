import { toHex } from '../../bytes.ts'

/** Objects remembered, at most. */
const OBJECTS_MAX = 1024

/**
 * Knows what was read lately. What is read once, as most records are, should not push anything else out of the system's cache, and
 * costs less when it goes past it; what is read again is worth a place there.
 */
export class RecentReads {
  /** Where reading had got to by object and version; who was read longest ago comes first. */
  readonly #ends = new Map<string, number>()

  /** Notes a read of stripes `from` to `to` (exclusive). @returns whether the first of them was read before. */
  isAgain(objectId: Uint8Array, version: number, from: number, to: number): boolean {
    const name = `${toHex(objectId)} ${version}`
    const end = this.#ends.get(name) ?? 0
    this.#ends.delete(name)
    this.#ends.set(name, Math.max(end, to))
    if (this.#ends.size > OBJECTS_MAX) this.#ends.delete(this.#ends.keys().next().value!)
    return from < end
  }
}
