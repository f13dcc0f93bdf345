/**
 * Additive Fourier transform over the Cantor basis: from values at consecutive points to coefficients of the
 * polynomial in the subspace basis, and back. Source: S.-J. Lin, T. Y. Al-Naffouri, Y. S. Han, W.-H. Chung,
 * "Novel Polynomial Basis and Its Application to Reed-Solomon Erasure Codes", IEEE FOCS 2014; with a Cantor
 * basis its factor at level i for the block that starts at point j is the point j >> i itself.
 */
import { POINTS8 } from './field8.ts'
import { field16 } from './field16.ts'
import type { Kernel } from './kernel.ts'

/** Points below this one lie in GF(2^8), whose elements act on every byte alone. */
const BYTE_POINTS = 256

/** Rows of equal length in a kernel's workspace, one per point, transformed in place. */
export class Transform {
  readonly #kernel: Kernel
  readonly #points: ArrayLike<number>
  readonly #rowBytes: number
  readonly #base: number

  /** @param base offset of row 0. @param rowBytes a multiple of 64. */
  constructor(kernel: Kernel, wide: boolean, base: number, rowBytes: number) {
    this.#kernel = kernel
    this.#points = wide ? field16().points : POINTS8
    this.#base = base
    this.#rowBytes = rowBytes
  }

  /** Values at `count` (a power of two) points from 0 become coefficients. Rows from `used` on are zero. */
  toCoefficients(count: number, used: number): void {
    this.#inverse(0, count / 2, used)
  }

  /** Coefficients become values at `count` points from `origin`; only the first `used` rows are made right. */
  toValues(count: number, used: number, origin: number): void {
    this.#forward(0, count / 2, used, origin)
  }

  /**
   * Coefficients of a polynomial become those of its derivative, the first `used` of `count`. All factors of the
   * basis have derivative 1, so each coefficient is the sum of those whose index has one more bit.
   */
  derive(count: number, used: number): void {
    for (let at = 0; at < used; at++)
      for (let bit = 1; bit < count; bit *= 2)
        if ((at & bit) === 0) this.#kernel.add(this.#row(at), this.#row(at | bit), this.#rowBytes)
  }

  #inverse(first: number, half: number, used: number): void {
    if (half < 1 || first >= used) return
    const quarter = half / 2
    const last = (first + half) / quarter
    if (half >= 2 && last < BYTE_POINTS) {
      for (let part = 0; part < 4; part++) this.#inverse(first + part * quarter, quarter / 2, used)
      const [f1, f2, f3] = [this.#points[first / half], this.#points[first / quarter], this.#points[last]]
      this.#kernel.inverse4(this.#row(first), quarter * this.#rowBytes, f1, f2, f3)
      return
    }
    this.#inverse(first, quarter, used)
    this.#inverse(first + half, quarter, used)
    const factor = this.#points[first / half]
    const [x, y, bytes] = [this.#row(first), this.#row(first + half), half * this.#rowBytes]
    if (factor === 0) this.#kernel.add(y, x, bytes)
    else this.#kernel.inverse(x, y, bytes, factor)
  }

  #forward(first: number, half: number, used: number, origin: number): void {
    if (half < 1 || first >= used) return
    const at = origin + first
    const quarter = half / 2
    const last = (at + half) / quarter
    if (half >= 2 && last < BYTE_POINTS) {
      const [f1, f2, f3] = [this.#points[at / half], this.#points[at / quarter], this.#points[last]]
      this.#kernel.forward4(this.#row(first), quarter * this.#rowBytes, f1, f2, f3)
      for (let part = 0; part < 4; part++) this.#forward(first + part * quarter, quarter / 2, used, origin)
      return
    }
    const factor = this.#points[at / half]
    const [x, y, bytes] = [this.#row(first), this.#row(first + half), half * this.#rowBytes]
    if (factor === 0) this.#kernel.add(y, x, bytes)
    else this.#kernel.forward(x, y, bytes, factor)
    this.#forward(first, quarter, used, origin)
    this.#forward(first + half, quarter, used, origin)
  }

  #row(at: number): number {
    return this.#base + at * this.#rowBytes
  }
}
