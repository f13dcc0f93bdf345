/** How values lie along an axis. */
export interface Scale {
  /** @returns the place of a value, 0 at the begin of the axis and 1 at its end. */
  at(value: number): number
  /** Values to be labelled, ascending. */
  ticks: number[]
}

const TICKS_WANTED = 5
/** So much room is left and right of the outermost values of an axis of powers. */
const LOG_MARGIN = 0.04

/** An axis from 0 to a round number not below `most`. */
export function linearScale(most: number): Scale {
  const step = niceStep(Math.max(most, Number.MIN_VALUE) / TICKS_WANTED)
  const steps = Math.max(1, Math.ceil(most / step - 1e-9))
  const end = steps * step
  return {
    at: (value) => value / end,
    ticks: Array.from({ length: steps + 1 }, (_, at) => Number((at * step).toPrecision(12))),
  }
}

/** An axis on which equal factors are equally far apart. @param values above zero. @param ticks to be labelled; decades unless given. */
export function logScale(values: readonly number[], ticks?: readonly number[]): Scale {
  const low = Math.log(Math.min(...values))
  const high = Math.log(Math.max(...values))
  const span = Math.max(high - low, 1e-6)
  const at = (value: number) => LOG_MARGIN + ((Math.log(value) - low) / span) * (1 - 2 * LOG_MARGIN)
  const isInside = (value: number) => at(value) > -1e-6 && at(value) < 1 + 1e-6
  return { at, ticks: (ticks ?? decades(Math.exp(low), Math.exp(high))).filter(isInside) }
}

/** 1, 2 and 5 times powers of ten around the span, or the powers alone when the span is wide. */
function decades(low: number, high: number): number[] {
  const first = Math.floor(Math.log10(low)) - 1
  const last = Math.ceil(Math.log10(high)) + 1
  const digits = last - first > 5 ? [1] : [1, 2, 5]
  const ticks: number[] = []
  for (let power = first; power <= last; power++)
    for (const digit of digits) ticks.push(Number((digit * 10 ** power).toPrecision(6)))
  return ticks
}

/** The next of 1, 2, 2.5, 5 and 10 times a power of ten. */
function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough))
  const digit = [1, 2, 2.5, 5].find((candidate) => candidate * power >= rough - 1e-12) ?? 10
  return digit * power
}
