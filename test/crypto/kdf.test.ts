import { describe, expect, it } from 'vitest'
import { concat, fromHex, toHex, utf8 } from '../../src/bytes.ts'
import { hmacSha512 } from '../../src/crypto/hash.ts'
import { deriveKey, hkdfExpandSha512 } from '../../src/crypto/kdf.ts'
import frozen from '../vectors/sealing.json' with { type: 'json' }
import { groupsOf, wycheproof } from './wycheproof.ts'

const SECRET = new Uint8Array(32).fill(7)

describe('deriveKey', () => {
  it.each(frozen.deriveKey)('frozen vector $label', ({ secret, label, context, key }) => {
    expect(toHex(deriveKey(fromHex(secret), label, ...context.map(fromHex)))).toBe(key)
  })

  it('gives another key for every label and every way to cut the context', () => {
    const a = utf8('a')
    const b = utf8('b')
    const none = new Uint8Array(0)
    const keys = [
      deriveKey(SECRET, 'x'),
      deriveKey(SECRET, 'y'),
      deriveKey(SECRET, 'x', none),
      deriveKey(SECRET, 'x', a, b),
      deriveKey(SECRET, 'x', b, a),
      deriveKey(SECRET, 'x', concat(a, b)),
      deriveKey(SECRET, 'x', concat(a, b), none),
      deriveKey(new Uint8Array(32).fill(8), 'x'),
    ].map(toHex)
    expect(new Set(keys).size).toBe(keys.length)
  })

  it('refuses a secret that is not 32 bytes and a label with a zero byte', () => {
    expect(() => deriveKey(new Uint8Array(31), 'x')).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
    expect(() => deriveKey(SECRET, 'x\0y')).toThrow('key label')
    expect(() => deriveKey(SECRET, '')).toThrow('key label')
  })
})

describe.skipIf(wycheproof === null)('Wycheproof (needs ../shared/vectors)', () => {
  it('HKDF-SHA512, 83 cases, too long outputs refused', () => {
    let cases = 0
    for (const group of groupsOf<'ikm' | 'salt' | 'info' | 'size' | 'okm'>('hkdf_sha512')) {
      for (const { ikm, salt, info, size, okm, result } of group.tests) {
        cases++
        const expand = () =>
          hkdfExpandSha512(hmacSha512(fromHex(salt), fromHex(ikm)), fromHex(info), Number(size))
        if (result === 'valid') expect(toHex(expand())).toBe(okm)
        else expect(expand).toThrow('HKDF length')
      }
    }
    expect(cases).toBe(83)
  })
})
