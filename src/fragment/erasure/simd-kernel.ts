import { BASIS8, mul8 } from './field8.ts'
import { byteFactors } from './field16.ts'
import type { Combination, Kernel } from './kernel.ts'
import { simdModule } from './simd-code.ts'

/** A table of nibble products: 16 of the low nibble, then 16 of the high one. */
const TABLE_BYTES = 32
/** The module's memory: tables of all 256 constants, then lists and tables of a combination, then rows. */
const LISTS_AT = 256 * TABLE_BYTES
const PAGE_BYTES = 65536
const LANES = 4

type Routine = (...numbers: number[]) => void

interface Exports {
  memory: WebAssembly.Memory
  routine: Record<string, Routine>
}

let made: SimdKernel | null | undefined

/** @returns the kernel on WebAssembly vectors, one per thread, or null where the engine has none or may not compile. */
export function simdKernel(): Kernel | null {
  if (made === undefined) {
    const exports = instantiate(true) ?? instantiate(false)
    made = exports ? new SimdKernel(exports) : null
  }
  return made
}

function instantiate(relaxed: boolean): Exports | null {
  try {
    const { memory, ...routine } = new WebAssembly.Instance(new WebAssembly.Module(simdModule(relaxed)))
      .exports
    return { memory: memory as WebAssembly.Memory, routine: routine as Record<string, Routine> }
  } catch {
    // no WebAssembly, no vectors, or a content policy without 'wasm-unsafe-eval': the caller goes on without
    return null
  }
}

class SimdKernel implements Kernel {
  readonly name = 'simd'
  readonly #memory: WebAssembly.Memory
  readonly #routine: Record<string, Routine>
  /** Where rows begin; lists and tables of the widest combination so far fit below. */
  #rowsAt = PAGE_BYTES

  constructor({ memory, routine }: Exports) {
    this.#memory = memory
    this.#routine = routine
    this.#grow(this.#rowsAt)
    const bytes = new Uint8Array(memory.buffer)
    for (let factor = 0; factor < 256; factor++)
      for (let nibble = 0; nibble < 16; nibble++) {
        bytes[factor * TABLE_BYTES + nibble] = mul8(factor, nibble)
        bytes[factor * TABLE_BYTES + 16 + nibble] = mul8(factor, nibble << 4)
      }
  }

  workspace(bytes: number): Uint8Array {
    this.#grow(this.#rowsAt + bytes)
    return new Uint8Array(this.#memory.buffer, this.#rowsAt, bytes)
  }

  add(x: number, y: number, bytes: number): void {
    this.#routine.add(this.#rowsAt + x, this.#rowsAt + y, bytes)
  }

  product(x: number, y: number, bytes: number, factor: number): void {
    if (factor < 256) this.#bytes(this.#routine.product8, x, y, bytes, factor)
    else this.#wide(this.#routine.product16, x, y, bytes, factor)
  }

  forward(x: number, y: number, bytes: number, factor: number): void {
    if (factor < 256) this.#bytes(this.#routine.forward8, x, y, bytes, factor)
    else this.#wide(this.#routine.forward16, x, y, bytes, factor)
  }

  inverse(x: number, y: number, bytes: number, factor: number): void {
    if (factor < 256) this.#bytes(this.#routine.inverse8, x, y, bytes, factor)
    else this.#wide(this.#routine.inverse16, x, y, bytes, factor)
  }

  forward4(row: number, stride: number, f1: number, f2: number, f3: number): void {
    this.#quad(this.#routine.forward4, this.#routine.forward4z, row, stride, f1, f2, f3)
  }

  inverse4(row: number, stride: number, f1: number, f2: number, f3: number): void {
    this.#quad(this.#routine.inverse4, this.#routine.inverse4z, row, stride, f1, f2, f3)
  }

  combination(weights: readonly ArrayLike<number>[], wide: boolean): Combination {
    const rows = wide ? weights.flatMap(halvesOf) : weights
    const tables: Uint8Array[] = []
    for (let first = 0; first < rows.length; first += LANES)
      tables.push(this.#tablesOf(rows.slice(first, first + LANES)))
    const halves = (row: number) => (wide ? [row, row + 32] : [row])
    const step = wide ? 64 : 32
    return {
      run: (from, to, bytes) => this.#combine(tables, from.flatMap(halves), to.flatMap(halves), bytes, step),
    }
  }

  #combine(
    tables: readonly Uint8Array[],
    from: readonly number[],
    to: readonly number[],
    bytes: number,
    step: number,
  ) {
    const words = new Uint32Array(this.#memory.buffer, LISTS_AT, from.length + LANES)
    from.forEach((row, at) => {
      words[at] = this.#rowsAt + row
    })
    const outputsAt = LISTS_AT + 4 * from.length
    const tablesAt = outputsAt + 4 * LANES
    const all = new Uint8Array(this.#memory.buffer)
    tables.forEach((table, group) => {
      const lanes = to.slice(group * LANES, (group + 1) * LANES)
      lanes.forEach((row, lane) => {
        words[from.length + lane] = this.#rowsAt + row
      })
      all.set(table, tablesAt)
      this.#routine[`combine${lanes.length}`](LISTS_AT, outputsAt, outputsAt, tablesAt, bytes, step)
    })
  }

  /** Tables of a group of rows, input by input. */
  #tablesOf(rows: readonly ArrayLike<number>[]): Uint8Array {
    const constants = new Uint8Array(this.#memory.buffer)
    const inputs = rows[0].length
    // an address of 4 bytes per input and output, and the tables themselves
    const end = LISTS_AT + 4 * (inputs + LANES) + inputs * LANES * TABLE_BYTES
    this.#rowsAt = Math.max(this.#rowsAt, Math.ceil(end / PAGE_BYTES) * PAGE_BYTES)
    const tables = new Uint8Array(inputs * rows.length * TABLE_BYTES)
    for (let input = 0, at = 0; input < inputs; input++)
      for (const row of rows) {
        const table = row[input] * TABLE_BYTES
        tables.set(constants.subarray(table, table + TABLE_BYTES), at)
        at += TABLE_BYTES
      }
    return tables
  }

  #quad(
    whole: Routine,
    zero: Routine,
    row: number,
    stride: number,
    f1: number,
    f2: number,
    f3: number,
  ): void {
    const at = this.#rowsAt + row
    if (f1 === 0 && f2 === 0) zero(at, stride, stride, f3 * TABLE_BYTES)
    else whole(at, stride, stride, f1 * TABLE_BYTES, f2 * TABLE_BYTES, f3 * TABLE_BYTES)
  }

  #bytes(step: Routine, x: number, y: number, bytes: number, factor: number): void {
    step(this.#rowsAt + x, this.#rowsAt + y, bytes, factor * TABLE_BYTES)
  }

  // called millions of times on short rows: makes no arrays
  #wide(step: Routine, x: number, y: number, bytes: number, factor: number): void {
    const a = factor & 255
    const b = factor >> 8
    const lowHigh = mul8(b, BASIS8[7])
    const [to, from] = [this.#rowsAt + x, this.#rowsAt + y]
    step(to, from, bytes, a * TABLE_BYTES, lowHigh * TABLE_BYTES, b * TABLE_BYTES, (a ^ b) * TABLE_BYTES)
  }

  #grow(bytes: number): void {
    const missing = bytes - this.#memory.buffer.byteLength
    if (missing > 0) this.#memory.grow(Math.ceil(missing / PAGE_BYTES))
  }
}

/** A row of 16-bit weights as two rows of bytes, for the low and the high halves of its output. */
function halvesOf(weights: ArrayLike<number>): number[][] {
  const factors = Array.from(weights, byteFactors)
  return [factors.flatMap((all) => all.slice(0, 2)), factors.flatMap((all) => all.slice(2))]
}
