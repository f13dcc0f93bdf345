import { concat, equalBytes } from '../bytes.ts'
import { LEAF_BYTES } from '../limits.ts'
import { chunkValue, parentValue } from './primitive/blake3.ts'

const VALUE_BYTES = 32

/** @returns leaves of an input of `totalBytes`; the empty input has one empty leaf. */
function leafCount(totalBytes: number): number {
  return Math.max(1, Math.ceil(totalBytes / LEAF_BYTES))
}

/** @returns leaves of the left child of a node over `count` > 1 leaves: the largest power of two below `count`. */
function leftCount(count: number): number {
  let left = 1
  while (left * 2 < count) left *= 2
  return left
}

/** Value of the node over `count` leaves from leaf `at` on; `bytes` starts at leaf `base`. */
function nodeValue(bytes: Uint8Array, base: number, at: number, count: number, isRoot: boolean): Uint8Array {
  if (count === 1) {
    const from = (at - base) * LEAF_BYTES
    return chunkValue(bytes.subarray(from, from + LEAF_BYTES), at, isRoot)
  }
  const left = leftCount(count)
  const leftValue = nodeValue(bytes, base, at, left, false)
  return parentValue(leftValue, nodeValue(bytes, base, at + left, count - left, false), isRoot)
}

/** @returns BLAKE3 of `data` from this tree, 32 bytes: same as `blake3`, slower than native. */
export function blake3FromTree(data: Uint8Array): Uint8Array {
  return nodeValue(data, 0, 0, leafCount(data.length), true)
}

/**
 * Proves a run of leaves of BLAKE3's own tree over `data` (1 KiB chunks).
 * @param first index of the first leaf. @param count leaves in the run, at least 1.
 * @returns the values of the subtrees beside the run, 32 bytes each, in the order of a walk from the root, left before right.
 * @throws RangeError when there are no such leaves. Spec: docs/spec/hash-tree.md.
 */
export function leafProof(data: Uint8Array, first: number, count: number): Uint8Array {
  const leaves = leafCount(data.length)
  if (!isRun(leaves, first, count)) throw new RangeError(`no leaves ${first} to ${first + count - 1}`)
  const values: Uint8Array[] = []
  function walk(at: number, size: number): void {
    if (at >= first + count || at + size <= first) values.push(nodeValue(data, 0, at, size, false))
    else if (at < first || at + size > first + count) {
      const left = leftCount(size)
      walk(at, left)
      walk(at + left, size - left)
    }
  }
  walk(0, leaves)
  return concat(...values)
}

/**
 * Checks a run of leaves against the hash of the whole. `totalBytes` must come from a trusted source (the layout in a manifest):
 * the hash binds every byte and its position, and the total only when the run holds the last leaf.
 * @param leavesBytes the leaves of the run joined; their length tells the count. @returns false for anything that does not fit.
 */
export function verifyLeaves(
  rootHash: Uint8Array,
  totalBytes: number,
  first: number,
  leavesBytes: Uint8Array,
  proof: Uint8Array,
): boolean {
  if (!Number.isSafeInteger(totalBytes) || totalBytes < 0) return false
  const leaves = leafCount(totalBytes)
  const count = leafCount(leavesBytes.length)
  if (!isRun(leaves, first, count)) return false
  const end = Math.min((first + count) * LEAF_BYTES, totalBytes)
  if (leavesBytes.length !== end - first * LEAF_BYTES) return false
  let used = 0
  function walk(at: number, size: number, isRoot: boolean): Uint8Array {
    if (at >= first + count || at + size <= first) {
      used += VALUE_BYTES
      return proof.subarray(used - VALUE_BYTES, used)
    }
    if (at >= first && at + size <= first + count) return nodeValue(leavesBytes, first, at, size, isRoot)
    const left = leftCount(size)
    const leftValue = walk(at, left, false)
    return parentValue(leftValue, walk(at + left, size - left, false), isRoot)
  }
  const root = walk(0, leaves, true)
  return used === proof.length && equalBytes(root, rootHash)
}

function isRun(leaves: number, first: number, count: number): boolean {
  return (
    Number.isSafeInteger(first) &&
    Number.isSafeInteger(count) &&
    first >= 0 &&
    count >= 1 &&
    first + count <= leaves
  )
}
