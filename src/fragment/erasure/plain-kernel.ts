import { ByteMatrix } from './byte-matrix.ts'
import { PRODUCTS8 } from './field8.ts'
import { byteFactors } from './field16.ts'
import type { Combination, Kernel } from './kernel.ts'

let made: PlainKernel | null = null

/** @returns the kernel that needs nothing but numbers, one per thread. */
export function plainKernel(): Kernel {
  made ??= new PlainKernel()
  return made
}

class PlainKernel implements Kernel {
  readonly name = 'plain'
  #words = new Uint32Array(0)

  workspace(bytes: number): Uint8Array {
    if (this.#words.byteLength < bytes) this.#words = new Uint32Array(bytes / 4)
    return new Uint8Array(this.#words.buffer, 0, bytes)
  }

  add(x: number, y: number, bytes: number): void {
    const words = this.#words
    const from = y >> 2
    for (let at = x >> 2, end = (x + bytes) >> 2, source = from; at < end; at++, source++)
      words[at] ^= words[source]
  }

  product(x: number, y: number, bytes: number, factor: number): void {
    if (factor === 0) return
    if (factor < 256) addByteProduct(this.#words, x >> 2, y >> 2, bytes >> 2, factor << 8)
    else addWideProduct(this.#words, x >> 2, y >> 2, bytes >> 2, factor)
  }

  forward(x: number, y: number, bytes: number, factor: number): void {
    this.product(x, y, bytes, factor)
    this.add(y, x, bytes)
  }

  inverse(x: number, y: number, bytes: number, factor: number): void {
    this.add(y, x, bytes)
    this.product(x, y, bytes, factor)
  }

  forward4(row: number, stride: number, f1: number, f2: number, f3: number): void {
    this.forward(row, row + 2 * stride, 2 * stride, f1)
    this.forward(row, row + stride, stride, f2)
    this.forward(row + 2 * stride, row + 3 * stride, stride, f3)
  }

  inverse4(row: number, stride: number, f1: number, f2: number, f3: number): void {
    this.inverse(row, row + stride, stride, f2)
    this.inverse(row + 2 * stride, row + 3 * stride, stride, f3)
    this.inverse(row, row + 2 * stride, 2 * stride, f1)
  }

  combination(weights: readonly ArrayLike<number>[], wide: boolean): Combination {
    if (!wide) {
      const matrix = new ByteMatrix(weights)
      return { run: (from, to, bytes) => matrix.apply(new Uint8Array(this.#words.buffer), from, to, bytes) }
    }
    return {
      run: (from, to, bytes) => {
        to.forEach((row, output) => {
          this.#words.fill(0, row >> 2, (row + bytes) >> 2)
          from.forEach((source, input) => {
            this.product(row, source, bytes, weights[output][input])
          })
        })
      },
    }
  }
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
