import { VOLUME_BLOCK_BYTES } from '../../../limits.ts'

const WASM_PAGE_BYTES = 64 * 1024

/** Memory known to begin at a page; that of other arrays begins anywhere. */
const aligned = new WeakSet<ArrayBufferLike>()

/** @returns at least `length` bytes that begin at a memory page, which direct reads and writes need. WebAssembly memory is what gives JavaScript such bytes. */
export function pageAligned(length: number): Uint8Array {
  const { buffer } = new WebAssembly.Memory({ initial: pagesOf(length) })
  aligned.add(buffer)
  return new Uint8Array(buffer)
}

/** As `pageAligned`, but other threads can be given it without a copy. @returns null where the process may not have more addresses: the engine sets many GiB of them aside for each. */
export function sharedPageAligned(length: number): Uint8Array | null {
  const pages = pagesOf(length)
  try {
    const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
    return againPageAligned(new Uint8Array(buffer))
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}

/** @returns `memory`, made by `sharedPageAligned` in this thread and back from another one: what comes back is the same memory under another name. */
export function againPageAligned(memory: Uint8Array): Uint8Array {
  aligned.add(memory.buffer)
  return memory
}

/** @returns whether `bytes` are whole blocks of memory made here. */
export function isPageAligned(bytes: Uint8Array): boolean {
  return (
    aligned.has(bytes.buffer) &&
    bytes.byteOffset % VOLUME_BLOCK_BYTES === 0 &&
    bytes.length % VOLUME_BLOCK_BYTES === 0
  )
}

function pagesOf(length: number): number {
  return Math.ceil(length / WASM_PAGE_BYTES)
}
