const PAGE_BYTES = 65_536
/** As bin/build-kernel.mjs says it to the module: 1 GiB at most. Of it the system gives only what is used. */
const PAGES = { initial: 1, maximum: 16_384 }
const ALIGNED = 64
/** Blocks come in eight sizes between a power of two and the next: stripes of about one size take each other's place. */
const SIZES_OF_OCTAVE_LOG2 = 3

interface Block {
  at: number
  bytes: number
}

/**
 * The memory of a vector kernel. Threads can share it, and it grows without moving: a view into it stays good.
 * What is given back is used again; nothing goes back to the system before the thread ends.
 */
export class KernelMemory {
  readonly memory = new WebAssembly.Memory({ ...PAGES, shared: true })
  readonly #spares: Block[] = []
  readonly #taken = new Map<number, number>()
  /** The memory is another object after each growth. */
  readonly #known = new WeakSet<ArrayBufferLike>()
  #end: number

  /** @param reserved bytes from the start that are never handed out. @throws RangeError where the engine refuses them. */
  constructor(reserved: number) {
    this.#end = reserved
    this.#growTo(reserved)
  }

  /** @returns the offset of `wanted` bytes of memory of any content. @throws RangeError when there is no more. */
  take(wanted: number): number {
    const bytes = blockBytes(wanted)
    const fitting = this.#spares.filter((spare) => spare.bytes >= bytes)
    if (fitting.length === 0) return this.#append(bytes)
    const spare = fitting.reduce((best, other) => (other.bytes < best.bytes ? other : best))
    this.#spares.splice(this.#spares.indexOf(spare), 1)
    this.#taken.set(spare.at, spare.bytes)
    return spare.at
  }

  /** Takes back what begins at `at`; what was not taken is left alone. */
  give(at: number): void {
    const bytes = this.#taken.get(at)
    if (bytes === undefined) return
    this.#taken.delete(at)
    this.#spares.push({ at, bytes })
  }

  /** @returns `bytes` from `at`. */
  view(at: number, bytes: number): Uint8Array {
    const { buffer } = this.memory
    this.#known.add(buffer)
    return new Uint8Array(buffer, at, bytes)
  }

  /** @returns whether `view` was made by `view` in this thread. */
  holds(view: Uint8Array): boolean {
    return this.#known.has(view.buffer)
  }

  #append(bytes: number): number {
    const at = this.#end
    this.#growTo(at + bytes)
    this.#end = at + bytes
    this.#taken.set(at, bytes)
    return at
  }

  #growTo(end: number): void {
    const missing = end - this.memory.buffer.byteLength
    if (missing > 0) this.memory.grow(Math.ceil(missing / PAGE_BYTES))
  }
}

function blockBytes(wanted: number): number {
  const step = Math.max(ALIGNED, 2 ** (Math.floor(Math.log2(wanted)) - SIZES_OF_OCTAVE_LOG2))
  return Math.ceil(wanted / step) * step
}
