import type { Code } from './code.ts'

/** Rows of symbols in a kernel's workspace, from its start: row i is the `bytes` bytes from i * `stride`. All are multiples of 64. */
export interface Rows {
  stride: number
  bytes: number
}

/** A row at a point of the field, and the factor it is multiplied with on the way in or out. */
export interface Weighted {
  point: number
  factor: number
}

/** The inner loops of the code, on rows that lie in one workspace. */
export interface Kernel {
  readonly name: 'plain' | 'simd'
  /**
   * Memory for `rows` rows `stride` bytes apart, of any content, and behind it room for a transform of `points` rows, 0 for sums.
   * Ends the life of every view handed out before.
   */
  workspace(rows: number, stride: number, points: number): Uint8Array
  /**
   * Memory of the kernel for the caller, of any content, where `encodeHeld` finds shards without copying them; threads can share it.
   * @returns null where the kernel has none of its own, or not so much.
   */
  hold(bytes: number): Uint8Array | null
  /** Takes back what `hold` gave, also by way of another thread. What it did not give is left alone. */
  release(held: Uint8Array): void
  /**
   * Parity, by transform, of data that was held, where it lies.
   * @param data k shards. @param parity in the same memory behind them, all at equal distances. @returns false when they lie otherwise: nothing was done.
   */
  encodeHeld(data: readonly Uint8Array[], parity: readonly Uint8Array[], code: Code): boolean
  /**
   * Parity from the data in rows 0 to k - 1, by transform. Of the parity, `span` rows form a group; group g goes to the rows from
   * (g + 1) * span, the last group to the rows from 0.
   */
  encode(rows: Rows, code: Code, parity: number): void
  /**
   * Missing data by transform over `points` points, a power of two.
   * @param known for rows 0 to k - 1, by ascending point. @param missing what goes to the rows from 0.
   */
  decode(
    rows: Rows,
    code: Code,
    points: number,
    known: readonly Weighted[],
    missing: readonly Weighted[],
  ): void
  /** Weighted sums: per entry of `weights`, with one field element for each row, one more row behind them all. */
  sums(rows: Rows, weights: readonly Uint16Array[], wide: boolean): void
}
