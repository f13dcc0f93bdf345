import { compareBytes, concat, equalBytes } from '../../bytes.ts'
import { sha256 } from '../../crypto/hash.ts'
import { XcareError } from '../../errors.ts'
import { STATE_KEY_BYTES_MAX, STATE_VALUE_BYTES_MAX } from '../../limits.ts'
import { ProtoReader } from '../codec/reader.ts'
import { encodeVarint } from '../codec/varint.ts'
import { EMPTY_HASH } from './proof.ts'

const NO_HASH = 0
const SHA256 = 1
const NO_PREFIX = 0
const VAR_PROTO = 1
const DEPTH_MAX = 256
const OP_BYTES_MAX = 256
const NONE: Uint8Array = new Uint8Array(0)

/** How a leaf is hashed. Numbers are ICS-23's own. */
export interface LeafOp {
  hash: number
  prehashKey: number
  prehashValue: number
  length: number
  prefix: Uint8Array
}

/** How one level up is hashed: the child goes between `prefix` and `suffix`. */
export interface InnerOp {
  hash: number
  prefix: Uint8Array
  suffix: Uint8Array
}

/** Path from a key and value to a root. */
export interface ExistenceProof {
  key: Uint8Array
  value: Uint8Array
  leaf: LeafOp | null
  path: InnerOp[]
}

/** The neighbours of a key that is not there; one of them may be missing at the edge. */
export interface NonExistenceProof {
  key: Uint8Array
  left: ExistenceProof | null
  right: ExistenceProof | null
}

/** One of the two kinds of single-key commitment proofs. */
export type CommitmentProof = { exist: ExistenceProof } | { nonexist: NonExistenceProof }

/** The rules of one kind of binary tree: one prefix byte and two children of 32 bytes in every inner node. */
export interface ProofSpec {
  leaf: LeafOp
  /** Stands for a side without entries; empty when the tree has none such. */
  emptyChild: Uint8Array
  maxDepth: number
  /** Whether keys are ordered by their hash. */
  ordersByHash: boolean
}

const PREFIX_BYTES = 1
const CHILD_BYTES = 32

/** Sparse Merkle tree: the tree of this chain. Source: cosmos/ics23 SmtSpec. */
export const SMT_SPEC: ProofSpec = {
  leaf: {
    hash: SHA256,
    prehashKey: SHA256,
    prehashValue: SHA256,
    length: NO_PREFIX,
    prefix: Uint8Array.of(0),
  },
  emptyChild: EMPTY_HASH,
  maxDepth: DEPTH_MAX,
  ordersByHash: true,
}

/** CometBFT's simple map, the upper level of Cosmos chains. Source: cosmos/ics23 TendermintSpec. */
export const TENDERMINT_SPEC: ProofSpec = {
  leaf: {
    hash: SHA256,
    prehashKey: NO_HASH,
    prehashValue: SHA256,
    length: VAR_PROTO,
    prefix: Uint8Array.of(0),
  },
  emptyChild: NONE,
  maxDepth: 128,
  ordersByHash: false,
}

/**
 * Tells whether `proof`, an encoded CommitmentProof, shows that the tree under `root` holds `value` at `key`, or nothing
 * when `value` is null. Anything that is not exactly such a proof is false, never an error. Stricter than upstream: inner
 * nodes must have exactly one prefix byte and one other child.
 */
export function verifyIcs23(
  spec: ProofSpec,
  root: Uint8Array,
  key: Uint8Array,
  value: Uint8Array | null,
  proof: Uint8Array,
): boolean {
  let decoded: CommitmentProof
  try {
    decoded = decodeCommitmentProof(proof)
  } catch {
    return false
  }
  if ('exist' in decoded) return value !== null && shows(spec, root, key, value, decoded.exist)
  return value === null && showsAbsence(spec, root, key, decoded.nonexist)
}

function shows(
  spec: ProofSpec,
  root: Uint8Array,
  key: Uint8Array,
  value: Uint8Array,
  proof: ExistenceProof,
): boolean {
  if (!equalBytes(proof.key, key) || !equalBytes(proof.value, value)) return false
  if (!proof.leaf || !leafFits(spec.leaf, proof.leaf) || proof.path.length > spec.maxDepth) return false
  if (!proof.path.every((op) => innerFits(spec, op))) return false
  const calculated = existenceRoot(proof)
  return calculated !== null && equalBytes(calculated, root)
}

function showsAbsence(
  spec: ProofSpec,
  root: Uint8Array,
  key: Uint8Array,
  { left, right }: NonExistenceProof,
): boolean {
  if (left && !shows(spec, root, left.key, left.value, left)) return false
  if (right && !shows(spec, root, right.key, right.value, right)) return false
  const place = (each: Uint8Array) => (spec.ordersByHash ? sha256(each) : each)
  if (left && compareBytes(place(left.key), place(key)) >= 0) return false
  if (right && compareBytes(place(key), place(right.key)) >= 0) return false
  if (left && right) return areNeighbours(spec, left.path, right.path)
  if (left) return left.path.every((op) => isRight(op) || hasEmptyRight(spec, op))
  return right?.path.every((op) => isLeft(op) || hasEmptyLeft(spec, op)) ?? false
}

/** @returns whether nothing lies between two paths, given from the leaf up. */
function areNeighbours(spec: ProofSpec, left: readonly InnerOp[], right: readonly InnerOp[]): boolean {
  let below = 1
  const fromTop = (path: readonly InnerOp[]) => path[path.length - below]
  while (fromTop(left) && fromTop(right) && sameOp(fromTop(left)!, fromTop(right)!)) below++
  const [forkLeft, forkRight] = [fromTop(left), fromTop(right)]
  if (!forkLeft || !forkRight || !isLeft(forkLeft) || !isRight(forkRight)) return false
  const leftBelow = left.slice(0, left.length - below)
  const rightBelow = right.slice(0, right.length - below)
  return (
    leftBelow.every((op) => isRight(op) || hasEmptyRight(spec, op)) &&
    rightBelow.every((op) => isLeft(op) || hasEmptyLeft(spec, op))
  )
}

function sameOp(a: InnerOp, b: InnerOp): boolean {
  return equalBytes(a.prefix, b.prefix) && equalBytes(a.suffix, b.suffix)
}

/** @returns whether `op` has the shape of a left child's step: the other child follows. */
function isLeft(op: InnerOp): boolean {
  return op.prefix.length === PREFIX_BYTES && op.suffix.length === CHILD_BYTES
}

function isRight(op: InnerOp): boolean {
  return op.prefix.length === PREFIX_BYTES + CHILD_BYTES && op.suffix.length === 0
}

/** @returns whether `op` is a right child's step whose left side is empty. */
export function hasEmptyLeft(spec: Pick<ProofSpec, 'emptyChild'>, op: InnerOp): boolean {
  return isRight(op) && isEmptySide(spec.emptyChild, op.prefix.subarray(PREFIX_BYTES))
}

/** @returns whether `op` is a left child's step whose right side is empty. */
export function hasEmptyRight(spec: Pick<ProofSpec, 'emptyChild'>, op: InnerOp): boolean {
  return isLeft(op) && isEmptySide(spec.emptyChild, op.suffix)
}

function isEmptySide(emptyChild: Uint8Array, side: Uint8Array): boolean {
  return emptyChild.length === CHILD_BYTES && equalBytes(emptyChild, side)
}

/** @returns whether a proof's leaf is hashed as the spec wants. */
export function leafFits(spec: LeafOp, op: LeafOp): boolean {
  return (
    op.hash === spec.hash &&
    op.prehashKey === spec.prehashKey &&
    op.prehashValue === spec.prehashValue &&
    op.length === spec.length &&
    equalBytes(op.prefix.subarray(0, spec.prefix.length), spec.prefix)
  )
}

function innerFits(spec: ProofSpec, op: InnerOp): boolean {
  // A first byte of its own keeps leaves from being passed off as inner nodes.
  const [tag] = op.prefix
  return op.hash === SHA256 && tag !== spec.leaf.prefix[0] && (isLeft(op) || isRight(op))
}

/** @returns the root that `proof` leads to, or null when it cannot be calculated. */
export function existenceRoot(proof: ExistenceProof): Uint8Array | null {
  let hash = proof.leaf && applyLeaf(proof.leaf, proof.key, proof.value)
  for (const op of proof.path) hash = hash && applyInner(op, hash)
  return hash
}

/** @returns the hash of a leaf, or null for an empty key or value or an operation other than SHA-256. */
export function applyLeaf(op: LeafOp, key: Uint8Array, value: Uint8Array): Uint8Array | null {
  const left = leafData(op.prehashKey, op.length, key)
  const right = leafData(op.prehashValue, op.length, value)
  return left && right && op.hash === SHA256 ? sha256(op.prefix, left, right) : null
}

/** @returns the hash one level up, or null without a child or with an operation other than SHA-256. */
export function applyInner(op: InnerOp, child: Uint8Array): Uint8Array | null {
  return child.length > 0 && op.hash === SHA256 ? sha256(op.prefix, child, op.suffix) : null
}

function leafData(prehash: number, length: number, data: Uint8Array): Uint8Array | null {
  if (data.length === 0 || (prehash !== NO_HASH && prehash !== SHA256)) return null
  const hashed = prehash === SHA256 ? sha256(data) : data
  if (length === NO_PREFIX) return hashed
  return length === VAR_PROTO ? concat(encodeVarint(hashed.length), hashed) : null
}

/** @returns the proof in ics23.CommitmentProof bytes; batches and compressed ones are refused. @throws XcareError MALFORMED */
function decodeCommitmentProof(bytes: Uint8Array): CommitmentProof {
  const reader = new ProtoReader(bytes)
  let proof: CommitmentProof | null = null
  while (reader.next()) {
    if (proof) throw new XcareError('MALFORMED', 'a commitment proof holds two proofs')
    if (reader.field === 1) proof = { exist: decodeExistence(reader.bytes()) }
    else if (reader.field === 2) proof = { nonexist: decodeNonExistence(reader.bytes()) }
    else throw new XcareError('MALFORMED', 'a commitment proof is of an unknown kind')
  }
  if (!proof) throw new XcareError('MALFORMED', 'a commitment proof is empty')
  return proof
}

function decodeExistence(bytes: Uint8Array): ExistenceProof {
  const proof: ExistenceProof = { key: NONE, value: NONE, leaf: null, path: [] }
  const reader = new ProtoReader(bytes)
  while (reader.next()) {
    if (reader.field === 1) proof.key = reader.bytes(STATE_KEY_BYTES_MAX)
    else if (reader.field === 2) proof.value = reader.bytes(STATE_VALUE_BYTES_MAX)
    else if (reader.field === 3) proof.leaf = decodeLeafOp(reader.bytes())
    else if (reader.field === 4) {
      if (proof.path.length === DEPTH_MAX) throw new XcareError('MALFORMED', 'a commitment proof is too deep')
      proof.path.push(decodeInnerOp(reader.bytes()))
    } else reader.skipField()
  }
  return proof
}

function decodeNonExistence(bytes: Uint8Array): NonExistenceProof {
  const proof: NonExistenceProof = { key: NONE, left: null, right: null }
  const reader = new ProtoReader(bytes)
  while (reader.next()) {
    if (reader.field === 1) proof.key = reader.bytes(STATE_KEY_BYTES_MAX)
    else if (reader.field === 2) proof.left = decodeExistence(reader.bytes())
    else if (reader.field === 3) proof.right = decodeExistence(reader.bytes())
    else reader.skipField()
  }
  return proof
}

function decodeLeafOp(bytes: Uint8Array): LeafOp {
  const op: LeafOp = { hash: 0, prehashKey: 0, prehashValue: 0, length: 0, prefix: NONE }
  const reader = new ProtoReader(bytes)
  while (reader.next()) {
    if (reader.field === 1) op.hash = reader.int()
    else if (reader.field === 2) op.prehashKey = reader.int()
    else if (reader.field === 3) op.prehashValue = reader.int()
    else if (reader.field === 4) op.length = reader.int()
    else if (reader.field === 5) op.prefix = reader.bytes(OP_BYTES_MAX)
    else reader.skipField()
  }
  return op
}

function decodeInnerOp(bytes: Uint8Array): InnerOp {
  const op: InnerOp = { hash: 0, prefix: NONE, suffix: NONE }
  const reader = new ProtoReader(bytes)
  while (reader.next()) {
    if (reader.field === 1) op.hash = reader.int()
    else if (reader.field === 2) op.prefix = reader.bytes(OP_BYTES_MAX)
    else if (reader.field === 3) op.suffix = reader.bytes(OP_BYTES_MAX)
    else reader.skipField()
  }
  return op
}
