import type { MessageOf } from '../../wire/fragment-protocol.ts'
import type { Audience } from '../admit.ts'
import type { ColumnName } from './catalog/rows.ts'
import type {
  ColumnKey,
  DamagedFragment,
  FragmentRun,
  HashRun,
  LeafRun,
  ShareRun,
  VersionKey,
} from './column-reader.ts'
import type { Recovery } from './recover.ts'
import type { PutStart } from './store.ts'
import type { StoreHealth, StoreStatus } from './store-status.ts'
import type { HeldColumn, HeldCursor, HeldWish } from './upkeep/held-columns.ts'

/** How the disk thread opens its store. */
export interface DiskOptions {
  /** Data folder of the node; made when absent. */
  path: string
  /** Disk the store may use, index and reserve included. */
  quotaBytes: number
  audience: Audience
}

/**
 * What the disk thread can be asked: arguments and answer of each call. The caller names its puts by handles; `finish` ends the
 * put when it succeeds, `closePut` one that is given up.
 */
export interface DiskCalls {
  openPut: [[order: MessageOf<'OPEN_PUT'>, handle: number], PutStart]
  have: [[handle: number], { bitmaps: Uint8Array; objectKnown: boolean }]
  closePut: [[handle: number], null]
  put: [
    [handle: number, stripe: number, first: number, count: number, body: Uint8Array],
    /** The memory of the body, when it is worth moving back. */
    { bytes: Uint8Array<ArrayBuffer> } | null,
  ]
  finish: [[handle: number, manifest: Uint8Array], { root: Uint8Array; bytes: number }]
  delete: [[order: MessageOf<'DELETE'>], null]
  /** The bytes of the run come back by `giveBack` when they are shared. */
  fragments: [[key: VersionKey, columns: readonly number[], from: number, to: number], FragmentRun]
  hashes: [[key: VersionKey, columns: readonly number[]], HashRun[]]
  shares: [[key: VersionKey, columns: readonly number[], from: number, to: number], ShareRun[]]
  leaves: [[key: ColumnKey, range: { stripe: number; first: number; count: number }], LeafRun | null]
  manifest: [[objectId: Uint8Array], Uint8Array]
  recent: [[sinceMs: number, limit: number], { objectId: Uint8Array; column: number; k: number; n: number }[]]
  verify: [[handle: number, column: number, from: number, to: number], { bytes: number; next: number }]
  scrub: [[], number]
  held: [
    [kind: HeldWish['kind'], after: HeldCursor, limit: number, objects: number],
    { columns: HeldColumn[]; isEnd: boolean },
  ]
  patience: [[], { patienceMs: number }]
  judge: [[anchored: readonly ColumnName[], gone: readonly ColumnName[]], number]
  expire: [[], number]
  compact: [[], boolean]
  takeDamaged: [[], DamagedFragment[]]
  status: [[], StoreStatus]
  health: [[], StoreHealth]
  /** Shared memory of a fragment run that nobody reads any more. It has no answer. */
  giveBack: [[bytes: Uint8Array], never]
  close: [[], null]
}

/** Name of a call. */
export type DiskCall = keyof DiskCalls

/** One call on its way to the disk thread. */
export interface DiskRequest {
  id: number
  call: DiskCall
  args: unknown[]
}

/** One answer on its way back. */
export type DiskAnswer =
  | { id: number; value: unknown }
  | { id: number; error: { code: string; message: string; next: string | null } }

/** First message of the disk thread: the store is open, or why not. */
export type DiskStarted =
  | { started: Recovery }
  | { error: { code: string; message: string; next: string | null } }
