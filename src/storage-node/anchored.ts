import { equalBytes } from '../bytes.ts'
import { type RecordValue, recordValue } from '../chain-anchor/app/values.ts'
import type { NodeId } from '../ids.ts'
import { HEADER_AGE_MS_MAX } from '../limits.ts'
import type { ProvenValue } from '../ports.ts'
import type { HeldColumn } from './disk/upkeep/held-columns.ts'

/** What a header says of a finished column on a node's disk. `unknown` is no reason to do anything. */
export type Standing = 'anchored' | 'gone' | 'unknown'

/** What a column is judged by. */
export interface Judged {
  held: HeldColumn
  /** Value of the object's record, or its absence, proven against a header. */
  proof: ProvenValue
  /** Which node keeps the column. */
  nodeId: NodeId
  nowMs: number
  /** How long an owner may take from the end of a put to its anchor. */
  patienceMs: number
}

/**
 * Judges whether a column is still needed. Only a header of right now counts. What was anchored once is gone
 * only when the chain says in words who took its place: a record never vanishes, so where it seems to, the
 * chain is not the one it was.
 * @throws XcareError MALFORMED on a value that is no record.
 */
export function judge({ held, proof, nodeId, nowMs, patienceMs }: Judged): Standing {
  if (nowMs - proof.timeMs > HEADER_AGE_MS_MAX) return 'unknown'
  const record = proof.value === null ? null : recordValue.decode(proof.value)
  if (record !== null && namesColumn(record, held, nodeId)) return 'anchored'
  if (record === null || record.version < held.version) {
    if (held.isProven) return 'unknown'
  } else if (record.status === 'removed') return 'gone'
  // An anchor may still be on its way; one that is in a later block than this header is not.
  return proof.timeMs - held.finishedMs >= patienceMs ? 'gone' : 'unknown'
}

function namesColumn(record: RecordValue, held: HeldColumn, nodeId: NodeId): boolean {
  const { column, version, ownerKey, manifestHash } = held
  if (record.status === 'removed' || record.version !== version) return false
  if (!equalBytes(record.ownerKey, ownerKey)) return false
  if (manifestHash !== null && !equalBytes(record.manifestHash, manifestHash)) return false
  if ((((record.columns[column >> 3] ?? 0) >> (column & 7)) & 1) === 0) return false
  const moved = record.moved.find((move) => move.column === column)
  return moved === undefined || moved.nodeId === nodeId
}
