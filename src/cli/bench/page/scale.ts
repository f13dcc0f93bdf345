/** How values lie along an axis. */
export interface Scale {
  /** @returns the place of a value, 0 at the begin of the axis and 1 at its end. */
  at(value: number): number
  /** Values to be labelled, ascending. */
  ticks: number[]
}

/** So much room is left and right of the outermost values of an axis of powers. */
const LOG_MARGIN = 0.04

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
