/**
 * Additive Fourier transform over the Cantor basis: from values at consecutive points to coefficients of the
 * polynomial in the subspace basis, and back. Source: S.-J. Lin, T. Y. Al-Naffouri, Y. S. Han, W.-H. Chung,
 * "Novel Polynomial Basis and Its Application to Reed-Solomon Erasure Codes", IEEE FOCS 2014; with a Cantor
 * basis its factor at level i for the block that starts at point j is the point j >> i itself.
 */

/** What a transform needs to be able to do with rows, named by their number. */
export interface RowSteps {
  /** row x += row y */
  add(x: number, y: number): void
  /** row x += factor * row y */
  addProduct(x: number, y: number, factor: number): void
}

/** Transforms rows in place, one per point. `points[j]` is point j of the field. */
export class Transform {
  readonly #rows: RowSteps
  readonly #points: ArrayLike<number>

  constructor(rows: RowSteps, points: ArrayLike<number>) {
    this.#rows = rows
    this.#points = points
  }

  /** Values at `count` (a power of two) points from 0 become coefficients. Rows from `used` on are zero. */
  toCoefficients(count: number, used: number): void {
    for (let half = 1; half < count; half *= 2)
      for (let first = 0; first < used; first += 2 * half)
        for (let at = first; at < first + half; at++) {
          this.#rows.add(at + half, at)
          this.#rows.addProduct(at, at + half, this.#points[first / half])
        }
  }

  /**
   * Coefficients in `count` rows from `base` become values at as many points from `origin`; only the first `used` are made right.
   */
  toValues(base: number, count: number, used: number, origin: number): void {
    for (let half = count / 2; half >= 1; half /= 2)
      for (let first = 0; first < used; first += 2 * half)
        for (let at = base + first; at < base + first + half; at++) {
          this.#rows.addProduct(at, at + half, this.#points[(origin + first) / half])
          this.#rows.add(at + half, at)
        }
  }

  /**
   * Coefficients of a polynomial become those of its derivative, the first `used` of `count`. All factors of the
   * basis have derivative 1, so each coefficient is the sum of those whose index has one more bit. What was there before
   * stays added: it is zero where it matters, at the points that were erased.
   */
  derive(count: number, used: number): void {
    for (let at = 0; at < used; at++)
      for (let bit = 1; bit < count; bit *= 2) if ((at & bit) === 0) this.#rows.add(at, at | bit)
  }
}
