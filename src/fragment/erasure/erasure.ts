import { XcareError } from '../../errors.ts'
import { type Code, checkShardBytes, codeOf, positionOf } from './code.ts'
import { Transform } from './fft.ts'
import type { Combination, Kernel } from './kernel.ts'
import { differenceLogs, elementOf, lagrangeWeights } from './lagrange.ts'
import { bestKernel } from './pick-kernel.ts'

/** Shards of a stripe in order, null where there is none. */
type Shards = readonly (Uint8Array | null)[]

/**
 * Up to so many rows, weighted sums of k shards beat the transform. Measured; the transform that decodes runs over
 * all positions and back, so it pays off later than the one that encodes.
 */
const SUM_ROWS_MAX = {
  simd: { encode: 4, decode: 24 },
  plain: { encode: 64, decode: 64 },
}
/** Sums of 16-bit symbols without vectors are slow: four products each. */
const PLAIN_WIDE_ROWS_MAX = 4
/** A strip of all rows in work should stay near the processor. */
const STRIP_CACHE_BYTES = 1 << 21
const STRIP_BYTES_MIN = 448
/** Encoders kept for the shapes last used. */
const ENCODERS_MAX = 8

const encoders = new Map<string, Combination>()

/**
 * Parity of one stripe. Source: docs/spec/erasure-code.md.
 * @param data k shards of `shardBytes`, one after the other.
 * @param kernel only tests and benchmarks choose one; all give the same bytes.
 * @returns the n - k parity shards, one after the other.
 * @throws XcareError MALFORMED on a shape the code has not, or when `data` does not match it.
 */
export function encodeStripe(
  data: Uint8Array,
  k: number,
  n: number,
  shardBytes: number,
  kernel = bestKernel(),
): Uint8Array {
  codeOf(k, n)
  checkShardBytes(shardBytes)
  if (data.length !== k * shardBytes)
    throw new XcareError(
      'MALFORMED',
      `a stripe of ${k} shards has ${k * shardBytes} bytes, not ${data.length}`,
    )
  const parity = new Uint8Array((n - k) * shardBytes)
  encodeShards(split(data, shardBytes), split(parity, shardBytes), kernel)
  return parity
}

/**
 * As `encodeStripe`, for shards that lie apart: fills `parity` from `data`, where they are.
 * @param data k shards of equal size. @param parity n - k shards of that size, overwritten.
 * @throws XcareError MALFORMED on a shape the code has not, or shards of different sizes.
 */
export function encodeShards(
  data: readonly Uint8Array[],
  parity: readonly Uint8Array[],
  kernel = bestKernel(),
): void {
  const code = codeOf(data.length, data.length + parity.length)
  const shardBytes = data[0].length
  checkShardBytes(shardBytes)
  if ([...data, ...parity].some((shard) => shard.length !== shardBytes))
    throw new XcareError('MALFORMED', 'the shards of a stripe have different sizes')
  if (parity.length > sumRowsMax(kernel, code, 'encode')) transformEncode(kernel, code, data, parity)
  else if (parity.length > 0) sum(kernel, encoderOf(kernel, code), data, parity)
}

/**
 * Data of one stripe from any k of its shards. A wrong shard gives wrong data: check hashes first.
 * @param shards n entries in order, null where there is none; more than k are allowed.
 * @param kernel as for `encodeStripe`.
 * @returns the k data shards, one after the other.
 * @throws XcareError TOO_FEW_FRAGMENTS with fewer than k shards; MALFORMED on a wrong shape or shard size.
 */
export function decodeStripe(
  shards: Shards,
  k: number,
  n: number,
  shardBytes: number,
  kernel = bestKernel(),
): Uint8Array {
  // before any room is made for what may be a stranger's numbers
  knownShards(shards, codeOf(k, n), shardBytes, -1)
  const data = new Uint8Array(k * shardBytes)
  decodeShards(shards, k, n, shardBytes, data, kernel).forEach((shard, at) => {
    if (shards[at]) data.set(shard, at * shardBytes)
  })
  return data
}

/**
 * As `decodeStripe`, without copying the data shards that are there.
 * @param room k * `shardBytes` bytes; each lost shard is written to its place there.
 * @returns the k data shards: those of `shards`, and views into `room` for the lost ones.
 * @throws as `decodeStripe`; MALFORMED when `room` has another size.
 */
export function decodeShards(
  shards: Shards,
  k: number,
  n: number,
  shardBytes: number,
  room: Uint8Array,
  kernel = bestKernel(),
): Uint8Array[] {
  const code = codeOf(k, n)
  const known = knownShards(shards, code, shardBytes, -1)
  if (room.length !== k * shardBytes)
    throw new XcareError(
      'MALFORMED',
      `the data of a stripe needs ${k * shardBytes} bytes, not ${room.length}`,
    )
  const rows = split(room, shardBytes)
  const missing = Array.from(rows.keys()).filter((at) => !shards[at])
  const wanted = missing.map((at) => rows[at])
  if (missing.length > sumRowsMax(kernel, code, 'decode'))
    transformDecode(kernel, code, shards, known, missing, wanted)
  else if (missing.length > 0) sumOfShards(kernel, code, shards, known, missing, wanted)
  return rows.map((row, at) => shards[at] ?? row)
}

/**
 * One shard, data or parity, from k others.
 * @param shards as for `decodeStripe`; an entry at `wanted` is not looked at.
 * @param kernel as for `encodeStripe`.
 * @throws as `decodeStripe`; MALFORMED when `wanted` is no shard number.
 */
export function rebuildShard(
  shards: Shards,
  wanted: number,
  k: number,
  n: number,
  shardBytes: number,
  kernel = bestKernel(),
): Uint8Array {
  const code = codeOf(k, n)
  if (!Number.isInteger(wanted) || wanted < 0 || wanted >= n)
    throw new XcareError('MALFORMED', `a stripe of ${n} shards has no shard ${wanted}`)
  const known = knownShards(shards, code, shardBytes, wanted)
  const shard = new Uint8Array(shardBytes)
  sumOfShards(kernel, code, shards, known, [wanted], [shard])
  return shard
}

/** Numbers of the first k shards there are, all sizes checked. */
function knownShards(shards: Shards, { k, n }: Code, shardBytes: number, except: number): number[] {
  checkShardBytes(shardBytes)
  if (shards.length !== n)
    throw new XcareError('MALFORMED', `expected ${n} shards or gaps, got ${shards.length}`)
  const known: number[] = []
  shards.forEach((shard, at) => {
    if (shard === null || at === except) return
    if (shard.length !== shardBytes)
      throw new XcareError('MALFORMED', `shard ${at} has ${shard.length} bytes instead of ${shardBytes}`)
    if (known.length < k) known.push(at)
  })
  if (known.length < k)
    throw new XcareError('TOO_FEW_FRAGMENTS', `${k} shards of a stripe are needed, ${known.length} are there`)
  return known
}

function sumOfShards(
  kernel: Kernel,
  code: Code,
  shards: Shards,
  known: readonly number[],
  wanted: readonly number[],
  out: readonly Uint8Array[],
): void {
  const combination = kernel.combination(lagrangeWeights(code, known, wanted), code.wide)
  sum(
    kernel,
    combination,
    known.map((at) => shards[at]!),
    out,
  )
}

/** Weighted sums of whole shards, a strip at a time. */
function sum(
  kernel: Kernel,
  combination: Combination,
  inputs: readonly Uint8Array[],
  outputs: readonly Uint8Array[],
): void {
  const shardBytes = inputs[0].length
  const rows = inputs.length + outputs.length
  const strip = stripBytes(rows, shardBytes)
  const memory = kernel.workspace(rows * strip)
  const from = inputs.map((_, at) => at * strip)
  const to = outputs.map((_, at) => (inputs.length + at) * strip)
  for (let start = 0; start < shardBytes; start += strip) {
    const bytes = Math.min(strip, shardBytes - start)
    inputs.forEach((row, at) => {
      memory.set(row.subarray(start, start + bytes), from[at])
    })
    combination.run(from, to, bytes)
    outputs.forEach((row, at) => {
      row.set(memory.subarray(to[at], to[at] + bytes), start)
    })
  }
}

/** Values at the data points become coefficients once, then values at one block of K points after the other. */
function transformEncode(
  kernel: Kernel,
  { k, span, wide }: Code,
  data: readonly Uint8Array[],
  parity: readonly Uint8Array[],
): void {
  const shardBytes = data[0].length
  // coefficients are used up by the last block of values; only if there are more do they need a copy
  const room = parity.length > span ? 2 * span : span
  const strip = stripBytes(room, shardBytes)
  const memory = kernel.workspace(room * strip)
  for (let start = 0; start < shardBytes; start += strip) {
    const bytes = Math.min(strip, shardBytes - start)
    data.forEach((row, at) => {
      memory.set(row.subarray(start, start + bytes), at * bytes)
    })
    memory.fill(0, k * bytes, span * bytes)
    new Transform(kernel, wide, 0, bytes).toCoefficients(span, k)
    for (let first = 0; first < parity.length; first += span) {
      const count = Math.min(span, parity.length - first)
      const last = first + span >= parity.length
      const base = last ? 0 : span * bytes
      if (!last) memory.copyWithin(base, 0, span * bytes)
      new Transform(kernel, wide, base, bytes).toValues(span, count, span + first)
      for (let at = 0; at < count; at++)
        parity[first + at].set(memory.subarray(base + at * bytes, base + (at + 1) * bytes), start)
    }
  }
}

/**
 * Let L be the polynomial that is zero at the erased points. f L is known everywhere, and its derivative
 * f' L + f L' is f L' at an erased point, so f there is that value divided by L'.
 */
function transformDecode(
  kernel: Kernel,
  code: Code,
  shards: Shards,
  known: readonly number[],
  missing: readonly number[],
  out: readonly Uint8Array[],
): void {
  const { k, span, positions, wide } = code
  const erased = new Float64Array(positions).fill(1).fill(0, k, span)
  for (const shard of known) erased[positionOf(code, shard)] = 0
  const logs = differenceLogs(code, erased)
  const used = positionOf(code, known[k - 1]) + 1
  const shardBytes = out[0].length
  // one row more than there are positions: where a row lies before or after it is scaled
  const strip = stripBytes(positions + 1, shardBytes)
  const memory = kernel.workspace((positions + 1) * strip)
  for (let start = 0; start < shardBytes; start += strip) {
    const bytes = Math.min(strip, shardBytes - start)
    const spare = positions * bytes
    memory.fill(0, 0, spare)
    for (const shard of known) {
      const at = positionOf(code, shard)
      memory.set(shards[shard]!.subarray(start, start + bytes), spare)
      kernel.product(at * bytes, spare, bytes, elementOf(code, logs[at]))
    }
    const rows = new Transform(kernel, wide, 0, bytes)
    rows.toCoefficients(positions, used)
    rows.derive(positions, span)
    rows.toValues(span, k, 0)
    missing.forEach((at, row) => {
      memory.fill(0, spare, spare + bytes)
      kernel.product(spare, at * bytes, bytes, elementOf(code, -logs[at]))
      out[row].set(memory.subarray(spare, spare + bytes), start)
    })
  }
}

function encoderOf(kernel: Kernel, code: Code): Combination {
  const name = `${kernel.name} ${code.k}/${code.n}`
  let encoder = encoders.get(name)
  if (!encoder) {
    const data = Array.from({ length: code.k }, (_, at) => at)
    const parity = Array.from({ length: code.n - code.k }, (_, at) => code.k + at)
    encoder = kernel.combination(lagrangeWeights(code, data, parity), code.wide)
    const [oldest] = encoders.keys()
    if (encoders.size >= ENCODERS_MAX && oldest !== undefined) encoders.delete(oldest)
    encoders.set(name, encoder)
  }
  return encoder
}

function sumRowsMax({ name }: Kernel, { wide }: Code, work: 'encode' | 'decode'): number {
  return wide && name === 'plain' ? PLAIN_WIDE_ROWS_MAX : SUM_ROWS_MAX[name][work]
}

function split(data: Uint8Array, shardBytes: number): Uint8Array[] {
  return Array.from({ length: data.length / shardBytes }, (_, at) =>
    data.subarray(at * shardBytes, (at + 1) * shardBytes),
  )
}

/** Strips of about equal length, odd multiples of 64: rows a power of two apart would fall on the same cache lines. */
function stripBytes(rows: number, shardBytes: number): number {
  const most = Math.max(STRIP_BYTES_MIN, STRIP_CACHE_BYTES / rows)
  if (shardBytes <= most) return shardBytes
  const blocks = Math.ceil(shardBytes / Math.ceil(shardBytes / most) / 64)
  return (blocks | 1) * 64
}
