import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../../src/bytes.ts'
import { commitHash, ONE_THIRD } from '../../../src/chain-anchor/comet/commit.ts'
import { decodeHeader, decodeLightBlock } from '../../../src/chain-anchor/comet/decode.ts'
import { encodeHeader, encodeLightBlock } from '../../../src/chain-anchor/comet/encode.ts'
import { headerHash } from '../../../src/chain-anchor/comet/header.ts'
import { validatorsHash } from '../../../src/chain-anchor/comet/validators.ts'
import { commitSignBytes } from '../../../src/chain-anchor/comet/vote.ts'
import { verifyLightBlock } from '../../../src/chain-anchor/light/verifier.ts'
import type { XcareError } from '../../../src/errors.ts'

interface Vectors {
  trustingPeriodSeconds: number
  driftSeconds: number
  block: {
    header: string
    hash: string
    validatorsHash: string
    signBytesOfLine0: string
    commitHash: string
  }
  lightBlocks: Record<string, string>
  verdicts: { trusted: string; block: string; nowSeconds: number; verdict: string }[]
  malformed: { why: string; hex: string }[]
}

const vectors: Vectors = JSON.parse(
  readFileSync(`${import.meta.dirname}/../../vectors/light-block.json`, 'utf8'),
)
const lightBlock = (name: string) => decodeLightBlock(fromHex(vectors.lightBlocks[name]!))

describe('frozen light blocks', () => {
  it('hashes and signed bytes', () => {
    const { block } = vectors
    const { header, commit, validators } = lightBlock('height-2')
    expect(toHex(encodeHeader(header))).toBe(block.header)
    expect(decodeHeader(fromHex(block.header))).toEqual(header)
    expect(toHex(headerHash(header)!)).toBe(block.hash)
    expect(toHex(validatorsHash(validators))).toBe(block.validatorsHash)
    expect(toHex(commitSignBytes(header.chainId, commit, 0))).toBe(block.signBytesOfLine0)
    expect(toHex(commitHash(commit))).toBe(block.commitHash)
  })

  it.each(Object.entries(vectors.lightBlocks))('%s encodes to what it was decoded from', (name, hex) => {
    expect(toHex(encodeLightBlock(lightBlock(name)))).toBe(hex)
  })

  it.each(vectors.verdicts)(
    '$trusted -> $block at $nowSeconds: $verdict',
    ({ trusted, block, nowSeconds, verdict }) => {
      const rules = {
        now: { seconds: nowSeconds, nanos: 0 },
        trustingPeriodMs: vectors.trustingPeriodSeconds * 1000,
        driftMs: vectors.driftSeconds * 1000,
        trustLevel: ONE_THIRD,
      }
      let found: string
      try {
        found = verifyLightBlock(lightBlock(trusted), lightBlock(block), rules)
          ? 'verified'
          : 'not enough trust'
      } catch (error) {
        found = (error as XcareError).code
      }
      expect(found).toBe(verdict)
    },
  )

  it.each(vectors.malformed)('refuses $why', ({ hex }) => {
    expect(() => decodeLightBlock(fromHex(hex))).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
  })
})
