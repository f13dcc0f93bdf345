import { concat, equalBytes } from '../../bytes.ts'
import { sha256 } from '../../crypto/hash.ts'
import { XcareError } from '../../errors.ts'
import { STATE_PROOF_BYTES_MAX } from '../../limits.ts'

/** Bytes of a path, a hash and a value hash. */
export const HASH_BYTES = 32
/** Hash of a subtree without entries. Source: ICS-23 SmtSpec empty child. */
export const EMPTY_HASH: Uint8Array = new Uint8Array(HASH_BYTES)
/** `type` of the proof operation that carries a native proof in an RPC answer. */
export const STATE_PROOF_TYPE = 'xcare:smt'

const EXISTS = 0
const ABSENT_EMPTY = 1
const ABSENT_OTHER = 2

/** A leaf as a proof shows it. */
export interface ProofLeaf {
  /** SHA-256 of the key. */
  path: Uint8Array
  valueHash: Uint8Array
}

/** What leads from the root to the place of a key. */
export interface StateProof {
  /** Hash of the other side at each level from the root down, null where that side is empty. */
  siblings: (Uint8Array | null)[]
  /** What is found there: the key's own leaf, another leaf that shares its path so far, or nothing. */
  end: 'exists' | 'empty' | ProofLeaf
}

/** @returns the place of `key` in the tree. */
export function pathOf(key: Uint8Array): Uint8Array {
  return sha256(key)
}

/** @returns bit `level` of `path`, counted from the most significant: 0 is left. */
export function bitOf(path: Uint8Array, level: number): number {
  return (path[level >> 3]! >> (7 - (level & 7))) & 1
}

/** @returns the hash of a leaf. Source: docs/spec/state-tree.md; ICS-23 SmtSpec leaf. */
export function stateLeafHash(path: Uint8Array, valueHash: Uint8Array): Uint8Array {
  return tagged(0, path, valueHash)
}

/** @returns the hash of a subtree with two sides. Source: docs/spec/state-tree.md; ICS-23 SmtSpec inner node. */
export function stateNodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return tagged(1, left, right)
}

function tagged(tag: number, left: Uint8Array, right: Uint8Array): Uint8Array {
  const node = new Uint8Array(1 + 2 * HASH_BYTES)
  node[0] = tag
  node.set(left, 1)
  node.set(right, 1 + HASH_BYTES)
  return sha256(node)
}

/** @returns the native form: kind, depth, bitmap of siblings that are not empty, those siblings, other leaf. Source: docs/spec/state-tree.md. */
export function encodeStateProof(proof: StateProof): Uint8Array {
  const depth = proof.siblings.length
  const bitmap = new Uint8Array(Math.ceil(depth / 8))
  for (const [level, sibling] of proof.siblings.entries())
    if (sibling) bitmap[level >> 3]! |= 0x80 >> (level & 7)
  const siblings = proof.siblings.filter((sibling) => sibling !== null)
  const { end } = proof
  if (end === 'exists') return concat(Uint8Array.of(EXISTS, depth), bitmap, ...siblings)
  if (end === 'empty') return concat(Uint8Array.of(ABSENT_EMPTY, depth), bitmap, ...siblings)
  return concat(Uint8Array.of(ABSENT_OTHER, depth), bitmap, ...siblings, end.path, end.valueHash)
}

/** @returns the proof in its native form; each proof has exactly one. @throws XcareError MALFORMED */
export function decodeStateProof(bytes: Uint8Array): StateProof {
  if (bytes.length < 2 || bytes.length > STATE_PROOF_BYTES_MAX) throw malformed('wrong length')
  const [kind, depth] = bytes as unknown as [number, number]
  if (kind > ABSENT_OTHER) throw malformed('unknown kind')
  let at = 2 + Math.ceil(depth / 8)
  const bitmap = bytes.subarray(2, at)
  if (bitmap.length !== at - 2) throw malformed('cut off')
  if (depth % 8 !== 0 && (bitmap[bitmap.length - 1]! & (0xff >> (depth % 8))) !== 0)
    throw malformed('spare bits are set')
  const next = () => {
    const hash = bytes.slice(at, at + HASH_BYTES)
    if (hash.length !== HASH_BYTES) throw malformed('cut off')
    at += HASH_BYTES
    return hash
  }
  const siblings: (Uint8Array | null)[] = []
  for (let level = 0; level < depth; level++) siblings.push(bitOf(bitmap, level) === 1 ? next() : null)
  const other = kind === ABSENT_OTHER ? { path: next(), valueHash: next() } : null
  if (at !== bytes.length) throw malformed('trailing bytes')
  if (siblings.some((sibling) => sibling && equalBytes(sibling, EMPTY_HASH)))
    throw malformed('an empty side is spelled out')
  return { siblings, end: other ?? (kind === EXISTS ? 'exists' : 'empty') }
}

/**
 * Tells whether `proof` shows that the tree under `root` holds `value` at `key`, or nothing when `value` is null.
 * Anything that is not exactly such a proof is false, never an error.
 */
export function verifyStateProof(
  root: Uint8Array,
  key: Uint8Array,
  value: Uint8Array | null,
  proof: Uint8Array,
): boolean {
  let decoded: StateProof
  try {
    decoded = decodeStateProof(proof)
  } catch {
    return false
  }
  const path = pathOf(key)
  const end = endHash(decoded, path, value)
  return end !== null && equalBytes(rootOf(decoded.siblings, path, end), root)
}

/** @returns the hash at the end of the path that the claim calls for, or null when the proof claims something else. */
function endHash(
  { siblings, end }: StateProof,
  path: Uint8Array,
  value: Uint8Array | null,
): Uint8Array | null {
  if (end === 'exists')
    return value === null || value.length === 0 ? null : stateLeafHash(path, sha256(value))
  if (value !== null) return null
  if (end === 'empty') return EMPTY_HASH
  if (equalBytes(end.path, path)) return null
  for (let level = 0; level < siblings.length; level++)
    if (bitOf(end.path, level) !== bitOf(path, level)) return null
  return stateLeafHash(end.path, end.valueHash)
}

function rootOf(siblings: readonly (Uint8Array | null)[], path: Uint8Array, end: Uint8Array): Uint8Array {
  let hash = end
  for (let level = siblings.length - 1; level >= 0; level--) {
    const sibling = siblings[level] ?? EMPTY_HASH
    hash = bitOf(path, level) === 0 ? stateNodeHash(hash, sibling) : stateNodeHash(sibling, hash)
  }
  return hash
}

function malformed(why: string): XcareError {
  return new XcareError('MALFORMED', `not a state proof: ${why}`)
}
