import { readFileSync } from 'node:fs'
import { ed25519 } from '@noble/curves/ed25519.js'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex, utf8 } from '../../src/bytes.ts'
import { native as browser } from '../../src/crypto/native.browser.ts'
import { native as node } from '../../src/crypto/native.node.ts'
import { signingKeyFromSeed, verifySignature, verifyStrict, verifyZip215 } from '../../src/crypto/sign.ts'
import { shared } from '../shared-data.ts'
import frozen from '../vectors/encoding.json' with { type: 'json' }
import { groupsOf, wycheproof } from './wycheproof.ts'

const seed = new Uint8Array(32).fill(5)
const key = signingKeyFromSeed(seed)
const message = utf8('Befund')
const ORDER = ed25519.Point.Fn.ORDER

describe('frozen vectors of signatures', () => {
  it.each(frozen.signatures)('$domain', (vector) => {
    const signer = signingKeyFromSeed(fromHex(vector.seed))
    expect(toHex(signer.publicKey)).toBe(vector.publicKey)
    expect(toHex(signer.sign(vector.domain, fromHex(vector.message)))).toBe(vector.signature)
    expect(
      verifySignature(signer.publicKey, vector.domain, fromHex(vector.message), fromHex(vector.signature)),
    ).toBe(true)
  })

  it.each(frozen.signaturesReject)('refuses $name', (vector) => {
    const { publicKey, domain } = vector
    expect(
      verifySignature(fromHex(publicKey), domain, fromHex(vector.message), fromHex(vector.signature)),
    ).toBe(false)
  })
})

describe('signing keys', () => {
  it('are the same on every platform, and so are signatures', () => {
    const other = browser.ed25519(seed)
    expect(other.publicKey).toEqual(key.publicKey)
    expect(other.sign(message)).toEqual(key.signRaw(message))
    expect(() => signingKeyFromSeed(new Uint8Array(31))).toThrow(
      expect.objectContaining({ code: 'MALFORMED' }),
    )
  })

  it('keep their own copy of the seed', () => {
    const mine = Buffer.from(seed)
    const signer = browser.ed25519(mine)
    mine.fill(0)
    expect(signer.sign(message)).toEqual(key.signRaw(message))
  })

  it('bind the domain, with no way to move bytes between domain and message', () => {
    const signature = key.sign('xcare/grant/v1', message)
    expect(verifySignature(key.publicKey, 'xcare/grant/v1', message, signature)).toBe(true)
    expect(verifySignature(key.publicKey, 'xcare/grant/v2', message, signature)).toBe(false)
    expect(verifySignature(key.publicKey, 'xcare/grant/v1B', message.subarray(1), signature)).toBe(false)
    expect(verifyStrict(key.publicKey, message, signature)).toBe(false)
  })

  it('make signatures that no changed bit survives', () => {
    const signature = key.sign('d', message)
    for (let bit = 0; bit < 512; bit++) {
      const wrong = signature.slice()
      wrong[bit >> 3]! ^= 1 << (bit & 7)
      expect(verifySignature(key.publicKey, 'd', message, wrong)).toBe(false)
    }
    for (const length of [0, 63, 65])
      expect(verifySignature(key.publicKey, 'd', message, new Uint8Array(length))).toBe(false)
    for (const length of [0, 31, 33])
      expect(verifySignature(new Uint8Array(length), 'd', message, signature)).toBe(false)
  })
})

function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, at) => Number((value >> BigInt(8 * at)) & 255n))
}

/** A point of order 8, which honest keys never contain. */
const TORSION = ed25519.Point.fromHex('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a')

describe('strict verification', () => {
  it('refuses every key of small order, in every encoding', () => {
    for (let times = 0, point = ed25519.Point.ZERO; times < 8; times++, point = point.add(TORSION)) {
      for (const sign of [0, 0x80]) {
        const weak = point.toBytes()
        weak[31]! ^= sign
        // R = S = 0 style forgery: identity and zero.
        const signature = new Uint8Array(64)
        signature[0] = 1
        for (let nonce = 0; nonce < 16; nonce++)
          expect(verifyStrict(weak, Uint8Array.of(nonce), signature)).toBe(false)
      }
    }
  })

  it('refuses a scalar with the group order added', () => {
    const signature = key.signRaw(message)
    const s = signature.subarray(32).reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n)
    signature.set(littleEndian(s + ORDER), 32)
    expect(verifyStrict(key.publicKey, message, signature)).toBe(false)
    expect(verifyZip215(key.publicKey, message, signature)).toBe(false)
  })

  it('gives one verdict on every platform for keys and nonces with a part of small order', () => {
    const verdicts = { cofactored: 0, all: 0 }
    for (let torsion = 0; torsion < 24; torsion++) {
      const secret = 1_234_567n
      const mixedKey = ed25519.Point.BASE.multiply(secret).add(multipleOfTorsion(torsion % 8))
      for (const nonce of [0n, 987n]) {
        const r = ed25519.Point.BASE.multiplyUnsafe(nonce).add(multipleOfTorsion(torsion % 3))
        const signature = signWith(secret, mixedKey.toBytes(), nonce, r.toBytes(), Uint8Array.of(torsion))
        const parts = [mixedKey.toBytes(), Uint8Array.of(torsion), signature] as const
        const strict = verifyStrict(...parts)
        if (nonce !== 0n)
          expect([node, browser].map((platform) => platform.verifyEd25519(...parts))).toEqual([
            strict,
            strict,
          ])
        else expect(strict, 'R of small order').toBe(false)
        expect(verifyZip215(...parts)).toBe(true)
        verdicts[strict ? 'all' : 'cofactored']++
      }
    }
    expect(verdicts.all).toBeGreaterThan(0)
    expect(verdicts.cofactored).toBeGreaterThan(24)
  })
})

function multipleOfTorsion(times: number): InstanceType<typeof ed25519.Point> {
  return times === 0 ? ed25519.Point.ZERO : TORSION.multiplyUnsafe(BigInt(times))
}

/** A signature by the textbook, with a nonce point and a key that may carry a part of small order. */
function signWith(
  secret: bigint,
  key: Uint8Array,
  nonce: bigint,
  r: Uint8Array,
  text: Uint8Array,
): Uint8Array {
  const hash = node.sha512([r, key, text]).reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n)
  return new Uint8Array([...r, ...littleEndian((nonce + (hash % ORDER) * secret) % ORDER)])
}

const zip215 = shared('vectors/ed25519-rules/zip215.json')
describe.skipIf(wycheproof === null || zip215 === null)(
  'external Ed25519 vectors (needs ../shared/vectors)',
  () => {
    it('Wycheproof: 151 cases, one verdict on every platform', () => {
      let cases = 0
      const looser: string[] = []
      for (const group of groupsOf<'msg' | 'sig' | 'comment', { publicKey: { pk: string } }>('ed25519')) {
        const publicKey = fromHex(group.publicKey.pk)
        for (const { msg, sig, comment, result } of group.tests) {
          cases++
          const parts = [publicKey, fromHex(msg), fromHex(sig)] as const
          const valid = result === 'valid'
          expect([verifyStrict(...parts), browser.verifyEd25519(...parts)]).toEqual([valid, valid])
          if (verifyZip215(...parts) !== valid) looser.push(comment)
        }
      }
      expect(cases).toBe(151)
      // The one difference that ZIP-215 wants: points decode whatever the sign of a zero x says.
      expect(looser).toEqual([expect.stringContaining('y = 1 with the sign bit of x set')])
    })

    it('ZIP-215: all 196 signatures pass the consensus rule, none the strict one', () => {
      const rows: { vk_bytes: string; sig_bytes: string }[] = JSON.parse(readFileSync(zip215!, 'utf8'))
      for (const { vk_bytes, sig_bytes } of rows) {
        const parts = [fromHex(vk_bytes), utf8('Zcash'), fromHex(sig_bytes)] as const
        expect(verifyZip215(...parts), vk_bytes).toBe(true)
        expect(verifyStrict(...parts), vk_bytes).toBe(false)
      }
      expect(rows).toHaveLength(196)
    })
  },
)
