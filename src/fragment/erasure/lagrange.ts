import { type Code, positionOf } from './code.ts'
import { EXP8, LOG8, POINTS8 } from './field8.ts'
import { field16 } from './field16.ts'

/** The multiplicative side of a field: logarithms by position, and the way back. */
interface Logs {
  order: number
  exp: Uint8Array | Uint16Array
  /** Logarithm of point j; entry 0 (the point zero has none) is 0. */
  ofPoint: Uint8Array | Uint16Array
}

const logsOf: { narrow: Logs | null; wide: Logs | null } = { narrow: null, wide: null }

function logs(wide: boolean): Logs {
  if (!wide) logsOf.narrow ??= { order: 255, exp: EXP8, ofPoint: POINTS8.map((point) => LOG8[point]) }
  else if (!logsOf.wide) {
    const { exp, log, points } = field16()
    logsOf.wide = { order: 65535, exp, ofPoint: points.map((point) => log[point]) }
  }
  return (wide ? logsOf.wide : logsOf.narrow)!
}

/**
 * Products of point differences, as logarithms: entry i is the sum over every position e of the set other
 * than i of log(w_i - w_e). As w_i - w_e = w_(i xor e) this is a convolution over exclusive or, which a
 * Walsh-Hadamard transform turns into one product. All sums stay below 2^53, so doubles are exact.
 * @param set 1 at each position of the set, else 0; overwritten with the answer.
 */
export function differenceLogs(code: Code, set: Float64Array): Float64Array {
  const { order, ofPoint } = logs(code.wide)
  const size = set.length
  const table = Float64Array.from(ofPoint.subarray(0, size))
  transform(table)
  transform(set)
  for (let at = 0; at < size; at++) set[at] *= table[at]
  transform(set)
  for (let at = 0; at < size; at++) set[at] = (set[at] / size) % order
  return set
}

function transform(values: Float64Array): void {
  for (let half = 1; half < values.length; half *= 2)
    for (let start = 0; start < values.length; start += 2 * half)
      for (let at = start; at < start + half; at++) {
        const a = values[at]
        const b = values[at + half]
        values[at] = a + b
        values[at + half] = a - b
      }
}

/** @returns the field element with logarithm `log`, any integer. */
export function elementOf(code: Code, log: number): number {
  const { order, exp } = logs(code.wide)
  const rest = log % order
  return exp[rest < 0 ? rest + order : rest]
}

/**
 * Lagrange's formula: the weights that turn k known shards into wanted ones.
 * @param known k shard numbers. @param wanted shard numbers, none of them known.
 * @returns per wanted shard one weight (field element) per known shard, in the order of `known`.
 */
export function lagrangeWeights(
  code: Code,
  known: readonly number[],
  wanted: readonly number[],
): Uint16Array[] {
  const { ofPoint } = logs(code.wide)
  const nodes = new Float64Array(code.positions)
  const at = known.map((shard) => positionOf(code, shard))
  for (const position of at) nodes[position] = 1
  nodes.fill(1, code.k, code.span)
  const products = differenceLogs(code, nodes)
  return wanted.map((shard) => {
    const target = positionOf(code, shard)
    return Uint16Array.from(at, (position) =>
      elementOf(code, products[target] - products[position] - ofPoint[target ^ position]),
    )
  })
}
