import { ByteMatrix } from './byte-matrix.ts'
import type { Code } from './code.ts'
import { Transform } from './fft.ts'
import { POINTS8, PRODUCTS8 } from './field8.ts'
import { byteFactors, field16 } from './field16.ts'
import type { Kernel, Rows, Weighted } from './kernel.ts'

let made: PlainKernel | null = null

/** @returns the kernel that needs nothing but numbers, one per thread. */
export function plainKernel(): Kernel {
  made ??= new PlainKernel()
  return made
}

class PlainKernel implements Kernel {
  readonly name = 'plain'
  #words = new Uint32Array(0)
  #scratchAt = 0
  readonly #matrices = new WeakMap<readonly Uint16Array[], ByteMatrix>()

  workspace(rows: number, stride: number, points: number): Uint8Array {
    const bytes = rows * stride
    this.#scratchAt = bytes
    if (this.#words.byteLength < bytes + points * stride)
      this.#words = new Uint32Array((bytes + points * stride) / 4)
    return new Uint8Array(this.#words.buffer, 0, bytes)
  }

  hold(): null {
    return null
  }

  release(): void {}

  encodeHeld(): boolean {
    return false
  }

  encode(rows: Rows, { k, span, wide }: Code, parity: number): void {
    const { transform, at, copy, clear } = this.#scratch(rows, wide)
    for (let row = 0; row < k; row++) copy(at(row), row * rows.stride)
    for (let row = k; row < span; row++) clear(at(row))
    transform.toCoefficients(span, k)
    for (let first = 0; first < parity; first += span) {
      const isLast = first + span >= parity
      const count = Math.min(span, parity - first)
      // the last block of values may use the coefficients up
      const base = isLast ? 0 : span
      if (!isLast) for (let row = 0; row < span; row++) copy(at(span + row), at(row))
      transform.toValues(base, span, count, span + first)
      for (let row = 0; row < count; row++)
        copy(((isLast ? 0 : first + span) + row) * rows.stride, at(base + row))
    }
  }

  decode(
    rows: Rows,
    { k, span, wide }: Code,
    points: number,
    known: readonly Weighted[],
    missing: readonly Weighted[],
  ): void {
    const { transform, at, clear } = this.#scratch(rows, wide)
    const words = this.#words
    for (let row = 0; row < points; row++) clear(at(row))
    known.forEach(({ point, factor }, row) => {
      addProduct(words, at(point) >> 2, (row * rows.stride) >> 2, rows.bytes >> 2, factor)
    })
    transform.toCoefficients(points, points)
    transform.derive(points, span)
    transform.toValues(0, span, k, 0)
    missing.forEach(({ point, factor }, row) => {
      clear(row * rows.stride)
      addProduct(words, (row * rows.stride) >> 2, at(point) >> 2, rows.bytes >> 2, factor)
    })
  }

  sums({ stride, bytes }: Rows, weights: readonly Uint16Array[], wide: boolean): void {
    const inputs = weights[0].length
    if (!wide) {
      const matrix = this.#matrices.get(weights) ?? new ByteMatrix(weights)
      this.#matrices.set(weights, matrix)
      const from = Array.from({ length: inputs }, (_, row) => row * stride)
      const to = weights.map((_, row) => (inputs + row) * stride)
      matrix.apply(new Uint8Array(this.#words.buffer), from, to, bytes)
      return
    }
    weights.forEach((factors, row) => {
      const to = ((inputs + row) * stride) >> 2
      this.#words.fill(0, to, to + (bytes >> 2))
      factors.forEach((factor, input) => {
        addProduct(this.#words, to, (input * stride) >> 2, bytes >> 2, factor)
      })
    })
  }

  /** Rows behind those of the caller, and what can be done there. Offsets are in bytes. */
  #scratch({ stride, bytes }: Rows, wide: boolean) {
    const words = this.#words
    const count = bytes >> 2
    const at = (row: number) => this.#scratchAt + row * stride
    const steps = {
      add: (x: number, y: number) => addRow(words, at(x) >> 2, at(y) >> 2, count),
      addProduct: (x: number, y: number, factor: number) =>
        addProduct(words, at(x) >> 2, at(y) >> 2, count, factor),
    }
    return {
      at,
      copy: (to: number, from: number) => words.copyWithin(to >> 2, from >> 2, (from >> 2) + count),
      clear: (row: number) => words.fill(0, row >> 2, (row >> 2) + count),
      transform: new Transform(steps, wide ? field16().points : POINTS8),
    }
  }
}

function addRow(words: Uint32Array, x: number, y: number, count: number): void {
  for (let at = 0; at < count; at++) words[x + at] ^= words[y + at]
}

function addProduct(words: Uint32Array, x: number, y: number, count: number, factor: number): void {
  if (factor === 0) return
  if (factor < 256) addByteProduct(words, x, y, count, factor << 8)
  else addWideProduct(words, x, y, count, factor)
}

/** A factor from GF(2^8) acts on every byte alone, in both fields. `row` is where its products begin. */
function addByteProduct(words: Uint32Array, x: number, y: number, count: number, row: number): void {
  for (let at = 0; at < count; at++) words[x + at] ^= times(row, words[y + at])
}

function addWideProduct(words: Uint32Array, x: number, y: number, count: number, factor: number): void {
  const [lowLow, lowHigh, highLow, highHigh] = byteFactors(factor).map((byte) => byte << 8)
  for (let block = 0; block < count; block += 16)
    for (let at = block; at < block + 8; at++) {
      const low = words[y + at]
      const high = words[y + at + 8]
      words[x + at] ^= times(lowLow, low) ^ times(lowHigh, high)
      words[x + at + 8] ^= times(highLow, low) ^ times(highHigh, high)
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
