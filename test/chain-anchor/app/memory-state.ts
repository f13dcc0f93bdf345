import { compareBytes, toHex, utf8 } from '../../../src/bytes.ts'
import { XcareApp } from '../../../src/chain-anchor/app/app.ts'
import { APP_VERSION, encodeAppState } from '../../../src/chain-anchor/app/genesis.ts'
import type { StateChanges, StateEntry, StateStore } from '../../../src/chain-anchor/app/state.ts'
import { StateTree } from '../../../src/chain-anchor/state/smt.ts'
import { sha256 } from '../../../src/crypto/hash.ts'
import { MemoryPages } from '../memory-pages.ts'
import { CHAIN_ID, key } from './chain-actors.ts'

/** A state kept in plain maps, with the real tree for its hash: the naive model of the SQLite one. */
export class MemoryState implements StateStore {
  readonly entries = new Map<string, StateEntry>()
  readonly #blobs = new Map<string, Uint8Array>()
  #tree = new StateTree(new MemoryPages())
  #height = 0
  #stage: { height: number; changes: StateChanges; tree: StateTree } | null = null

  head() {
    return { height: this.#height, appHash: this.#tree.root.hash }
  }

  get(key: Uint8Array): Uint8Array | null {
    return this.entries.get(toHex(key))?.value ?? null
  }

  list(prefix: string): StateEntry[] {
    const wanted = toHex(utf8(prefix))
    const found = [...this.entries].filter(([name]) => name.startsWith(wanted)).map(([, entry]) => entry)
    return found.sort((a, b) => compareBytes(a.key, b.key))
  }

  blob(hash: Uint8Array): Uint8Array | null {
    return this.#blobs.get(toHex(hash)) ?? null
  }

  stage(height: number, changes: StateChanges): Uint8Array {
    // A tree of its own each time: the pages in memory refuse to be retired twice.
    const tree = new StateTree(new MemoryPages()).update(
      [...this.#after(changes)].map(([, { key, value }]) => [key, value]),
    )
    this.#stage = { height, changes, tree }
    return tree.root.hash
  }

  commit(): void {
    const stage = this.#stage
    if (!stage) throw new Error('nothing is staged')
    const after = this.#after(stage.changes)
    this.entries.clear()
    for (const [name, entry] of after) this.entries.set(name, entry)
    for (const content of stage.changes.blobs) this.#blobs.set(toHex(sha256(content)), content)
    this.#tree = stage.tree
    this.#height = stage.height
    this.#stage = null
  }

  prove(key: Uint8Array, height: number) {
    return height === this.#height ? this.#tree.prove(key) : null
  }

  #after({ writes }: StateChanges): Map<string, StateEntry> {
    const entries = new Map(this.entries)
    for (const { key, value } of writes) {
      if (value === null) entries.delete(toHex(key))
      else entries.set(toHex(key), { key, value })
    }
    return entries
  }
}

/** An application at work: applies a block for each call and keeps count of heights. */
export class TestChain {
  readonly state: StateStore
  readonly app: XcareApp
  appHash = new Uint8Array(0)
  timeMs = 1_000_000
  /** The rules of the next block. */
  rules = APP_VERSION
  #height = 0

  constructor(state: StateStore = new MemoryState(), epochBlocksMin = 1) {
    this.state = state
    this.app = new XcareApp(state, CHAIN_ID)
    this.#height = this.app.info().lastBlockHeight
    if (this.#height > 0) return
    const appState = encodeAppState({ governors: [key('governor').publicKey], epochBlocksMin })
    this.app.initChain({ chainId: CHAIN_ID, appState, initialHeight: 1 })
  }

  get height(): number {
    return this.#height
  }

  /** Applies a block of `txs`. @returns what the chain says to each: `ok` or the reason. */
  block(...txs: Uint8Array[]): string[] {
    const height = ++this.#height
    const hash = sha256(utf8(`block ${height}`))
    const { txResults, appHash } = this.app.finalizeBlock({
      ...{ txs, hash, height, timeMs: this.timeMs },
      appVersion: this.rules,
    })
    this.app.commit()
    this.appHash = new Uint8Array(appHash)
    return txResults.map(({ code, log }) => (code === 0 ? 'ok' : log))
  }
}
