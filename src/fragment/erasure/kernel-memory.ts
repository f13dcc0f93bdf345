const PAGE_BYTES = 65_536
/** As bin/build-kernel.mjs says it to the module: 1 GiB at most. Of it the system gives only what is used. */
const PAGES = { initial: 1, maximum: 16_384 }
const ALIGNED = 64

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
  /** By place; no two of them touch. */
  #spares: Block[] = []
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
    const bytes = Math.ceil(wanted / ALIGNED) * ALIGNED
    const spare = this.#smallestFor(bytes) ?? this.#appended(bytes)
    const { at } = spare
    spare.at += bytes
    spare.bytes -= bytes
    if (spare.bytes === 0) this.#spares.splice(this.#spares.indexOf(spare), 1)
    this.#taken.set(at, bytes)
    return at
  }

  /** Takes back what begins at `at`; what was not taken is left alone. Neighbours become one, so that what fits is not only what was there before. */
  give(at: number): void {
    const bytes = this.#taken.get(at)
    if (bytes === undefined) return
    this.#taken.delete(at)
    const next = this.#spares.findIndex((spare) => spare.at > at)
    this.#spares.splice(next < 0 ? this.#spares.length : next, 0, { at, bytes })
    this.#spares = joined(this.#spares)
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

  #smallestFor(bytes: number): Block | null {
    let best: Block | null = null
    for (const spare of this.#spares)
      if (spare.bytes >= bytes && (best === null || spare.bytes < best.bytes)) best = spare
    return best
  }

  /** @returns a spare block of at least `bytes` at the end of the memory, which grows for it. */
  #appended(bytes: number): Block {
    const last = this.#spares.at(-1)
    const spare = last && last.at + last.bytes === this.#end ? last : { at: this.#end, bytes: 0 }
    this.#growTo(spare.at + bytes)
    this.#end = spare.at + bytes
    spare.bytes = bytes
    if (spare !== last) this.#spares.push(spare)
    return spare
  }

  #growTo(end: number): void {
    const missing = end - this.memory.buffer.byteLength
    if (missing > 0) this.memory.grow(Math.ceil(missing / PAGE_BYTES))
  }
}

/** @returns `blocks`, which come by place, with those that touch made one. */
function joined(blocks: readonly Block[]): Block[] {
  const out: Block[] = []
  for (const { at, bytes } of blocks) {
    const before = out.at(-1)
    if (before && before.at + before.bytes === at) before.bytes += bytes
    else out.push({ at, bytes })
  }
  return out
}
