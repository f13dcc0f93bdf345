import { VOLUME_BLOCK_BYTES } from '../../../limits.ts'

const WASM_PAGE_BYTES = 64 * 1024

/** Memory known to begin at a page; that of other arrays begins anywhere. */
const aligned = new WeakSet<ArrayBufferLike>()

/** @returns at least `length` bytes that begin at a memory page, which direct writes need. WebAssembly memory is what gives JavaScript such bytes. */
export function pageAligned(length: number): Uint8Array {
  const { buffer } = new WebAssembly.Memory({ initial: Math.ceil(length / WASM_PAGE_BYTES) })
  aligned.add(buffer)
  return new Uint8Array(buffer)
}

/** @returns whether `bytes` are whole blocks of memory made by `pageAligned`. */
export function isPageAligned(bytes: Uint8Array): boolean {
  return (
    aligned.has(bytes.buffer) &&
    bytes.byteOffset % VOLUME_BLOCK_BYTES === 0 &&
    bytes.length % VOLUME_BLOCK_BYTES === 0
  )
}
