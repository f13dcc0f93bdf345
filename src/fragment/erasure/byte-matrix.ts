import { PRODUCTS8 } from './field8.ts'

/** Bytes of each input worked on at a time, so that sums and tables stay in the first-level cache. */
const STRIP = 1024

/**
 * Linear combinations of byte rows over GF(2^8), four at a time: one table look-up yields the products of an
 * input byte with the weights of four outputs, side by side in 32 bits.
 */
export class ByteMatrix {
  readonly inputs: number
  readonly outputs: number
  /** Per group of four outputs, per input: 256 packed products. */
  readonly #tables: Uint32Array[][] = []

  /** @param weights one row per output, one byte per input. */
  constructor(weights: readonly ArrayLike<number>[]) {
    this.outputs = weights.length
    this.inputs = weights[0]?.length ?? 0
    for (let first = 0; first < this.outputs; first += 4)
      this.#tables.push(
        Array.from({ length: this.inputs }, (_, input) => packedProducts(weights, first, input)),
      )
  }

  /** Sums rows of `memory`, each `bytes` long from the given offset; all are multiples of 4. */
  apply(memory: Uint8Array, from: readonly number[], to: readonly number[], bytes: number): void {
    const words = new Uint32Array(memory.buffer, memory.byteOffset, memory.length >> 2)
    for (let start = 0; start < bytes; start += STRIP) {
      const length = Math.min(STRIP, bytes - start)
      const sums = new Uint32Array(length)
      const strips = from.map((row) => memory.subarray(row + start, row + start + length))
      this.#tables.forEach((tables, group) => {
        sums.fill(0)
        fold(sums, strips, tables)
        for (let lane = 0; lane < 4 && group * 4 + lane < this.outputs; lane++)
          unpack(sums, lane * 8, words, (to[group * 4 + lane] + start) >> 2)
      })
    }
  }
}

function packedProducts(weights: readonly ArrayLike<number>[], first: number, input: number): Uint32Array {
  const table = new Uint32Array(256)
  for (let lane = 0; lane < 4 && first + lane < weights.length; lane++) {
    const row = weights[first + lane][input] << 8
    for (let x = 0; x < 256; x++) table[x] |= PRODUCTS8[row | x] << (lane * 8)
  }
  return table
}

/** Adds the packed products of every input to `sums`, four inputs a pass while there are four. */
function fold(sums: Uint32Array, rows: readonly Uint8Array[], tables: readonly Uint32Array[]): void {
  let at = 0
  for (; at + 4 <= rows.length; at += 4)
    fold4(
      sums,
      rows[at],
      rows[at + 1],
      rows[at + 2],
      rows[at + 3],
      tables[at],
      tables[at + 1],
      tables[at + 2],
      tables[at + 3],
    )
  for (; at + 2 <= rows.length; at += 2) fold2(sums, rows[at], rows[at + 1], tables[at], tables[at + 1])
  if (at < rows.length) fold1(sums, rows[at], tables[at])
}

function fold4(
  sums: Uint32Array,
  a: Uint8Array,
  b: Uint8Array,
  c: Uint8Array,
  d: Uint8Array,
  byA: Uint32Array,
  byB: Uint32Array,
  byC: Uint32Array,
  byD: Uint32Array,
): void {
  for (let at = 0; at < sums.length; at++) sums[at] ^= byA[a[at]] ^ byB[b[at]] ^ byC[c[at]] ^ byD[d[at]]
}

function fold2(sums: Uint32Array, a: Uint8Array, b: Uint8Array, byA: Uint32Array, byB: Uint32Array): void {
  for (let at = 0; at < sums.length; at++) sums[at] ^= byA[a[at]] ^ byB[b[at]]
}

function fold1(sums: Uint32Array, a: Uint8Array, byA: Uint32Array): void {
  for (let at = 0; at < sums.length; at++) sums[at] ^= byA[a[at]]
}

/** Gathers one byte lane of `sums` into words. */
function unpack(sums: Uint32Array, shift: number, out: Uint32Array, wordAt: number): void {
  for (let at = 0, word = wordAt; at < sums.length; at += 4, word++)
    out[word] =
      ((sums[at] >>> shift) & 255) |
      (((sums[at + 1] >>> shift) & 255) << 8) |
      (((sums[at + 2] >>> shift) & 255) << 16) |
      ((sums[at + 3] >>> shift) << 24)
}
