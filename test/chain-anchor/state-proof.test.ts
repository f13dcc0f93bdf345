import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, fromHex, toHex, utf8 } from '../../src/bytes.ts'
import { ProtoWriter } from '../../src/chain-anchor/codec/writer.ts'
import {
  applyInner,
  applyLeaf,
  existenceRoot,
  hasEmptyLeft,
  hasEmptyRight,
  type InnerOp,
  type LeafOp,
  leafFits,
  SMT_SPEC,
  TENDERMINT_SPEC,
  verifyIcs23,
} from '../../src/chain-anchor/state/ics23.ts'
import {
  bitOf,
  decodeStateProof,
  EMPTY_HASH,
  encodeStateProof,
  pathOf,
  verifyStateProof,
} from '../../src/chain-anchor/state/proof.ts'
import { StateTree } from '../../src/chain-anchor/state/smt.ts'
import { XcareError } from '../../src/errors.ts'
import { shared } from '../shared-data.ts'
import { MemoryPages } from './memory-pages.ts'

// biome-ignore lint/suspicious/noExplicitAny: external JSON of several shapes
type Json = any
const dir = shared('vectors/chain/ics23')
const load = (name: string): Json => JSON.parse(readFileSync(`${dir}/${name}.json`, 'utf8'))
const base64 = (text: string | null | undefined) => new Uint8Array(Buffer.from(text ?? '', 'base64'))
const leafOp = (json: Json): LeafOp => ({
  hash: json.hash ?? 0,
  prehashKey: json.prehash_key ?? 0,
  prehashValue: json.prehash_value ?? 0,
  length: json.length ?? 0,
  prefix: base64(json.prefix),
})
const innerOp = (json: Json): InnerOp => ({
  hash: json.hash ?? 0,
  prefix: base64(json.prefix),
  suffix: base64(json.suffix),
})

const KEYS = Array.from({ length: 50 }, (_, at) => utf8(`key ${at}`))
const tree = new StateTree(new MemoryPages()).update(
  KEYS.map((key, at) => [key, utf8(`value ${at}`)] as const),
)
const ROOT = tree.root.hash
const ABSENT = Array.from({ length: 50 }, (_, at) => utf8(`absent ${at}`))

describe('native proofs', () => {
  it('reject every single-bit change, every cut and every extension', () => {
    for (const key of [KEYS[0]!, KEYS[7]!, ABSENT[0]!, ABSENT[1]!, ABSENT[2]!]) {
      const { value, proof } = tree.prove(key)
      expect(verifyStateProof(ROOT, key, value, proof)).toBe(true)
      for (let bit = 0; bit < proof.length * 8; bit++) {
        const changed = proof.slice()
        changed[bit >> 3]! ^= 1 << (bit & 7)
        expect(verifyStateProof(ROOT, key, value, changed)).toBe(false)
      }
      for (let length = 0; length < proof.length; length++)
        expect(verifyStateProof(ROOT, key, value, proof.slice(0, length))).toBe(false)
      expect(verifyStateProof(ROOT, key, value, concat(proof, Uint8Array.of(0)))).toBe(false)
    }
  })

  it('reject the claim that a present key is absent, by whatever proof of the tree', () => {
    const proofs = [...KEYS, ...ABSENT].map((key) => tree.prove(key).proof)
    for (const key of KEYS)
      for (const proof of proofs) expect(verifyStateProof(ROOT, key, null, proof)).toBe(false)
  })

  it('reject absence built from the proof of the key itself', () => {
    for (const key of KEYS) {
      const { siblings } = decodeStateProof(tree.prove(key).proof)
      const shorter = siblings.slice(0, -1)
      expect(verifyStateProof(ROOT, key, null, encodeStateProof({ siblings, end: 'empty' }))).toBe(false)
      expect(verifyStateProof(ROOT, key, null, encodeStateProof({ siblings: shorter, end: 'empty' }))).toBe(
        false,
      )
    }
  })

  it('reject another value, an empty value, another key and another root', () => {
    const { value, proof } = tree.prove(KEYS[3]!)
    expect(verifyStateProof(ROOT, KEYS[3]!, utf8('value 4'), proof)).toBe(false)
    expect(verifyStateProof(ROOT, KEYS[3]!, new Uint8Array(0), proof)).toBe(false)
    expect(verifyStateProof(ROOT, KEYS[4]!, value, proof)).toBe(false)
    expect(verifyStateProof(EMPTY_HASH, KEYS[3]!, value, proof)).toBe(false)
  })

  it('an empty tree proves absence and nothing else', () => {
    const empty = new StateTree(new MemoryPages())
    const { proof } = empty.prove(KEYS[0]!)
    expect(toHex(proof)).toBe('0100')
    expect(verifyStateProof(EMPTY_HASH, KEYS[0]!, null, proof)).toBe(true)
    expect(verifyStateProof(ROOT, KEYS[0]!, null, proof)).toBe(false)
  })

  it('have one form: what decodes encodes to the same bytes, the rest is malformed', () => {
    const around = fc.constantFrom(...[...KEYS, ...ABSENT].map((key) => tree.prove(key).proof))
    const noisy = around.chain((proof) =>
      fc.tuple(fc.nat(proof.length - 1), fc.nat(255)).map(([at, byte]) => proof.with(at, byte)),
    )
    fc.assert(
      fc.property(fc.oneof(noisy, fc.uint8Array({ maxLength: 300 })), (bytes) => {
        try {
          expect(encodeStateProof(decodeStateProof(bytes))).toEqual(new Uint8Array(bytes))
        } catch (error) {
          expect(error).toBeInstanceOf(XcareError)
        }
      }),
      { numRuns: 2000 },
    )
  })
})

interface Claim {
  why?: string
  root: string
  key: string
  value: string | null
  proof: string
}

describe('frozen proofs', () => {
  const file = `${import.meta.dirname}/../vectors/state-proof.json`
  const frozen: {
    entries: { key: string; value: string }[]
    root: string
    valid: Claim[]
    invalid: Claim[]
  } = JSON.parse(readFileSync(file, 'utf8'))
  const holds = ({ root, key, value, proof }: Claim) =>
    verifyStateProof(fromHex(root), fromHex(key), value === null ? null : fromHex(value), fromHex(proof))

  it('come out of the tree as they were', () => {
    const entries = frozen.entries.map(({ key, value }) => [fromHex(key), fromHex(value)] as const)
    const grown = new StateTree(new MemoryPages()).update(entries)
    expect(toHex(grown.root.hash)).toBe(frozen.root)
    for (const claim of frozen.valid.filter(({ root }) => root === frozen.root))
      expect(toHex(grown.prove(fromHex(claim.key)).proof)).toBe(claim.proof)
  })

  it('hold', () => {
    expect(frozen.valid.every(holds)).toBe(true)
  })

  it.each(frozen.invalid)('do not hold for $why', (claim) => {
    expect(holds(claim)).toBe(false)
  })
})

/** The same proof in ICS-23 form, to show that our tree is the tree of SmtSpec. */
function ics23Existence(key: Uint8Array): Uint8Array {
  const { value, proof } = tree.prove(key)
  const { siblings } = decodeStateProof(proof)
  const leaf = new ProtoWriter().int(1, 1).int(2, 1).int(3, 1).bytes(5, Uint8Array.of(0)).finish()
  const exist = new ProtoWriter().bytes(1, key).bytes(2, value!).message(3, leaf)
  for (let level = siblings.length - 1; level >= 0; level--) {
    const sibling = siblings[level] ?? EMPTY_HASH
    const op = new ProtoWriter().int(1, 1)
    if (bitOf(pathOf(key), level) === 0) op.bytes(2, Uint8Array.of(1)).bytes(3, sibling)
    else op.bytes(2, concat(Uint8Array.of(1), sibling))
    exist.message(4, op.finish())
  }
  return exist.finish()
}

describe('ICS-23', () => {
  const wrap = (field: number, message: Uint8Array) => new ProtoWriter().message(field, message).finish()
  const nonexist = (key: Uint8Array, left: Uint8Array | null, right: Uint8Array | null) =>
    wrap(2, new ProtoWriter().bytes(1, key).message(2, left).message(3, right).finish())
  const sorted = [...KEYS].sort((a, b) => Buffer.compare(pathOf(a), pathOf(b)))
  const between = (key: Uint8Array) =>
    sorted.findIndex((each) => Buffer.compare(pathOf(each), pathOf(key)) > 0)

  it('accepts our tree as one of SmtSpec', () => {
    for (const key of KEYS) {
      const { value } = tree.prove(key)
      expect(verifyIcs23(SMT_SPEC, ROOT, key, value, wrap(1, ics23Existence(key)))).toBe(true)
      expect(verifyIcs23(SMT_SPEC, ROOT, key, null, wrap(1, ics23Existence(key)))).toBe(false)
    }
  })

  it('accepts absence between neighbours and at the edges, and only there', () => {
    for (const key of ABSENT) {
      const found = between(key)
      const at = found === -1 ? sorted.length : found
      const left = at === 0 ? null : ics23Existence(sorted[at - 1]!)
      const right = at === sorted.length ? null : ics23Existence(sorted[at]!)
      expect(verifyIcs23(SMT_SPEC, ROOT, key, null, nonexist(key, left, right))).toBe(true)
      if (at > 1) {
        const further = ics23Existence(sorted[at - 2]!)
        expect(verifyIcs23(SMT_SPEC, ROOT, key, null, nonexist(key, further, right))).toBe(false)
        if (right) expect(verifyIcs23(SMT_SPEC, ROOT, key, null, nonexist(key, left, null))).toBe(false)
        expect(verifyIcs23(SMT_SPEC, ROOT, key, null, nonexist(key, null, right))).toBe(false)
      }
    }
    for (let at = 1; at + 1 < sorted.length; at++) {
      const proof = nonexist(sorted[at]!, ics23Existence(sorted[at - 1]!), ics23Existence(sorted[at + 1]!))
      expect(verifyIcs23(SMT_SPEC, ROOT, sorted[at]!, null, proof)).toBe(false)
    }
  })

  it('rejects every changed byte and never throws', () => {
    const key = KEYS[5]!
    const { value } = tree.prove(key)
    const proof = wrap(1, ics23Existence(key))
    for (let at = 0; at < proof.length; at++) {
      const changed = proof.with(at, proof[at]! ^ 0x41)
      expect(verifyIcs23(SMT_SPEC, ROOT, key, value, changed)).toBe(false)
    }
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        (bytes) => !verifyIcs23(SMT_SPEC, ROOT, key, value, bytes),
      ),
      { numRuns: 500 },
    )
  })

  it('rejects a leaf passed off as an inner node, and an inner node as a leaf', () => {
    const key = KEYS[5]!
    const { value } = tree.prove(key)
    const op = new ProtoWriter().int(1, 1).bytes(2, Uint8Array.of(0)).bytes(3, new Uint8Array(32)).finish()
    const exist = concat(ics23Existence(key), new ProtoWriter().message(4, op).finish())
    expect(verifyIcs23(SMT_SPEC, ROOT, key, value, wrap(1, exist))).toBe(false)
  })
})

describe.skipIf(dir === null)('ICS-23 vectors (needs ../shared/vectors)', () => {
  const places = ['left', 'middle', 'right']
  it.each(
    [SMT_SPEC, TENDERMINT_SPEC].flatMap((spec) =>
      ['exist', 'nonexist'].flatMap((kind) =>
        places.map(
          (place) => [`${spec === SMT_SPEC ? 'smt' : 'tendermint'}-${kind}_${place}`, spec] as const,
        ),
      ),
    ),
  )('%s', (name, spec) => {
    const { root, key, value, proof } = load(name)
    const claimed = value === '' ? null : fromHex(value)
    expect(verifyIcs23(spec, fromHex(root), fromHex(key), claimed, fromHex(proof))).toBe(true)
    expect(
      verifyIcs23(spec, fromHex(root), fromHex(key), claimed === null ? utf8('x') : null, fromHex(proof)),
    ).toBe(false)
    const other = spec === SMT_SPEC ? TENDERMINT_SPEC : SMT_SPEC
    expect(verifyIcs23(other, fromHex(root), fromHex(key), claimed, fromHex(proof))).toBe(false)
  })

  it('leaf operations; SHA-512 and fixed lengths are refused on purpose', () => {
    for (const [name, { Op, Key, Value, IsErr, Expected }] of Object.entries<Json>(load('TestLeafOpData'))) {
      const hash = applyLeaf(leafOp(Op), base64(Key), base64(Value))
      const unsupported = Op.hash !== 1 || (Op.length ?? 0) > 1
      expect(hash, name).toEqual(IsErr || unsupported ? null : base64(Expected))
    }
  })

  it('inner operations', () => {
    for (const [name, { Op, Child, IsErr, Expected }] of Object.entries<Json>(load('TestInnerOpData')))
      expect(applyInner(innerOp(Op), base64(Child)), name).toEqual(IsErr ? null : base64(Expected))
  })

  it('existence proofs', () => {
    for (const [name, { Proof, IsErr, Expected }] of Object.entries<Json>(load('TestExistenceProofData'))) {
      const leaf = Proof.leaf ? leafOp(Proof.leaf) : null
      const path = (Proof.path ?? []).map(innerOp)
      const root = existenceRoot({ key: base64(Proof.key), value: base64(Proof.value), leaf, path })
      expect(root, name).toEqual(IsErr ? null : base64(Expected))
    }
  })

  it('leaves against specs', () => {
    for (const [name, { Leaf, Spec, IsErr }] of Object.entries<Json>(load('TestCheckLeafData')))
      expect(leafFits(leafOp(Spec), leafOp(Leaf)), name).toBe(!IsErr)
  })

  it('empty branches', () => {
    for (const { Op, Spec, IsLeft, IsRight } of load('TestEmptyBranchData')) {
      const spec = { emptyChild: base64(Spec.inner_spec.empty_child) }
      expect(hasEmptyLeft(spec, innerOp(Op))).toBe(IsLeft)
      expect(hasEmptyRight(spec, innerOp(Op))).toBe(IsRight)
    }
  })
})
