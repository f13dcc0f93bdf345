import { XcareError } from '../../errors.ts'
import { POSITIONS_MAX_GF8, POSITIONS_MAX_GF16, SHARD_BYTES_MAX, SHARD_STEP_BYTES } from '../../limits.ts'

/** One code: its shape and where its shards lie among the points of the field. */
export interface Code {
  k: number
  n: number
  /** K of the specification: the smallest power of two that holds k. */
  span: number
  /** Smallest power of two that holds every position in use. */
  positions: number
  /** 16-bit symbols instead of bytes. */
  wide: boolean
}

/**
 * @returns the code of k data shards among n.
 * @throws XcareError MALFORMED unless 1 <= k <= n and nextpow2(k) + (n - k) <= 65,536.
 */
export function codeOf(k: number, n: number): Code {
  if (!Number.isInteger(k) || !Number.isInteger(n) || k < 1 || n < k || n > POSITIONS_MAX_GF16)
    throw new XcareError('MALFORMED', `there is no code with k=${k} and n=${n}`)
  const span = nextPowerOfTwo(k)
  const used = span + n - k
  if (used > POSITIONS_MAX_GF16)
    throw new XcareError(
      'MALFORMED',
      `k=${k} and n=${n} need ${used} positions, a code has at most ${POSITIONS_MAX_GF16}`,
    )
  return { k, n, span, positions: nextPowerOfTwo(used), wide: used > POSITIONS_MAX_GF8 }
}

/** @throws XcareError MALFORMED unless `shardBytes` is a multiple of 64 between 64 and 65,536. */
export function checkShardBytes(shardBytes: number): void {
  const fits = Number.isInteger(shardBytes) && shardBytes > 0 && shardBytes <= SHARD_BYTES_MAX
  if (!fits || shardBytes % SHARD_STEP_BYTES !== 0)
    throw new XcareError('MALFORMED', `a shard cannot have ${shardBytes} bytes`)
}

/** @returns the position among the field's points of shard `at`: data from 0, parity from K. */
export function positionOf(code: Code, at: number): number {
  return at < code.k ? at : code.span + at - code.k
}

/** @returns the smallest power of two that is not below `value`. */
export function nextPowerOfTwo(value: number): number {
  let power = 1
  while (power < value) power *= 2
  return power
}
