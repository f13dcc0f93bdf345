/**
 * Additive Fourier transform over the Cantor basis: from values at consecutive points to coefficients of the
 * polynomial in the subspace basis, and back. Source: S.-J. Lin, T. Y. Al-Naffouri, Y. S. Han, W.-H. Chung,
 * "Novel Polynomial Basis and Its Application to Reed-Solomon Erasure Codes", IEEE FOCS 2014; with a Cantor
 * basis its factor at level i for the block that starts at point j is the point j >> i itself.
 */
import type { Code } from './code.ts'
import { BASIS8, mul8, POINTS8, PRODUCTS8 } from './field8.ts'
import { field16 } from './field16.ts'

/** Rows of equal length, one per point, worked on in place. `words` counts 32-bit words of a row. */
export class Rows {
  readonly all: Uint32Array
  readonly words: number
  readonly #code: Pick<Code, 'wide'>
  readonly #points: ArrayLike<number>

  /** @param words multiple of 16 for a wide code, whose symbols lie in blocks of 64 bytes. */
  constructor(code: Pick<Code, 'wide'>, rows: number, words: number) {
    this.all = new Uint32Array(rows * words)
    this.words = words
    this.#code = code
    this.#points = code.wide ? field16().points : POINTS8
  }

  /** @returns the bytes of row `at`, not a copy. */
  bytes(at: number): Uint8Array {
    return new Uint8Array(this.all.buffer, at * this.words * 4, this.words * 4)
  }

  /** @returns rows of the same content. */
  copy(): Rows {
    const twin = new Rows(this.#code, this.all.length / this.words, this.words)
    twin.all.set(this.all)
    return twin
  }

  /** Adds `factor` times row `from` to row `to`. */
  addProduct(to: number, from: number, factor: number): void {
    addProduct(this.all, to * this.words, from * this.words, this.words, factor)
  }

  /** Values at `count` (a power of two) points from 0 become coefficients. Rows from `used` on are zero. */
  toCoefficients(count: number, used: number): void {
    this.#inverse(0, count / 2, used)
  }

  /** Coefficients become values at `count` points from `origin`; only the first `used` rows are made right. */
  toValues(count: number, used: number, origin: number): void {
    this.#forward(0, count / 2, used, origin)
  }

  /** Coefficients of a polynomial become those of its derivative (all basis factors have derivative 1). */
  derive(count: number, used: number): void {
    for (let at = 0; at < used; at++)
      for (let bit = 1; bit < count; bit *= 2)
        if ((at & bit) === 0) addRows(this.all, at * this.words, (at | bit) * this.words, this.words)
  }

  #inverse(first: number, half: number, used: number): void {
    if (half < 1 || first >= used) return
    this.#inverse(first, half / 2, used)
    this.#inverse(first + half, half / 2, used)
    const factor = this.#points[first / half]
    const words = half * this.words
    const x = first * this.words
    addRows(this.all, x + words, x, words)
    addProduct(this.all, x, x + words, words, factor)
  }

  #forward(first: number, half: number, used: number, origin: number): void {
    if (half < 1 || first >= used) return
    const factor = this.#points[(origin + first) / half]
    const words = half * this.words
    const x = first * this.words
    addProduct(this.all, x, x + words, words, factor)
    addRows(this.all, x + words, x, words)
    this.#forward(first, half / 2, used, origin)
    this.#forward(first + half, half / 2, used, origin)
  }
}

/** Adds `words` words from `from` on to those at `to`. */
function addRows(all: Uint32Array, to: number, from: number, words: number): void {
  for (let at = 0; at < words; at++) all[to + at] ^= all[from + at]
}

/** Adds `factor` times the words at `from` to those at `to`, by the cheapest way the factor allows. */
export function addProduct(all: Uint32Array, to: number, from: number, words: number, factor: number): void {
  if (factor === 0) return
  if (factor < 256) addByteProduct(all, to, from, words, factor << 8)
  else addWideProduct(all, to, from, words, factor)
}

/** A factor from GF(2^8) acts on every byte alone, in both fields. */
function addByteProduct(all: Uint32Array, to: number, from: number, words: number, row: number): void {
  for (let at = 0; at < words; at++) all[to + at] ^= times(row, all[from + at])
}

/** (a + b u)(low + high u) = (a low + b v7 high) + (b low + (a + b) high) u: four byte products. */
function addWideProduct(all: Uint32Array, to: number, from: number, words: number, factor: number): void {
  const a = factor & 255
  const b = factor >> 8
  const lowLow = a << 8
  const lowHigh = mul8(b, BASIS8[7]) << 8
  const highLow = b << 8
  const highHigh = (a ^ b) << 8
  for (let block = 0; block < words; block += 16)
    for (let at = block; at < block + 8; at++) {
      const low = all[from + at]
      const high = all[from + at + 8]
      all[to + at] ^= times(lowLow, low) ^ times(lowHigh, high)
      all[to + at + 8] ^= times(highLow, low) ^ times(highHigh, high)
    }
}

/** Four bytes at once times the constant whose row of the product table starts at `row`. */
function times(row: number, word: number): number {
  return (
    PRODUCTS8[row | (word & 255)] |
    (PRODUCTS8[row | ((word >>> 8) & 255)] << 8) |
    (PRODUCTS8[row | ((word >>> 16) & 255)] << 16) |
    (PRODUCTS8[row | (word >>> 24)] << 24)
  )
}
