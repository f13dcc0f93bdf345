/**
 * The inner loops of the code, on rows that lie in one workspace. Rows are named by their byte offset; offsets
 * and lengths are multiples of 64. A factor below 256 acts on bytes alone and so serves both fields.
 */
export interface Kernel {
  readonly name: 'plain' | 'simd'
  /** Memory of at least `bytes`, of any content. Ends the life of every view handed out before. */
  workspace(bytes: number): Uint8Array
  /** x += y */
  add(x: number, y: number, bytes: number): void
  /** x += factor y */
  product(x: number, y: number, bytes: number, factor: number): void
  /** x += factor y, then y += x */
  forward(x: number, y: number, bytes: number, factor: number): void
  /** y += x, then x += factor y */
  inverse(x: number, y: number, bytes: number, factor: number): void
  /**
   * Two levels of forward steps on four neighbouring rows of `stride` bytes each, all factors below 256:
   * rows 0 and 2, 1 and 3 with f1, then 0 and 1 with f2, 2 and 3 with f3.
   */
  forward4(row: number, stride: number, f1: number, f2: number, f3: number): void
  /** The inverse of `forward4`. */
  inverse4(row: number, stride: number, f1: number, f2: number, f3: number): void
  /** Gets ready to compute weighted sums of rows: per output one weight per input. To be followed by `workspace`. */
  combination(weights: readonly ArrayLike<number>[], wide: boolean): Combination
}

/** Weighted sums of rows: `to[i]` = sum over j of `weights[i][j]` times `from[j]`. */
export interface Combination {
  run(from: readonly number[], to: readonly number[], bytes: number): void
}
