/**
 * When the operations of an open loop are meant to begin, in ms from the start of the load, evenly spaced. They begin then whether or not
 * earlier ones are done, and their latency counts from then: a stall is felt by everything that should have begun during it.
 */
export function intendedStarts(perSecond: number, seconds: number): number[] {
  return Array.from(
    { length: Math.max(1, Math.floor(perSecond * seconds)) },
    (_, at) => (at * 1000) / perSecond,
  )
}
