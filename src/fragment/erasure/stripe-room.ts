import { letGo } from '../../bytes.ts'
import type { Kernel } from './kernel.ts'
import { bestKernel } from './pick-kernel.ts'

/** Memory for the stripes of one object on their way out. */
export interface StripeRoom {
  /** @returns `bytes` of any content. */
  take(bytes: number): Uint8Array
  /** Takes a stripe back, sent and done with; it may have been in another thread meanwhile. */
  recycle(stripe: Uint8Array): void
  /** Takes back whatever is still out: nobody reads it any more. */
  close(): void
}

/** @returns room for a stripe wherever there is memory. A stripe that goes to another thread takes its memory along. */
export function plainRoom(): StripeRoom {
  // Never more than were out at once, which is what bounds them.
  const spares: Uint8Array[] = []
  return {
    take(bytes) {
      const at = spares.findIndex(({ length }) => length === bytes)
      return at < 0 ? new Uint8Array(bytes) : spares.splice(at, 1)[0]!
    },
    recycle: (stripe) => void spares.push(stripe),
    close: () => spares.splice(0).forEach(letGo),
  }
}

/**
 * @returns room in the memory of the kernel, where stripes are coded as they lie, and which other threads may read without a copy;
 * beside it where the kernel has no more.
 */
export function sharedRoom(kernel: Kernel = bestKernel()): StripeRoom {
  const beside = plainRoom()
  const out = new Map<number, Uint8Array>()
  return {
    take(bytes) {
      const held = kernel.hold(bytes)
      if (held) out.set(held.byteOffset, held)
      return held ?? beside.take(bytes)
    },
    recycle(stripe) {
      if (stripe.buffer instanceof ArrayBuffer) {
        beside.recycle(stripe)
        return
      }
      const held = out.get(stripe.byteOffset)
      out.delete(stripe.byteOffset)
      if (held) kernel.release(held)
    },
    close() {
      for (const held of out.values()) kernel.release(held)
      out.clear()
      beside.close()
    },
  }
}
