import type { Code } from './code.ts'
import { BASIS8, mul8, POINTS8 } from './field8.ts'
import { field16 } from './field16.ts'
import type { Kernel, Rows, Weighted } from './kernel.ts'
import { RELAXED_CODE, STRICT_CODE } from './kernel-code.ts'
import { KernelMemory } from './kernel-memory.ts'

// The module's memory, as kernel/erasure.ts expects it: nibble products of all 256 constants, products with v7, points; then room
// for the longest lists of one call; then the workspace, and whatever is held there.
const PRODUCT_BYTES = 32
const TIMES_V7_AT = 8192
const POINTS_AT = 16384
const LISTS_AT = POINTS_AT + 2 * 65536
const LISTS_END = 11 * 65536
/**
 * Room for a transform: rows of kernel/erasure.ts's BLOCK_BYTES together, in half as many rows where decoding leaves the lower half
 * out, or its BLOCK_ROW_BYTES each, MANY_ROW_BYTES where they are many; and 64 bytes between rows.
 */
const scratchBytes = (points: number) =>
  points * 64 + Math.max(2 * 524_288, points * (points > 2048 ? 256 : 512))

/** A stripe larger than this is not held: the memory of a kernel never shrinks. */
const HELD_BYTES_MAX = 72 * 1024 * 1024

/** What the module exports. All arguments are byte offsets and counts, see kernel/erasure.ts. */
interface Exports {
  encode(
    rows: number,
    stride: number,
    bytes: number,
    k: number,
    span: number,
    parity: number,
    held: number,
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
    kernel = instantiate(build === 'relaxed' ? RELAXED_CODE : STRICT_CODE)
    made.set(build, kernel)
  }
  return kernel
}

function instantiate(base64: string): SimdKernel | null {
  try {
    const code = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))
    const memory = new KernelMemory(LISTS_END)
    const imports = { env: { memory: memory.memory } }
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code), imports)
    return new SimdKernel(exports as unknown as Exports, memory)
  } catch {
    // no WebAssembly, no such vectors, or a content policy without 'wasm-unsafe-eval': the caller goes on without
    return null
  }
}

class SimdKernel implements Kernel {
  readonly name = 'simd'
  readonly #code: Exports
  readonly #memory: KernelMemory
  #knowsWidePoints = false
  #rowsAt = 0
  #rowsBytes = 0
  #scratchAt = 0

  constructor(code: Exports, memory: KernelMemory) {
    this.#code = code
    this.#memory = memory
    const bytes = memory.view(0, LISTS_END)
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
    const wanted = bytes + scratchBytes(points)
    if (wanted > this.#rowsBytes) {
      this.#memory.give(this.#rowsAt)
      this.#rowsBytes = 0
      this.#rowsAt = this.#memory.take(wanted)
      this.#rowsBytes = wanted
    }
    this.#scratchAt = this.#rowsAt + bytes
    return this.#memory.view(this.#rowsAt, bytes)
  }

  hold(bytes: number): Uint8Array | null {
    if (bytes > HELD_BYTES_MAX) return null
    try {
      return this.#memory.view(this.#memory.take(bytes), bytes)
    } catch {
      // all of it is in use: the caller goes on with memory of its own
      return null
    }
  }

  release(held: Uint8Array): void {
    this.#memory.give(held.byteOffset)
  }

  encodeHeld(data: readonly Uint8Array[], parity: readonly Uint8Array[], { span, wide }: Code): boolean {
    const stride = this.#strideOf([...data, ...parity])
    if (stride === null) return false
    this.#prepare(wide)
    this.workspace(0, 0, 2 * span)
    const { byteOffset: at, length } = data[0]
    this.#code.encode(at, stride, length, data.length, span, parity.length, 1, this.#scratchAt, LISTS_AT)
    return true
  }

  encode({ stride, bytes }: Rows, { k, span, wide }: Code, parity: number): void {
    this.#prepare(wide)
    this.#code.encode(this.#rowsAt, stride, bytes, k, span, parity, 0, this.#scratchAt, LISTS_AT)
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
    this.#code.decode(this.#rowsAt, stride, bytes, points, span, k, ...lists)
  }

  sums({ stride, bytes }: Rows, weights: readonly Uint16Array[], wide: boolean): void {
    const inputs = weights[0].length
    if (wide) {
      weights.forEach((row, at) => {
        this.#words(LISTS_AT, row)
        const to = this.#rowsAt + (inputs + at) * stride
        this.#code.sum16(this.#rowsAt, stride, bytes, inputs, to, LISTS_AT)
      })
      return
    }
    const lists = this.#memory.view(LISTS_AT, weights.length * inputs)
    weights.forEach((row, at) => {
      lists.set(row, at * inputs)
    })
    this.#code.sums(this.#rowsAt, stride, bytes, inputs, weights.length, LISTS_AT)
  }

  #weighted(at: number, rows: readonly Weighted[]): void {
    const words = new Uint16Array(this.#memory.memory.buffer, at, 2 * rows.length)
    for (let row = 0; row < rows.length; row++) {
      words[2 * row] = rows[row].point
      words[2 * row + 1] = rows[row].factor
    }
  }

  #words(at: number, words: Uint16Array | Uint8Array): void {
    new Uint16Array(this.#memory.memory.buffer, at, words.length).set(words)
  }

  #prepare(wide: boolean): void {
    if (!wide || this.#knowsWidePoints) return
    this.#words(POINTS_AT, field16().points)
    this.#knowsWidePoints = true
  }

  /** @returns the distance of `shards` that lie in this memory one after the other at equal distances, or null when they do not. */
  #strideOf(shards: readonly Uint8Array[]): number | null {
    const start = shards[0].byteOffset
    const stride = shards[1].byteOffset - start
    const isRow = (shard: Uint8Array, at: number) =>
      shard.byteOffset === start + at * stride && this.#memory.holds(shard)
    return stride >= shards[0].length && shards.every(isRow) ? stride : null
  }
}
