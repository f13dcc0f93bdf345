/** Middle value; the mean of the two middle ones when their number is even. @throws RangeError on an empty list. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('no values')
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Smallest and largest value. @throws RangeError on an empty list. */
export function range(values: readonly number[]): { min: number; max: number } {
  if (values.length === 0) throw new RangeError('no values')
  return { min: Math.min(...values), max: Math.max(...values) }
}

/** @returns `value` with three significant digits; no exponent, so that it can stand in a table. */
export function threeDigits(value: number): string {
  if (!Number.isFinite(value)) return '-'
  // Rounded first: 9.996 has one digit fewer behind the point than 9.99.
  const rounded = Number(value.toPrecision(3))
  const digits = rounded === 0 ? 2 : 2 - Math.floor(Math.log10(Math.abs(rounded)))
  return rounded.toFixed(Math.min(6, Math.max(0, digits)))
}

/**
 * Who is measured when: every round starts one further along the list, so that nobody always follows the same
 * one, and no two runs of one system stand in a row (while there are two systems).
 */
export function interleaved<T>(items: readonly T[], rounds: number): T[][] {
  return Array.from({ length: rounds }, (_, round) =>
    items.map((_, at) => items[(round + at) % items.length]!),
  )
}
