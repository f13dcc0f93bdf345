import type { Kernel } from './kernel.ts'
import { plainKernel } from './plain-kernel.ts'
import { simdKernel } from './simd-kernel.ts'

/** @returns the fastest kernel that runs here: vectors of WebAssembly, or plain arithmetic where they are missing or forbidden. */
export function bestKernel(): Kernel {
  return simdKernel() ?? plainKernel()
}
