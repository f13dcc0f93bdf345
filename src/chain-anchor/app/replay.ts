import { compareBytes, concat, u64be, utf8 } from '../../bytes.ts'
import { UNIQUE_IDS_PER_SHARD_MAX } from '../../limits.ts'
import { refuse, type Verdict } from './refusal.ts'
import type { StateOverlay, StateView } from './state.ts'

const ID_BYTES = 16
const SHARDS = 16
/** What tells transactions apart. */
export interface TxIdentity {
  /** 16 bytes */
  uniqueId: Uint8Array
  validUntilHeight: number
}

const PREFIX = utf8('seen/')

/**
 * Unique ids are kept by the height until which their transaction is valid, in 16 shards: a repeated transaction can
 * only be found in one place, and a whole height is forgotten once no such transaction could pass any more.
 * @returns a refusal when a transaction with this body's id and height was applied already. Spec: docs/spec/state.md 3.
 */
export function checkUnique(state: StateView, body: TxIdentity): Verdict {
  const ids = state.get(shardKey(body.validUntilHeight, shardOf(body.uniqueId)))
  if (ids === null) return null
  if (position(ids, body.uniqueId).found) return refuse('repeated', 'This transaction is in a block already.')
  if (ids.length >= UNIQUE_IDS_PER_SHARD_MAX * ID_BYTES)
    return refuse('full', 'Too many transactions end at this height: choose another.')
  return null
}

/** Keeps the unique id of a transaction that is about to be applied. */
export function rememberId(state: StateOverlay, body: TxIdentity): void {
  const key = shardKey(body.validUntilHeight, shardOf(body.uniqueId))
  const ids = state.get(key) ?? new Uint8Array(0)
  const { at } = position(ids, body.uniqueId)
  state.set(key, concat(ids.subarray(0, at), body.uniqueId, ids.subarray(at)))
}

/** Forgets the ids of transactions that were valid until the block before `height`. */
export function forgetExpired(state: StateOverlay, height: number): void {
  for (let shard = 0; shard < SHARDS; shard++) {
    const key = shardKey(height - 1, shard)
    if (state.get(key) !== null) state.remove(key)
  }
}

function shardOf(id: Uint8Array): number {
  return id[0] % SHARDS
}

function shardKey(validUntilHeight: number, shard: number): Uint8Array {
  return concat(PREFIX, u64be(validUntilHeight), Uint8Array.of(shard))
}

// Ids are sorted; binary search for the byte offset of `id` or of the place where it belongs.
function position(ids: Uint8Array, id: Uint8Array): { at: number; found: boolean } {
  let low = 0
  let high = ids.length / ID_BYTES
  while (low < high) {
    const middle = (low + high) >>> 1
    const order = compareBytes(ids.subarray(middle * ID_BYTES, (middle + 1) * ID_BYTES), id)
    if (order === 0) return { at: middle * ID_BYTES, found: true }
    if (order < 0) low = middle + 1
    else high = middle
  }
  return { at: low * ID_BYTES, found: false }
}
