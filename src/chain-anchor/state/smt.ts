import { assert } from '../../assert.ts'
import { compareBytes, concat, equalBytes, toHex } from '../../bytes.ts'
import { sha256 } from '../../crypto/hash.ts'
import { XcareError } from '../../errors.ts'
import { STATE_KEY_BYTES_MAX, STATE_VALUE_BYTES_MAX } from '../../limits.ts'
import { type Child, isLeaf, type Leaf, nibbleOf, PAGE_SLOTS, Page, type Slot } from './_page.ts'
import { EMPTY_HASH, encodeStateProof, pathOf, type StateProof, stateLeafHash } from './proof.ts'

const PAGES_CACHED = 4096
const KEY_LENGTH_BYTES = 2

/** Keeps the records of trees: pages and entries alike. Records are never changed; a new version appends. */
export interface PageStore {
  /** Bytes of record `id`. @throws XcareError INTEGRITY when there is none. */
  read(id: number): Uint8Array
  /** Keeps `record`. @returns its id, from 1 up, never given twice while the process runs, not even when what was appended is dropped. */
  append(record: Uint8Array): number
  /** Says that the newest tree no longer uses record `id`; older trees may. */
  retire(id: number): void
}

/** Names one version of a tree: the record of its top page (0 for a tree without entries) and its root hash, the app hash. */
export interface TreeRoot {
  page: number
  hash: Uint8Array
}

/** Root of a tree without entries. */
export const EMPTY_ROOT: TreeRoot = Object.freeze({ page: 0, hash: EMPTY_HASH })

/** A value, or null when the key has none, with the native proof of either. */
export interface Proven {
  value: Uint8Array | null
  proof: Uint8Array
}

interface Change {
  path: Uint8Array
  /** The new entry; null removes. */
  leaf: Leaf | null
}

/**
 * One version of the sparse Merkle tree: binary, SHA-256, hashed as ICS-23 SmtSpec, kept in copy-on-write pages of 16 slots.
 * Never changes; `update` returns the next version. Spec: docs/spec/state-tree.md.
 */
export class StateTree {
  readonly root: TreeRoot
  readonly #store: PageStore
  readonly #cache: Map<number, Page>

  /** @param root the version to open; EMPTY_ROOT starts anew. */
  constructor(store: PageStore, root: TreeRoot = EMPTY_ROOT, cache = new Map<number, Page>()) {
    this.root = root
    this.#store = store
    this.#cache = cache
  }

  /** @returns the value of `key`, or null. @throws XcareError INTEGRITY when the store is damaged. */
  get(key: Uint8Array): Uint8Array | null {
    const leaf = this.#find(pathOf(key))
    return leaf ? this.#readEntry(leaf).value : null
  }

  /**
   * @param entries keys with their new values; null removes. Values are not empty. The last of two equal keys wins.
   * @returns the next version. Appends what is new to the store and retires what it replaces.
   */
  update(entries: Iterable<readonly [key: Uint8Array, value: Uint8Array | null]>): StateTree {
    const changes = this.#changes(entries)
    if (changes.length === 0) return this
    const page = this.#updatePage(this.#top(), 0, changes)
    if (this.root.page !== 0) this.#retirePage(this.root.page)
    const root = page.node(1) ? { page: this.#appendPage(page), hash: page.hash } : EMPTY_ROOT
    return new StateTree(this.#store, root, this.#cache)
  }

  /** @returns the value of `key`, or null, and the proof of it against `root.hash`. */
  prove(key: Uint8Array): Proven {
    const path = pathOf(key)
    const siblings: (Uint8Array | null)[] = []
    let at = this.#top()
    for (let depth = 0; ; depth++) {
      let index = 1
      let node = at.node(1)
      for (let bit = 3; bit >= 0 && node && !isLeaf(node); bit--) {
        index = 2 * index + ((nibbleOf(path, depth) >> bit) & 1)
        siblings.push(at.node(index ^ 1)?.hash ?? null)
        node = at.node(index)
      }
      if (!node) return proven(null, { siblings, end: 'empty' })
      if (!isLeaf(node)) at = this.#page(node as Child, depth + 1)
      else if (!equalBytes(node.path, path)) return proven(null, { siblings, end: node })
      else return proven(this.#readEntry(node).value, { siblings, end: 'exists' })
    }
  }

  /** All entries in the order of their paths. */
  *entries(): Generator<{ key: Uint8Array; value: Uint8Array }> {
    yield* this.#entriesOf(this.#top(), 0)
  }

  *#entriesOf(page: Page, depth: number): Generator<{ key: Uint8Array; value: Uint8Array }> {
    for (let index = 0; index < PAGE_SLOTS; index++) {
      const slot = page.slot(index)
      if (isLeaf(slot)) yield this.#readEntry(slot)
      else if (slot) yield* this.#entriesOf(this.#page(slot, depth + 1), depth + 1)
    }
  }

  #find(path: Uint8Array): Leaf | null {
    let page = this.#top()
    for (let depth = 0; ; depth++) {
      const slot = page.slot(nibbleOf(path, depth))
      if (!slot) return null
      if (isLeaf(slot)) return equalBytes(slot.path, path) ? slot : null
      page = this.#page(slot, depth + 1)
    }
  }

  // What really changes, sorted by path: entries that keep their value and removals of nothing are left out.
  #changes(entries: Iterable<readonly [Uint8Array, Uint8Array | null]>): Change[] {
    const wanted = new Map<string, { key: Uint8Array; value: Uint8Array | null }>()
    for (const [key, value] of entries) {
      assert(key.length <= STATE_KEY_BYTES_MAX, 'a state key is short')
      assert(
        value === null || (value.length > 0 && value.length <= STATE_VALUE_BYTES_MAX),
        'a state value has a size',
      )
      wanted.set(toHex(pathOf(key)), { key, value })
    }
    const changes: Change[] = []
    for (const { key, value } of wanted.values()) {
      const path = pathOf(key)
      const before = this.#find(path)
      if (value === null) {
        if (before) changes.push({ path, leaf: null })
        continue
      }
      const valueHash = sha256(value)
      if (before && equalBytes(before.valueHash, valueHash)) continue
      const record = this.#store.append(encodeEntry(key, value))
      changes.push({ path, leaf: { hash: stateLeafHash(path, valueHash), path, valueHash, record } })
    }
    return changes.sort(byPath)
  }

  // `changes` are sorted by path and all belong below `page`, whose top stands at nibble `depth`.
  #updatePage(page: Page, depth: number, changes: readonly Change[]): Page {
    const slots = new Map<number, Slot>()
    for (let from = 0, to = 0; from < changes.length; from = to) {
      const nibble = nibbleOf(changes[from]!.path, depth)
      while (to < changes.length && nibbleOf(changes[to]!.path, depth) === nibble) to++
      slots.set(nibble, this.#updateSlot(page.slot(nibble), depth + 1, changes.slice(from, to)))
    }
    return page.with(slots)
  }

  #updateSlot(slot: Slot, depth: number, changes: readonly Change[]): Slot {
    if (slot && !isLeaf(slot)) {
      const page = this.#page(slot, depth)
      this.#retirePage(slot.page)
      return this.#slotFor(this.#updatePage(page, depth, changes))
    }
    const stays = changes.filter(({ leaf }) => leaf !== null)
    if (slot && changes.some(({ path }) => equalBytes(path, slot.path))) this.#store.retire(slot.record)
    else if (slot) stays.push({ path: slot.path, leaf: slot })
    if (stays.length < 2) return stays[0]?.leaf ?? null
    return this.#slotFor(this.#updatePage(Page.empty, depth, stays.sort(byPath)))
  }

  // A page left with one entry gives it up to the slot above, so that the shape depends on the entries alone.
  #slotFor(page: Page): Slot {
    const top = page.node(1)
    if (!top || isLeaf(top)) return top
    return { hash: top.hash, page: this.#appendPage(page) }
  }

  #top(): Page {
    return this.root.page === 0 ? Page.empty : this.#page(this.root, 0)
  }

  #page({ page: id, hash }: Child | TreeRoot, depth: number): Page {
    const page = this.#cache.get(id) ?? Page.decode(this.#store.read(id), depth)
    if (!equalBytes(page.hash, hash)) throw new XcareError('INTEGRITY', 'a page of the state tree is damaged')
    this.#remember(id, page)
    return page
  }

  #appendPage(page: Page): number {
    const id = this.#store.append(page.encode())
    this.#remember(id, page)
    return id
  }

  #retirePage(id: number): void {
    this.#store.retire(id)
    this.#cache.delete(id)
  }

  #remember(id: number, page: Page): void {
    this.#cache.delete(id)
    this.#cache.set(id, page)
    if (this.#cache.size <= PAGES_CACHED) return
    for (const oldest of this.#cache.keys()) {
      this.#cache.delete(oldest)
      break
    }
  }

  #readEntry(leaf: Leaf): { key: Uint8Array; value: Uint8Array } {
    const entry = decodeEntry(this.#store.read(leaf.record))
    if (!equalBytes(pathOf(entry.key), leaf.path) || !equalBytes(sha256(entry.value), leaf.valueHash))
      throw new XcareError('INTEGRITY', 'an entry of the state tree is damaged')
    return entry
  }
}

function proven(value: Uint8Array | null, proof: StateProof): Proven {
  return { value, proof: encodeStateProof(proof) }
}

function byPath(a: Change, b: Change): number {
  return compareBytes(a.path, b.path)
}

function encodeEntry(key: Uint8Array, value: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(key.length >> 8, key.length & 0xff), key, value)
}

function decodeEntry(record: Uint8Array): { key: Uint8Array; value: Uint8Array } {
  const end = KEY_LENGTH_BYTES + record[0]! * 256 + record[1]!
  return { key: record.slice(KEY_LENGTH_BYTES, end), value: record.slice(end) }
}
