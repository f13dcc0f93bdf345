import { XcareError } from '../../errors.ts'
import { type Code, checkShardBytes, codeOf, nextPowerOfTwo, positionOf } from './code.ts'
import type { Kernel, Rows } from './kernel.ts'
import { differenceLogs, elementOf, lagrangeWeights } from './lagrange.ts'
import { bestKernel } from './pick-kernel.ts'

/** Shards of a stripe in order, null where there is none. */
type Shards = readonly (Uint8Array | null)[]

/**
 * What a transform costs, as the number of weighted sums that take as long, divided by span log2(span) / k: measured, with one
 * thread, from 6/12 to 4000/8000. `upper`: decoding where all that is known is parity, which needs half of the work.
 */
const TRANSFORM_COST = {
  simd: { narrow: { encode: 1.2, upper: 1.6, decode: 2.6 }, wide: { encode: 1, upper: 1.1, decode: 1.5 } },
  plain: { narrow: { encode: 3, upper: 6, decode: 6 }, wide: { encode: 0.9, upper: 1.6, decode: 1.6 } },
}
/**
 * Strips of all rows in work should stay near the processor, but not be cut so short that cutting them is the work: of many rows
 * more is taken, of very many less than is good, for memory never shrinks.
 */
const STRIP_CACHE_BYTES = 1 << 21
const STRIP_BYTES = { many: 4096, veryMany: 1024 }
const STRIP_ROOM_BYTES = 1 << 23
/** Encoders kept for the shapes last used. */
const ENCODERS_MAX = 8

const encoders = new Map<string, Uint16Array[]>()

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
  const groups = Math.ceil(parity.length / code.span)
  if (parity.length > (transformRows(kernel, code, 'encode') * (1 + groups)) / 2)
    transformEncode(kernel, code, data, parity)
  else if (parity.length > 0) sum(kernel, code, encoderOf(code), data, parity)
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
  knownShards(shards, codeOf(k, n), shardBytes)
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
  const known = knownShards(shards, code, shardBytes)
  if (room.length !== k * shardBytes)
    throw new XcareError(
      'MALFORMED',
      `the data of a stripe needs ${k * shardBytes} bytes, not ${room.length}`,
    )
  const rows = split(room, shardBytes)
  const missing = Array.from(rows.keys()).filter((at) => !shards[at])
  const wanted = missing.map((at) => rows[at])
  const work = known[0] >= k ? 'upper' : 'decode'
  if (missing.length > transformRows(kernel, code, work))
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
  return rebuildShards(shards, [wanted], k, n, shardBytes, kernel)[0]
}

/**
 * Several shards from k others, each by a weighted sum or, when they are many, all by decoding and coding again.
 * @param wanted numbers of shards, each once; entries of `shards` there are not looked at.
 * @returns the wanted shards, in order. @throws as `rebuildShard`.
 */
export function rebuildShards(
  shards: Shards,
  wanted: readonly number[],
  k: number,
  n: number,
  shardBytes: number,
  kernel = bestKernel(),
): Uint8Array[] {
  const code = codeOf(k, n)
  for (const at of wanted)
    if (!Number.isInteger(at) || at < 0 || at >= n)
      throw new XcareError('MALFORMED', `a stripe of ${n} shards has no shard ${at}`)
  const others = shards.slice()
  for (const at of wanted) others[at] = null
  const known = knownShards(others, code, shardBytes)
  const rebuilt = wanted.map(() => new Uint8Array(shardBytes))
  const again = transformRows(kernel, code, 'decode') + transformRows(kernel, code, 'encode')
  if (wanted.length <= again) sumOfShards(kernel, code, others, known, wanted, rebuilt)
  else {
    const data = decodeShards(others, k, n, shardBytes, new Uint8Array(k * shardBytes), kernel)
    // only what is wanted needs room of its own; the other parity is overwritten by the next
    const rest = new Uint8Array(shardBytes)
    const parity = Array.from({ length: n - k }, () => rest)
    wanted.forEach((at, row) => {
      if (at < k) rebuilt[row].set(data[at])
      else parity[at - k] = rebuilt[row]
    })
    if (wanted.some((at) => at >= k)) encodeShards(data, parity, kernel)
  }
  return rebuilt
}

/** Numbers of the first k shards there are, all sizes checked. */
function knownShards(shards: Shards, { k, n }: Code, shardBytes: number): number[] {
  checkShardBytes(shardBytes)
  if (shards.length !== n)
    throw new XcareError('MALFORMED', `expected ${n} shards or gaps, got ${shards.length}`)
  const known: number[] = []
  shards.forEach((shard, at) => {
    if (shard === null) return
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
  const inputs = known.map((at) => shards[at]!)
  sum(kernel, code, lagrangeWeights(code, known, wanted), inputs, out)
}

/** Weighted sums of whole shards, a strip at a time. */
function sum(
  kernel: Kernel,
  { wide }: Code,
  weights: readonly Uint16Array[],
  inputs: readonly Uint8Array[],
  outputs: readonly Uint8Array[],
): void {
  strips(kernel, inputs.length + outputs.length, 0, inputs[0].length, (memory, rows, from) => {
    inputs.forEach((row, at) => {
      load(memory, rows, at, row, from)
    })
    kernel.sums(rows, weights, wide)
    outputs.forEach((row, at) => {
      store(memory, rows, inputs.length + at, row, from)
    })
  })
}

/** Values at the data points become coefficients once, then values at one block of K points after the other. */
function transformEncode(
  kernel: Kernel,
  code: Code,
  data: readonly Uint8Array[],
  parity: readonly Uint8Array[],
): void {
  if (kernel.encodeHeld(data, parity, code)) return
  const { span } = code
  const groups = Math.ceil(parity.length / span)
  strips(kernel, groups * span, 2 * span, data[0].length, (memory, rows, from) => {
    data.forEach((row, at) => {
      load(memory, rows, at, row, from)
    })
    kernel.encode(rows, code, parity.length)
    const last = (groups - 1) * span
    parity.forEach((row, at) => {
      store(memory, rows, at < last ? span + at : at - last, row, from)
    })
  })
}

/**
 * Let L be the polynomial that is zero at the erased points. f L is known everywhere, and its derivative
 * f' L + f L' is f L' at an erased point, so f there is that value divided by L'. Points behind the last known
 * one need not be looked at: f L has a smaller degree without them.
 */
function transformDecode(
  kernel: Kernel,
  code: Code,
  shards: Shards,
  known: readonly number[],
  missing: readonly number[],
  out: readonly Uint8Array[],
): void {
  const { k, span } = code
  const places = known.map((shard) => positionOf(code, shard))
  const points = nextPowerOfTwo(Math.max(span, places[k - 1] + 1))
  const erased = new Float64Array(points).fill(1).fill(0, k, span)
  for (const at of places) erased[at] = 0
  const logs = differenceLogs(code, erased)
  const sources = places.map((point) => ({ point, factor: elementOf(code, logs[point]) }))
  const results = missing.map((point) => ({ point, factor: elementOf(code, -logs[point]) }))
  strips(kernel, k, points, out[0].length, (memory, rows, from) => {
    known.forEach((shard, at) => {
      load(memory, rows, at, shards[shard]!, from)
    })
    kernel.decode(rows, code, points, sources, results)
    out.forEach((shard, row) => {
      store(memory, rows, row, shard, from)
    })
  })
}

/** Lets `work` do strip after strip of all rows, each strip so short that all rows fit the workspace wanted. */
function strips(
  kernel: Kernel,
  count: number,
  points: number,
  shardBytes: number,
  work: (memory: Uint8Array, rows: Rows, from: number) => void,
): void {
  const strip = stripBytes(count, shardBytes)
  // rows a power of two apart would fall on the same cache lines
  const stride = (strip / 64) % 2 === 0 ? strip + 64 : strip
  const memory = kernel.workspace(count, stride, points)
  for (let from = 0; from < shardBytes; from += strip)
    work(memory, { stride, bytes: Math.min(strip, shardBytes - from) }, from)
}

function load(
  memory: Uint8Array,
  { stride, bytes }: Rows,
  row: number,
  shard: Uint8Array,
  from: number,
): void {
  memory.set(bytes === shard.length ? shard : shard.subarray(from, from + bytes), row * stride)
}

function store(
  memory: Uint8Array,
  { stride, bytes }: Rows,
  row: number,
  shard: Uint8Array,
  from: number,
): void {
  shard.set(memory.subarray(row * stride, row * stride + bytes), from)
}

/** Weights of all parity of a shape, kept. */
function encoderOf(code: Code): Uint16Array[] {
  const name = `${code.k}/${code.n}`
  let encoder = encoders.get(name)
  if (!encoder) {
    const data = Array.from({ length: code.k }, (_, at) => at)
    const parity = Array.from({ length: code.n - code.k }, (_, at) => code.k + at)
    encoder = lagrangeWeights(code, data, parity)
    const [oldest] = encoders.keys()
    if (encoders.size >= ENCODERS_MAX && oldest !== undefined) encoders.delete(oldest)
    encoders.set(name, encoder)
  }
  return encoder
}

/** As many weighted sums take as long as a transform. */
function transformRows(
  { name }: Kernel,
  { k, span, wide }: Code,
  work: 'encode' | 'upper' | 'decode',
): number {
  return (TRANSFORM_COST[name][wide ? 'wide' : 'narrow'][work] * span * Math.log2(span)) / k
}

function split(data: Uint8Array, shardBytes: number): Uint8Array[] {
  return Array.from({ length: data.length / shardBytes }, (_, at) =>
    data.subarray(at * shardBytes, (at + 1) * shardBytes),
  )
}

/** Strips of about equal length. */
function stripBytes(rows: number, shardBytes: number): number {
  const many = rows * STRIP_BYTES.many > STRIP_ROOM_BYTES ? STRIP_BYTES.veryMany : STRIP_BYTES.many
  const most = Math.max(many, STRIP_CACHE_BYTES / rows)
  return Math.ceil(shardBytes / Math.ceil(shardBytes / most) / 64) * 64
}
