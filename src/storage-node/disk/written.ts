import { assert } from '../../assert.ts'
import { COMMIT_BYTES_MAX, MANIFEST_BYTES_MAX, PUT_COLUMNS_MAX } from '../../limits.ts'
import { BATCH_BYTES_MAX, type MessageOf } from '../../wire/fragment-protocol.ts'
import { recordBytes } from './volume/record.ts'

/**
 * One thing to make durable. A put: `count` fragments of its columns, from the one of `stripe` in the column
 * at place `first` on, by stripe and then by column.
 */
export type CommitOp =
  | { kind: 'put'; handle: number; stripe: number; first: number; count: number; body: Uint8Array }
  | { kind: 'finish'; handle: number; manifest: Uint8Array }
  | { kind: 'delete'; order: MessageOf<'DELETE'> }

/**
 * The one answer to what an op writes: whoever gathers ops for a commit and whoever lays them out ask here.
 * @param columns of its put; undefined when that has ended, and nothing is written.
 * @returns bytes that `op` may add to a volume, at most.
 */
export function writtenBytes(op: CommitOp, columns: readonly unknown[] | undefined): number {
  if (op.kind === 'delete') return recordBytes(0)
  if (columns === undefined) return 0
  if (op.kind === 'put') return op.count * recordBytes(Math.ceil(op.body.length / op.count))
  return columns.length * recordBytes(0) + recordBytes(op.manifest.length)
}

assert(
  PUT_COLUMNS_MAX * recordBytes(0) + recordBytes(MANIFEST_BYTES_MAX) <= COMMIT_BYTES_MAX,
  'the end of the widest put fits one commit',
)
assert(2 * BATCH_BYTES_MAX <= COMMIT_BYTES_MAX, 'the fragments of any frame fit one commit')
