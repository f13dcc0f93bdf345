import { closeSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { equalBytes } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import { XcareApp } from '../app/app.ts'
import { encodeAppState, type Genesis } from '../app/genesis.ts'
import { timeToMs } from '../comet/time.ts'
import { SqliteState } from '../state/state-sqlite.ts'
import type { BlockStore } from './blockstore.ts'

const BESIDE = ['-wal', '-shm']

/** The state of a chain, and whether it had to be made again. */
export interface OpenedState {
  state: SqliteState
  /** Blocks that were applied again from the first on; 0 when the state was whole. */
  rebuilt: number
}

/**
 * Opens the state at `path`. Where it is lost, damaged, more than a block behind or not the one that the
 * newest block announced, it is made again from the blocks; what was there stays beside as `.damaged`.
 * @throws XcareError LOCKED, NO_SPACE, INTEGRITY when the blocks do not give the state that they announce.
 */
export function openState(path: string, store: BlockStore, genesis: Genesis): OpenedState {
  const kept = openOrNull(path)
  if (kept && isWhole(kept, store)) return { state: kept, rebuilt: 0 }
  kept?.close()
  remakeState(path, store, genesis)
  return { state: new SqliteState(path), rebuilt: store.height }
}

function openOrNull(path: string): SqliteState | null {
  try {
    return new SqliteState(path)
  } catch (cause) {
    if (cause instanceof XcareError && cause.code === 'INTEGRITY') return null
    throw cause
  }
}

/** One that is ahead of the blocks is whole: it is the blocks that are missing then. */
function isWhole(state: SqliteState, store: BlockStore): boolean {
  const { height, appHash } = state.head()
  if (height > store.height) return true
  if (height < store.height - 1) return false
  const announced = height === 0 ? null : store.block(height)
  return announced === null || equalBytes(announced.appHash, appHash)
}

/** Whole or not at all: it is made beside, unsynced, and takes its place when it is durable. */
function remakeState(path: string, store: BlockStore, genesis: Genesis): void {
  const draft = `${path}.new`
  remove(draft)
  const state = new SqliteState(draft)
  try {
    state.letUnsynced(() => applyAll(state, store, genesis))
  } finally {
    state.close()
  }
  sync(draft)
  for (const end of ['', ...BESIDE]) moveIfThere(path + end, `${path}.damaged${end}`)
  renameSync(draft, path)
  sync(dirname(path))
}

function applyAll(state: SqliteState, store: BlockStore, genesis: Genesis): void {
  const app = new XcareApp(state, genesis.chainId)
  app.initChain({ chainId: genesis.chainId, appState: encodeAppState(genesis.params), initialHeight: 1 })
  for (let height = 1; height <= store.height; height++) {
    const stored = store.block(height)
    if (!stored)
      throw new XcareError('INTEGRITY', `block ${height} of the chain is missing`, { next: FROM_COPY })
    const { block, id } = stored
    const { time, version } = block.header
    const at = { height, timeMs: timeToMs(time), appVersion: version.app }
    const { appHash } = app.finalizeBlock({ txs: block.txs, hash: id.hash, ...at })
    if (!equalBytes(appHash, stored.appHash))
      throw new XcareError(
        'INTEGRITY',
        `the state of the chain is lost, and block ${height} does not give the state that was announced`,
        { next: FROM_COPY },
      )
    app.commit()
  }
}

const FROM_COPY = 'put the whole folder of the chain back from its newest copy'

function remove(path: string): void {
  for (const end of ['', ...BESIDE]) rmSync(path + end, { force: true })
}

function moveIfThere(from: string, to: string): void {
  rmSync(to, { force: true })
  try {
    renameSync(from, to)
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'ENOENT')) throw cause
  }
}

function sync(path: string): void {
  const file = openSync(path, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
