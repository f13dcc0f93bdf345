import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../src/bytes.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import {
  leafHash,
  merkleProof,
  merkleRoot,
  nodeHash,
  verifyLeafHash,
  verifyMerkleProof,
} from '../../src/crypto/merkle.ts'
import { shared } from '../shared-data.ts'
import frozen from '../vectors/hash-tree.json' with { type: 'json' }

const leavesOf = (count: number) => Array.from({ length: count }, (_, at) => new Uint8Array(at).fill(at))

/** The root written down as RFC 6962 section 2.1 says it, for comparison. */
function rootBySpec(leaves: Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return sha256()
  if (leaves.length === 1) return leafHash(leaves[0]!)
  let split = 1
  while (split * 2 < leaves.length) split *= 2
  return nodeHash(rootBySpec(leaves.slice(0, split)), rootBySpec(leaves.slice(split)))
}

describe('frozen Merkle vectors', () => {
  it.each(frozen.merkle)('$count leaves', ({ count, root, proofs }) => {
    const leaves = leavesOf(count)
    expect(toHex(merkleRoot(leaves))).toBe(root)
    for (const { index, proof } of proofs) expect(merkleProof(leaves, index).map(toHex)).toEqual(proof)
  })
})

describe('the Merkle tree', () => {
  it('has the root of RFC 6962 for every size', () => {
    for (let count = 0; count <= 70; count++) {
      expect(toHex(merkleRoot(leavesOf(count)))).toBe(toHex(rootBySpec(leavesOf(count))))
    }
  })

  it('proves every leaf of every size, and only that leaf at that place', () => {
    for (let count = 1; count <= 33; count++) {
      const leaves = leavesOf(count)
      const root = merkleRoot(leaves)
      for (let index = 0; index < count; index++) {
        const proof = merkleProof(leaves, index)
        expect(verifyMerkleProof(root, leaves[index]!, index, count, proof)).toBe(true)
        for (let other = 0; other < count; other++) {
          if (other !== index)
            expect(verifyMerkleProof(root, leaves[index]!, other, count, proof)).toBe(false)
        }
        expect(verifyMerkleProof(root, leaves[index]!, index, count, [...proof, root])).toBe(false)
        if (proof.length > 0)
          expect(verifyMerkleProof(root, leaves[index]!, index, count, proof.slice(1))).toBe(false)
      }
    }
  })

  it('refuses any changed byte and any other shape', () => {
    const leaves = leavesOf(11)
    const root = merkleRoot(leaves)
    const proof = merkleProof(leaves, 6)
    const leaf = leaves[6]!
    proof.forEach((_, at) => {
      for (let byte = 0; byte < 32; byte++) {
        const wrong = proof.map((hash) => hash.slice())
        wrong[at]![byte]! ^= 1
        expect(verifyMerkleProof(root, leaf, 6, 11, wrong)).toBe(false)
      }
      const short = proof.map((hash, other) => (other === at ? hash.subarray(1) : hash))
      expect(verifyMerkleProof(root, leaf, 6, 11, short)).toBe(false)
    })
    expect(verifyMerkleProof(root, new Uint8Array(0), 6, 11, proof)).toBe(false)
    expect(verifyMerkleProof(root.subarray(1), leaf, 6, 11, proof)).toBe(false)
    for (const [index, size] of [
      [6, 6],
      [-1, 11],
      [6.5, 11],
      [6, 2 ** 53],
      [Number.NaN, 11],
      [6, Number.POSITIVE_INFINITY],
      [6, 0],
    ] as const)
      expect(verifyMerkleProof(root, leaf, index, size, proof)).toBe(false)
    expect(() => merkleProof(leaves, 11)).toThrow(RangeError)
    expect(() => merkleProof([], 0)).toThrow(RangeError)
  })

  it('keeps leaves and inner nodes apart', () => {
    const [a, b] = [sha256(fromHex('01')), sha256(fromHex('02'))]
    const inner = new Uint8Array([...leafHash(a), ...leafHash(b)])
    expect(toHex(merkleRoot([inner]))).not.toBe(toHex(merkleRoot([a, b])))
  })
})

const inclusion = shared('vectors/merkle-rfc6962/inclusion')
describe.skipIf(inclusion === null)('external RFC 6962 vectors (needs ../shared/vectors)', () => {
  interface InclusionCase {
    root: string | null
    leafHash: string | null
    proof: string[] | null
    desc: string
    wantErr: boolean
  }
  const bytes = (base64: string | null) => new Uint8Array(Buffer.from(base64 ?? '', 'base64'))

  it('inclusion proofs: every good one accepted, every mutated one refused', () => {
    const verdicts = { good: 0, bad: 0 }
    for (const name of readdirSync(inclusion!, { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.json')) continue
      const source = readFileSync(join(inclusion!, name), 'utf8')
      const test: InclusionCase = JSON.parse(source)
      // Some mutated indices are beyond 2^53: as a double they would be another number, so they are read from the text.
      const [index, size] = ['leafIdx', 'treeSize'].map((field) => {
        const exact = BigInt(new RegExp(`"${field}": (\\d+)`).exec(source)![1]!)
        return exact <= Number.MAX_SAFE_INTEGER ? Number(exact) : Number.NaN
      })
      const proof = (test.proof ?? []).map(bytes)
      expect(verifyLeafHash(bytes(test.root), bytes(test.leafHash), index!, size!, proof), name).toBe(
        !test.wantErr,
      )
      verdicts[test.wantErr ? 'bad' : 'good']++
    }
    expect(verdicts.good).toBeGreaterThan(3)
    expect(verdicts.bad).toBeGreaterThan(50)
  })
})
