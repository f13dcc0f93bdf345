/** Stops on a programming error. Never used for bad input, which gets an XcareError. Stays on in production. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`)
}
