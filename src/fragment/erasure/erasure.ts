import { XcareError } from '../../errors.ts'
import { type Code, checkShardBytes, codeOf, positionOf } from './code.ts'
import { addProduct, Rows } from './fft.ts'
import { differenceLogs, elementOf, lagrangeWeights } from './lagrange.ts'
import { ByteMatrix } from './matrix.ts'

/** Up to so many wanted rows a matrix of bytes beats the transform (measured, bench/erasure). */
const MATRIX_ROWS_MAX = 64
/** The same for 16-bit symbols. */
const WIDE_ROWS_MAX = 4
/** Bytes of each shard that a transform works on at a time: all rows of a strip should fit the cache. */
const STRIP_BYTES_SMALL = 256
const STRIP_CACHE_BYTES = 1 << 20
/** Encoders kept for the shapes last used. */
const ENCODERS_MAX = 8

const encoders = new Map<string, ByteMatrix>()

/**
 * Parity of one stripe. Source: docs/spec/erasure-code.md.
 * @param data k shards of `shardBytes`, one after the other.
 * @returns the n - k parity shards, one after the other.
 * @throws XcareError MALFORMED on a shape the code has not, or when `data` does not match it.
 */
export function encodeStripe(data: Uint8Array, k: number, n: number, shardBytes: number): Uint8Array {
  const code = codeOf(k, n)
  checkShardBytes(shardBytes)
  if (data.length !== k * shardBytes)
    throw new XcareError(
      'MALFORMED',
      `a stripe of ${k} shards has ${k * shardBytes} bytes, not ${data.length}`,
    )
  const parity = new Uint32Array(((n - k) * shardBytes) / 4)
  if (code.wide || n - k > MATRIX_ROWS_MAX)
    transformEncode(code, data, shardBytes, new Uint8Array(parity.buffer))
  else if (n > k) encoderOf(code).apply(split(data, shardBytes), parity, wordOffsets(n - k, shardBytes))
  return new Uint8Array(parity.buffer)
}

/**
 * Data of one stripe from any k of its shards. A wrong shard gives wrong data: check hashes first.
 * @param shards n entries in order, null where there is none; more than k are allowed.
 * @returns the k data shards, one after the other.
 * @throws XcareError TOO_FEW_FRAGMENTS with fewer than k shards; MALFORMED on a wrong shape or shard size.
 */
export function decodeStripe(
  shards: readonly (Uint8Array | null)[],
  k: number,
  n: number,
  shardBytes: number,
): Uint8Array {
  const code = codeOf(k, n)
  const known = knownShards(shards, code, shardBytes, -1)
  const data = new Uint32Array((k * shardBytes) / 4)
  const bytes = new Uint8Array(data.buffer)
  const missing: number[] = []
  for (let at = 0; at < k; at++) {
    const shard = shards[at]
    if (shard) bytes.set(shard, at * shardBytes)
    else missing.push(at)
  }
  if (missing.length === 0) return bytes
  if (missing.length <= (code.wide ? WIDE_ROWS_MAX : MATRIX_ROWS_MAX))
    combine(code, shards, known, missing, data, shardBytes)
  else transformDecode(code, shards, known, missing, bytes, shardBytes)
  return bytes
}

/**
 * One shard, data or parity, from k others.
 * @param shards as for `decodeStripe`; an entry at `wanted` is not looked at.
 * @throws as `decodeStripe`; MALFORMED when `wanted` is no shard number.
 */
export function rebuildShard(
  shards: readonly (Uint8Array | null)[],
  wanted: number,
  k: number,
  n: number,
  shardBytes: number,
): Uint8Array {
  const code = codeOf(k, n)
  if (!Number.isInteger(wanted) || wanted < 0 || wanted >= n)
    throw new XcareError('MALFORMED', `a stripe of ${n} shards has no shard ${wanted}`)
  const known = knownShards(shards, code, shardBytes, wanted)
  const shard = new Uint32Array(shardBytes / 4)
  combine(code, shards, known, [wanted], shard, shardBytes, [0])
  return new Uint8Array(shard.buffer)
}

/** Numbers of the first k shards there are, all sizes checked. */
function knownShards(
  shards: readonly (Uint8Array | null)[],
  { k, n }: Code,
  shardBytes: number,
  except: number,
): number[] {
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

/** Each wanted shard as a weighted sum of the known ones. Needs no work that grows with n. */
function combine(
  code: Code,
  shards: readonly (Uint8Array | null)[],
  known: readonly number[],
  wanted: readonly number[],
  out: Uint32Array,
  shardBytes: number,
  wordAt = wanted.map((shard) => (shard * shardBytes) / 4),
): void {
  const weights = lagrangeWeights(code, known, wanted)
  if (!code.wide) {
    new ByteMatrix(weights).apply(
      known.map((shard) => shards[shard]!),
      out,
      wordAt,
    )
    return
  }
  const words = shardBytes / 4
  // one known shard, and behind it the wanted ones
  const rows = new Uint32Array((wanted.length + 1) * words)
  const input = new Uint8Array(rows.buffer, 0, shardBytes)
  known.forEach((shard, at) => {
    input.set(shards[shard]!)
    weights.forEach((row, to) => {
      addProduct(rows, (to + 1) * words, 0, words, row[at])
    })
  })
  wordAt.forEach((word, at) => {
    out.set(rows.subarray((at + 1) * words, (at + 2) * words), word)
  })
}

/** Values at the data points become coefficients once, then values at one block of K points after the other. */
function transformEncode(code: Code, data: Uint8Array, shardBytes: number, parity: Uint8Array): void {
  const { k, n, span } = code
  const strip = stripBytes(span, shardBytes)
  for (let from = 0; from < shardBytes; from += strip) {
    const bytes = Math.min(strip, shardBytes - from)
    const rows = new Rows(code, span, bytes / 4)
    for (let at = 0; at < k; at++)
      rows.bytes(at).set(data.subarray(at * shardBytes + from, at * shardBytes + from + bytes))
    rows.toCoefficients(span, k)
    for (let first = 0; first < n - k; first += span) {
      const count = Math.min(span, n - k - first)
      const values = first + span < n - k ? rows.copy() : rows
      values.toValues(span, count, span + first)
      for (let at = 0; at < count; at++) parity.set(values.bytes(at), (first + at) * shardBytes + from)
    }
  }
}

/**
 * Let L be the polynomial that is zero at the erased points. f L is known everywhere, and its derivative
 * f' L + f L' is f L' at an erased point, so f there is that value divided by L'.
 */
function transformDecode(
  code: Code,
  shards: readonly (Uint8Array | null)[],
  known: readonly number[],
  missing: readonly number[],
  data: Uint8Array,
  shardBytes: number,
): void {
  const { k, span, positions } = code
  const erased = new Float64Array(positions).fill(1).fill(0, k, span)
  for (const shard of known) erased[positionOf(code, shard)] = 0
  const logs = differenceLogs(code, erased)
  const used = positionOf(code, known[k - 1]) + 1
  const strip = stripBytes(positions, shardBytes)
  for (let from = 0; from < shardBytes; from += strip) {
    const bytes = Math.min(strip, shardBytes - from)
    // one row more than there are positions: the place where a row lies before it is scaled
    const rows = new Rows(code, positions + 1, bytes / 4)
    const plain = rows.bytes(positions)
    for (const shard of known) {
      const at = positionOf(code, shard)
      plain.set(shards[shard]!.subarray(from, from + bytes))
      rows.addProduct(at, positions, elementOf(code, logs[at]))
    }
    rows.toCoefficients(positions, used)
    rows.derive(positions, span)
    rows.toValues(span, k, 0)
    for (const at of missing) {
      plain.fill(0)
      rows.addProduct(positions, at, elementOf(code, -logs[at]))
      data.set(plain, at * shardBytes + from)
    }
  }
}

function encoderOf(code: Code): ByteMatrix {
  const name = `${code.k}/${code.n}`
  let encoder = encoders.get(name)
  if (!encoder) {
    const data = Array.from({ length: code.k }, (_, at) => at)
    const parity = Array.from({ length: code.n - code.k }, (_, at) => code.k + at)
    encoder = new ByteMatrix(lagrangeWeights(code, data, parity))
    const [oldest] = encoders.keys()
    if (encoders.size >= ENCODERS_MAX && oldest) encoders.delete(oldest)
    encoders.set(name, encoder)
  }
  return encoder
}

function split(data: Uint8Array, shardBytes: number): Uint8Array[] {
  return Array.from({ length: data.length / shardBytes }, (_, at) =>
    data.subarray(at * shardBytes, (at + 1) * shardBytes),
  )
}

function wordOffsets(count: number, shardBytes: number): number[] {
  return Array.from({ length: count }, (_, at) => (at * shardBytes) / 4)
}

function stripBytes(rows: number, shardBytes: number): number {
  const fits = Math.floor(STRIP_CACHE_BYTES / rows / 64) * 64
  return Math.min(shardBytes, Math.max(STRIP_BYTES_SMALL, fits))
}
