import { concat } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import { EMPTY_HASH, HASH_BYTES, stateLeafHash, stateNodeHash } from './proof.ts'

/** Slots of one page: four levels of the tree. */
export const PAGE_SLOTS = 16

const ID_BYTES = 6
const ID_HIGH = 2 ** 32
const LEAF = 1
const CHILD = 2

/** An entry: `record` is where its key and value are kept. */
export interface Leaf {
  readonly hash: Uint8Array
  readonly path: Uint8Array
  readonly valueHash: Uint8Array
  readonly record: number
}

/** A subtree of two or more entries in a page of its own. */
export interface Child {
  readonly hash: Uint8Array
  readonly page: number
}

/** What a slot holds; null is nothing. */
export type Slot = Leaf | Child | null

interface Inner {
  readonly hash: Uint8Array
}

/** A node inside a page: a slot, or the join of two nodes. */
export type PageNode = Leaf | Child | Inner | null

/** @returns whether `node` is a single entry. */
export function isLeaf(node: PageNode): node is Leaf {
  return node !== null && 'path' in node
}

/** Four levels of the tree, never changed once made. Node 1 is the top, nodes 16 to 31 are the slots. */
export class Page {
  readonly #nodes: readonly PageNode[]

  private constructor(nodes: readonly PageNode[]) {
    this.#nodes = nodes
  }

  /** A page without entries. */
  static readonly empty = new Page(new Array<PageNode>(2 * PAGE_SLOTS).fill(null))

  /** Hash of the whole page. */
  get hash(): Uint8Array {
    return this.#nodes[1]?.hash ?? EMPTY_HASH
  }

  /** @returns node `index`. */
  node(index: number): PageNode {
    return this.#nodes[index]!
  }

  /** @returns what slot `index` holds. */
  slot(index: number): Slot {
    return this.#nodes[PAGE_SLOTS + index] as Slot
  }

  /** @returns this page with other content in some slots. Only hashes above them are computed. */
  with(changes: ReadonlyMap<number, Slot>): Page {
    const nodes = this.#nodes.slice()
    const dirty = new Uint8Array(2 * PAGE_SLOTS)
    for (const [index, slot] of changes) {
      nodes[PAGE_SLOTS + index] = slot
      dirty[PAGE_SLOTS + index] = 1
    }
    for (let at = PAGE_SLOTS - 1; at > 0; at--) {
      if (dirty[2 * at] === 0 && dirty[2 * at + 1] === 0) continue
      dirty[at] = 1
      nodes[at] = join(nodes[2 * at]!, nodes[2 * at + 1]!)
    }
    return new Page(nodes)
  }

  /** @returns the stored form. Source: docs/spec/state-tree.md. */
  encode(): Uint8Array {
    const kinds = new Uint8Array(PAGE_SLOTS / 4)
    const parts: Uint8Array[] = [kinds]
    for (let index = 0; index < PAGE_SLOTS; index++) {
      const slot = this.slot(index)
      if (!slot) continue
      kinds[index >> 2]! |= (isLeaf(slot) ? LEAF : CHILD) << (2 * (index & 3))
      if (isLeaf(slot)) parts.push(slot.path, slot.valueHash, encodeId(slot.record))
      else parts.push(slot.hash, encodeId(slot.page))
    }
    return concat(...parts)
  }

  /** @returns the page in `bytes` with `depth` pages above it. Its hash is not checked here. @throws XcareError INTEGRITY */
  static decode(bytes: Uint8Array, depth: number): Page {
    let at = PAGE_SLOTS / 4
    const take = (length: number) => {
      at += length
      return bytes.slice(at - length, at)
    }
    const slots = new Map<number, Slot>()
    for (let index = 0; index < PAGE_SLOTS; index++) {
      const kind = (bytes[index >> 2]! >> (2 * (index & 3))) & 3
      if (kind === LEAF) {
        const path = take(HASH_BYTES)
        const valueHash = take(HASH_BYTES)
        if (nibbleOf(path, depth) !== index) throw damaged()
        slots.set(index, {
          hash: stateLeafHash(path, valueHash),
          path,
          valueHash,
          record: decodeId(take(ID_BYTES)),
        })
      } else if (kind === CHILD) slots.set(index, { hash: take(HASH_BYTES), page: decodeId(take(ID_BYTES)) })
    }
    if (at !== bytes.length) throw damaged()
    return Page.empty.with(slots)
  }
}

/** @returns the four bits of `path` that choose the slot in a page with `depth` pages above it. */
export function nibbleOf(path: Uint8Array, depth: number): number {
  const byte = path[depth >> 1]!
  return depth % 2 === 0 ? byte >> 4 : byte & 15
}

function damaged(): XcareError {
  return new XcareError('INTEGRITY', 'a page of the state tree is damaged')
}

function join(left: PageNode, right: PageNode): PageNode {
  if (!left && !right) return null
  // A subtree with one entry is that entry, at whatever level it stands.
  if (!right && isLeaf(left)) return left
  if (!left && isLeaf(right)) return right
  return { hash: stateNodeHash(left?.hash ?? EMPTY_HASH, right?.hash ?? EMPTY_HASH) }
}

function encodeId(id: number): Uint8Array {
  const out = new Uint8Array(ID_BYTES)
  const view = new DataView(out.buffer)
  view.setUint32(0, id % ID_HIGH, true)
  view.setUint16(4, Math.floor(id / ID_HIGH), true)
  return out
}

function decodeId(bytes: Uint8Array): number {
  if (bytes.length !== ID_BYTES) throw damaged()
  const view = new DataView(bytes.buffer, bytes.byteOffset, ID_BYTES)
  return view.getUint32(0, true) + view.getUint16(4, true) * ID_HIGH
}
