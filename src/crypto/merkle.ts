import { native } from '#native'
import { equalBytes } from '../bytes.ts'

const HASH_BYTES = 32
const LEAF_PREFIX = Uint8Array.of(0)
const NODE_PREFIX = Uint8Array.of(1)

/** @returns the hash of one leaf: SHA-256 of a zero byte and `leaf`. RFC 6962 section 2.1. */
export function leafHash(leaf: Uint8Array): Uint8Array {
  return native.sha256([LEAF_PREFIX, leaf])
}

/** @returns the hash of an inner node: SHA-256 of a one byte and both children. RFC 6962 section 2.1. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return native.sha256([NODE_PREFIX, left, right])
}

/** @returns the next level up; a last node without a sibling moves up as it is, which is RFC 6962's split at a power of two. */
function levelAbove(level: Uint8Array[]): Uint8Array[] {
  const above: Uint8Array[] = []
  for (let at = 0; at + 1 < level.length; at += 2) above.push(nodeHash(level[at]!, level[at + 1]!))
  if (level.length % 2 === 1) above.push(level[level.length - 1]!)
  return above
}

/** @param leaves leaf data in order. @returns the 32-byte root; of no leaves: SHA-256 of nothing. RFC 6962 section 2.1. */
export function merkleRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return native.sha256([])
  let level = leaves.map(leafHash)
  while (level.length > 1) level = levelAbove(level)
  return level[0]!
}

/** @returns the audit path of leaf `index`, lowest sibling first. RFC 6962 section 2.1.1. @throws RangeError when there is no such leaf. */
export function merkleProof(leaves: readonly Uint8Array[], index: number): Uint8Array[] {
  if (!Number.isSafeInteger(index) || index < 0 || index >= leaves.length)
    throw new RangeError(`no leaf ${index}`)
  const proof: Uint8Array[] = []
  let level = leaves.map(leafHash)
  for (let at = index; level.length > 1; at = Math.floor(at / 2)) {
    const sibling = level[at % 2 === 0 ? at + 1 : at - 1]
    if (sibling) proof.push(sibling)
    level = levelAbove(level)
  }
  return proof
}

/** @returns whether `leaf` is leaf `index` of the `size` leaves under `root`. A proof of another length is false, never an error. */
export function verifyMerkleProof(
  root: Uint8Array,
  leaf: Uint8Array,
  index: number,
  size: number,
  proof: readonly Uint8Array[],
): boolean {
  return verifyLeafHash(root, leafHash(leaf), index, size, proof)
}

/** As verifyMerkleProof, for a caller that has the leaf's hash and not its data. */
export function verifyLeafHash(
  root: Uint8Array,
  hash: Uint8Array,
  index: number,
  size: number,
  proof: readonly Uint8Array[],
): boolean {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return false
  if (root.length !== HASH_BYTES || hash.length !== HASH_BYTES) return false
  let at = index
  let last = size - 1
  let used = 0
  let node = hash
  for (; last > 0; at = Math.floor(at / 2), last = Math.floor(last / 2)) {
    if (at === last && at % 2 === 0) continue
    const sibling = proof[used++]
    if (sibling?.length !== HASH_BYTES) return false
    node = at % 2 === 0 ? nodeHash(node, sibling) : nodeHash(sibling, node)
  }
  return used === proof.length && equalBytes(node, root)
}
