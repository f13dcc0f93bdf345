import { sha256 } from '../../crypto/hash.ts'
import type { Format } from '../../schema.ts'

/** The state as the rules see it. */
export interface StateView {
  /** Value of `key`, or null. */
  get(key: Uint8Array): Uint8Array | null
  /** Entries whose key starts with `prefix`, sorted by key; only for the prefixes of LISTED_PREFIXES. */
  list(prefix: string): StateEntry[]
  /** Public bytes whose SHA-256 is `hash`, or null. */
  blob(hash: Uint8Array): Uint8Array | null
}

/** A key and its value. */
export interface StateEntry {
  key: Uint8Array
  value: Uint8Array
}

/** Prefixes whose entries can be listed: the registries that epochs are made from. */
export const LISTED_PREFIXES = ['inst/', 'node/', 'guardian/'] as const

/** One change of the state; `value` null removes. */
export interface StateWrite {
  key: Uint8Array
  value: Uint8Array | null
}

/** All that a block changes. `writes` are sorted by key, each key once. */
export interface StateChanges {
  writes: StateWrite[]
  blobs: Uint8Array[]
}

/** Keeps the committed state and its versions. */
export interface StateStore extends StateView {
  /** Newest durable version; height 0 and the hash of the empty tree before the first. */
  head(): { height: number; appHash: Uint8Array }
  /** Computes the app hash after `changes` to the newest durable version. Forgets an earlier stage. Nothing is durable. */
  stage(height: number, changes: StateChanges): Uint8Array
  /** Makes the stage durable in one step. */
  commit(): void
  /** Value and native proof of `key` as of `height`; null when that version is not kept. */
  prove(key: Uint8Array, height: number): { value: Uint8Array | null; proof: Uint8Array } | null
}

/** Changes on top of a state that stays as it is. Overlays can be stacked. */
export class StateOverlay implements StateView {
  readonly #base: StateView
  readonly #writes = new Map<string, Uint8Array | null>()
  readonly #blobs = new Map<string, Uint8Array>()

  constructor(base: StateView) {
    this.#base = base
  }

  /** Value of `key`, own changes first. */
  get(key: Uint8Array): Uint8Array | null {
    const own = this.#writes.get(nameOf(key))
    return own === undefined ? this.#base.get(key) : own
  }

  /** Entries below `prefix`, own changes first, sorted. */
  list(prefix: string): StateEntry[] {
    const merged = new Map<string, StateEntry>()
    for (const entry of this.#base.list(prefix)) merged.set(nameOf(entry.key), entry)
    for (const [name, value] of this.#writes) {
      if (!name.startsWith(prefix)) continue
      if (value === null) merged.delete(name)
      else merged.set(name, { key: bytesOf(name), value })
    }
    return [...merged].sort(byName).map(([, entry]) => entry)
  }

  /** Public bytes, own first. */
  blob(hash: Uint8Array): Uint8Array | null {
    return this.#blobs.get(nameOf(hash)) ?? this.#base.blob(hash)
  }

  /** Sets `key`; values are never empty. */
  set(key: Uint8Array, value: Uint8Array): void {
    this.#writes.set(nameOf(key), value)
  }

  /** Removes `key`. */
  remove(key: Uint8Array): void {
    this.#writes.set(nameOf(key), null)
  }

  /** Keeps public bytes. @returns their SHA-256. */
  putBlob(content: Uint8Array): Uint8Array {
    const hash = sha256(content)
    this.#blobs.set(nameOf(hash), content)
    return hash
  }

  /** Whether a key below one of `prefixes` is changed here. */
  touches(prefixes: readonly string[]): boolean {
    for (const name of this.#writes.keys())
      if (prefixes.some((prefix) => name.startsWith(prefix))) return true
    return false
  }

  /** Takes over everything that `above`, an overlay on this one, changed. */
  absorb(above: StateOverlay): void {
    for (const [name, value] of above.#writes) this.#writes.set(name, value)
    for (const [name, content] of above.#blobs) this.#blobs.set(name, content)
  }

  /** Makes `changes`, which another overlay returned, here as well. */
  apply({ writes, blobs }: StateChanges): void {
    for (const { key, value } of writes) this.#writes.set(nameOf(key), value)
    for (const content of blobs) this.putBlob(content)
  }

  /** @returns the changes made here, sorted. */
  changes(): StateChanges {
    const writes = [...this.#writes].sort(byName).map(([name, value]) => ({ key: bytesOf(name), value }))
    const blobs = [...this.#blobs].sort(byName).map(([, content]) => content)
    return { writes, blobs }
  }
}

/** @returns the value of `key` read by its codec, or null. */
export function load<T>(state: StateView, key: Uint8Array, codec: Format<T>): T | null {
  const bytes = state.get(key)
  return bytes === null ? null : codec.decode(bytes)
}

/** Writes `value` at `key` by its codec. */
export function save<T>(state: StateOverlay, key: Uint8Array, codec: Format<T>, value: T): void {
  state.set(key, codec.encode(value))
}

// One UTF-16 unit per byte: such names sort exactly as the bytes do.
function nameOf(bytes: Uint8Array): string {
  let name = ''
  for (const byte of bytes) name += String.fromCharCode(byte)
  return name
}

function bytesOf(name: string): Uint8Array {
  return Uint8Array.from(name, (unit) => unit.charCodeAt(0))
}

function byName(a: [string, unknown], b: [string, unknown]): number {
  return a[0] < b[0] ? -1 : 1
}
