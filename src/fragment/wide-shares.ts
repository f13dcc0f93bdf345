import { concat, u32be } from '../bytes.ts'
import { XcareError } from '../errors.ts'
import { COLUMNS_MAX_GF8 } from '../limits.ts'
import type { Random } from '../ports.ts'
import { encodeStripe, rebuildShard, rebuildShards } from './erasure/erasure.ts'
import { isShareOf, SHARE_BYTES } from './header.ts'

/**
 * Shares over GF(2^16), for more columns than GF(2^8) has positions. A secret and its shares are the symbols of one random codeword of
 * the code k of n + 1: share j is shard j, the secret is shard n, which no column gets. R. J. McEliece, D. V. Sarwate, "On Sharing
 * Secrets and Reed-Solomon Codes", Communications of the ACM 24(9), 1981. Source: docs/spec/object.md 1.
 */

const VALUE_BYTES = 32
/** Half of the symbols of a value, and where their high halves begin in a shard of 32 symbols. */
const HALF_BYTES = 16
const HIGH_AT = 32
const SHARD_BYTES = 64
const POSITION_BYTES = 4

/** @returns whether shares of an object of n columns are over GF(2^16). */
export function hasWideShares(n: number): boolean {
  return n > COLUMNS_MAX_GF8
}

/**
 * A share as it is combined, with its position in it.
 * @param share 33 bytes, as a fragment of `column` holds them. @param n columns of the object.
 * @returns up to 255 columns `share` itself; above, its value and u32be(column + 1), 36 bytes. Null when `share` says that it is at
 * another position.
 */
export function placeShare(share: Uint8Array, column: number, n: number): Uint8Array | null {
  if (!isShareOf(share, column, n)) return null
  return hasWideShares(n) ? concat(share.subarray(0, VALUE_BYTES), u32be(column + 1)) : share
}

/** Draws a secret of 32 bytes and shares it out. @returns it, and n shares of 33 bytes one after another. */
export function dealWideShares(
  k: number,
  n: number,
  random: Random,
): { secret: Uint8Array; shares: Uint8Array } {
  const values = random.bytes(k * VALUE_BYTES)
  const data = new Uint8Array(k * SHARD_BYTES)
  const shares = new Uint8Array(n * SHARE_BYTES)
  for (let at = 0; at < k; at++) {
    const value = values.subarray(at * VALUE_BYTES, (at + 1) * VALUE_BYTES)
    spread(value, data, at * SHARD_BYTES)
    shares.set(value, at * SHARE_BYTES)
  }
  const parity = encodeStripe(data, k, n + 1, SHARD_BYTES)
  for (let at = k; at < n; at++) shares.set(gathered(parity, (at - k) * SHARD_BYTES), at * SHARE_BYTES)
  const secret = gathered(parity, (n - k) * SHARD_BYTES)
  for (const used of [values, data, parity]) used.fill(0)
  return { secret, shares }
}

/**
 * Combines k of `shares`, as `placeShare` gives them. Those of another length, beyond the last column, of a column that was there
 * already or refused by `check` are left out. The caller checks the result against its commitment.
 * @returns the secret, 32 bytes. @throws XcareError INTEGRITY when fewer than k remain.
 */
export function combineWideShares(
  shares: readonly Uint8Array[],
  { k, n }: { k: number; n: number },
  check: (share: Uint8Array, at: number) => boolean,
): Uint8Array {
  const shards: (Uint8Array | null)[] = Array(n + 1).fill(null)
  let sound = 0
  shares.forEach((share, at) => {
    if (share.length !== VALUE_BYTES + POSITION_BYTES) return
    const column = new DataView(share.buffer, share.byteOffset).getUint32(VALUE_BYTES) - 1
    if (column < 0 || column >= n || shards[column] || !check(share, at)) return
    shards[column] = shardOf(share)
    sound++
  })
  if (sound < k) throw new XcareError('INTEGRITY', `${sound} sound key shares, ${k} needed`)
  return gathered(rebuildShard(shards, n, k, n + 1, SHARD_BYTES), 0)
}

/**
 * Computes lost shares again, as repair needs it, without forming the secret.
 * @param shares n entries by column, 33 bytes or null. @param columns wanted; entries there are not looked at.
 * @returns a share of 33 bytes for each of `columns`. @throws XcareError TOO_FEW_FRAGMENTS with fewer than k others.
 */
export function wideSharesAt(
  shares: readonly (Uint8Array | null)[],
  columns: readonly number[],
  { k, n }: { k: number; n: number },
): Uint8Array[] {
  const shards = [...shares.map((share) => share && shardOf(share)), null]
  return rebuildShards(shards, columns, k, n + 1, SHARD_BYTES).map((shard) => {
    const share = new Uint8Array(SHARE_BYTES)
    share.set(gathered(shard, 0))
    return share
  })
}

function shardOf(share: Uint8Array): Uint8Array {
  const shard = new Uint8Array(SHARD_BYTES)
  spread(share.subarray(0, VALUE_BYTES), shard, 0)
  return shard
}

/** 32 bytes are the low halves of 16 symbols, then their high halves; the other 16 symbols of a shard are zero. */
function spread(value: Uint8Array, shards: Uint8Array, at: number): void {
  shards.set(value.subarray(0, HALF_BYTES), at)
  shards.set(value.subarray(HALF_BYTES), at + HIGH_AT)
}

function gathered(shards: Uint8Array, at: number): Uint8Array {
  return concat(
    shards.subarray(at, at + HALF_BYTES),
    shards.subarray(at + HIGH_AT, at + HIGH_AT + HALF_BYTES),
  )
}
