import type { Code } from './code.ts'
import { BASIS8, mul8, POINTS8 } from './field8.ts'
import { field16 } from './field16.ts'
import type { Kernel, Rows, Weighted } from './kernel.ts'
import { RELAXED_CODE, STRICT_CODE } from './kernel-code.ts'

// The module's memory, as kernel/erasure.ts expects it: nibble products of all 256 constants, products with v7, points; then room
// for the longest lists of one call; then rows.
const PRODUCT_BYTES = 32
const TIMES_V7_AT = 8192
const POINTS_AT = 16384
const LISTS_AT = POINTS_AT + 2 * 65536
const PAGE_BYTES = 65536
const ROWS_AT = 11 * PAGE_BYTES
/**
 * Room for a transform: rows of kernel/erasure.ts's BLOCK_BYTES together, in half as many rows where decoding leaves the lower half
 * out, or its BLOCK_ROW_BYTES each, MANY_ROW_BYTES where they are many; and 64 bytes between rows.
 */
const scratchBytes = (points: number) =>
  points * 64 + Math.max(2 * 524_288, points * (points > 2048 ? 256 : 512))

/** What the module exports. All arguments are byte offsets and counts, see kernel/erasure.ts. */
interface Exports {
  memory: WebAssembly.Memory
  encode(
    rows: number,
    stride: number,
    bytes: number,
    k: number,
    span: number,
    parity: number,
    scratch: number,
    counts: number,
  ): void
  decode(
    rows: number,
    stride: number,
    bytes: number,
    points: number,
    span: number,
    k: number,
    known: number,
    missing: number,
    wanted: number,
    scratch: number,
    counts: number,
  ): void
  sums(rows: number, stride: number, bytes: number, count: number, outputs: number, weights: number): void
  sum16(rows: number, stride: number, bytes: number, count: number, to: number, weights: number): void
}

const made = new Map<string, SimdKernel | null>()

/** Which vector instructions a build uses. */
export type Build = 'relaxed' | 'strict'

/** @returns the kernel on WebAssembly vectors, one per thread, or null where the engine has none or may not compile. */
export function simdKernel(): Kernel | null {
  return simdKernelOf('relaxed') ?? simdKernelOf('strict')
}

/** As `simdKernel`, but one build alone. */
export function simdKernelOf(build: Build): Kernel | null {
  let kernel = made.get(build)
  if (kernel === undefined) {
    const exports = instantiate(build === 'relaxed' ? RELAXED_CODE : STRICT_CODE)
    kernel = exports && new SimdKernel(exports)
    made.set(build, kernel)
  }
  return kernel
}

function instantiate(base64: string): Exports | null {
  try {
    const code = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))
    return new WebAssembly.Instance(new WebAssembly.Module(code)).exports as unknown as Exports
  } catch {
    // no WebAssembly, no such vectors, or a content policy without 'wasm-unsafe-eval': the caller goes on without
    return null
  }
}

class SimdKernel implements Kernel {
  readonly name = 'simd'
  readonly #code: Exports
  #knowsWidePoints = false
  #scratchAt = ROWS_AT

  constructor(code: Exports) {
    this.#code = code
    this.#grow(ROWS_AT)
    const bytes = new Uint8Array(code.memory.buffer)
    for (let factor = 0; factor < 256; factor++) {
      const at = factor * PRODUCT_BYTES
      for (let nibble = 0; nibble < 16; nibble++) {
        bytes[at + nibble] = mul8(factor, nibble)
        bytes[at + 16 + nibble] = mul8(factor, nibble << 4)
      }
      bytes[TIMES_V7_AT + factor] = mul8(factor, BASIS8[7])
    }
    this.#words(POINTS_AT, POINTS8)
  }

  workspace(rows: number, stride: number, points: number): Uint8Array {
    const bytes = rows * stride
    this.#scratchAt = ROWS_AT + bytes
    this.#grow(this.#scratchAt + scratchBytes(points))
    return new Uint8Array(this.#code.memory.buffer, ROWS_AT, bytes)
  }

  encode({ stride, bytes }: Rows, { k, span, wide }: Code, parity: number): void {
    this.#prepare(wide)
    this.#code.encode(ROWS_AT, stride, bytes, k, span, parity, this.#scratchAt, LISTS_AT)
  }

  decode(
    { stride, bytes }: Rows,
    { k, span, wide }: Code,
    points: number,
    known: readonly Weighted[],
    missing: readonly Weighted[],
  ): void {
    this.#prepare(wide)
    const missingAt = LISTS_AT + 4 * k
    const countsAt = missingAt + 4 * missing.length
    this.#weighted(LISTS_AT, known)
    this.#weighted(missingAt, missing)
    const lists = [LISTS_AT, missing.length, missingAt, this.#scratchAt, countsAt] as const
    this.#code.decode(ROWS_AT, stride, bytes, points, span, k, ...lists)
  }

  sums({ stride, bytes }: Rows, weights: readonly Uint16Array[], wide: boolean): void {
    const inputs = weights[0].length
    if (wide) {
      weights.forEach((row, at) => {
        this.#words(LISTS_AT, row)
        this.#code.sum16(ROWS_AT, stride, bytes, inputs, ROWS_AT + (inputs + at) * stride, LISTS_AT)
      })
      return
    }
    const lists = new Uint8Array(this.#code.memory.buffer, LISTS_AT, weights.length * inputs)
    weights.forEach((row, at) => {
      lists.set(row, at * inputs)
    })
    this.#code.sums(ROWS_AT, stride, bytes, inputs, weights.length, LISTS_AT)
  }

  #weighted(at: number, rows: readonly Weighted[]): void {
    const words = new Uint16Array(this.#code.memory.buffer, at, 2 * rows.length)
    for (let row = 0; row < rows.length; row++) {
      words[2 * row] = rows[row].point
      words[2 * row + 1] = rows[row].factor
    }
  }

  #words(at: number, words: Uint16Array | Uint8Array): void {
    new Uint16Array(this.#code.memory.buffer, at, words.length).set(words)
  }

  #prepare(wide: boolean): void {
    if (!wide || this.#knowsWidePoints) return
    this.#words(POINTS_AT, field16().points)
    this.#knowsWidePoints = true
  }

  #grow(bytes: number): void {
    const { memory } = this.#code
    const missing = bytes - memory.buffer.byteLength
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES))
  }
}
