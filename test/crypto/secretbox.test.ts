import { describe, expect, it } from 'vitest'
import { concat, fromHex, toHex } from '../../src/bytes.ts'
import { openSmall, sealSmall } from '../../src/crypto/secretbox.ts'
import frozen from '../vectors/sealing.json' with { type: 'json' }
import { groupsOf, wycheproof } from './wycheproof.ts'

const integrity = expect.objectContaining({ code: 'INTEGRITY' })

describe('small secrets', () => {
  const { key, nonce, aad, plain, sealed } = Object.fromEntries(
    Object.entries(frozen.secretbox).map(([name, hex]) => [name, fromHex(hex)]),
  ) as Record<keyof typeof frozen.secretbox, Uint8Array>

  it('have the frozen form', () => {
    expect(sealSmall(key, nonce, plain, aad)).toEqual(sealed)
    expect(openSmall(key, sealed, aad)).toEqual(plain)
  })

  it('refuse any changed bit, cut input, another key and other bound data', () => {
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const wrong = sealed.slice()
      wrong[bit >> 3]! ^= 1 << (bit & 7)
      expect(() => openSmall(key, wrong, aad)).toThrow(integrity)
    }
    for (let length = 0; length < sealed.length; length++)
      expect(() => openSmall(key, sealed.subarray(0, length), aad)).toThrow(integrity)
    expect(() =>
      openSmall(
        key.map((byte) => byte ^ 1),
        sealed,
        aad,
      ),
    ).toThrow(integrity)
    expect(() => openSmall(key, sealed, new Uint8Array(0))).toThrow(integrity)
    expect(() => openSmall(key, concat(sealed, Uint8Array.of(0)), aad)).toThrow(integrity)
  })
})

describe.skipIf(wycheproof === null)('Wycheproof (needs ../shared/vectors)', () => {
  it('XChaCha20-Poly1305: all 315 cases', () => {
    let cases = 0
    for (const { tests } of groupsOf<'key' | 'iv' | 'aad' | 'msg' | 'ct' | 'tag'>('xchacha20_poly1305')) {
      for (const test of tests) {
        cases++
        const [key, iv, aad] = [fromHex(test.key), fromHex(test.iv), fromHex(test.aad)]
        const sealed = concat(iv, fromHex(test.ct), fromHex(test.tag))
        if (test.result === 'valid') {
          expect(toHex(openSmall(key, sealed, aad))).toBe(test.msg)
          expect(toHex(sealSmall(key, iv, fromHex(test.msg), aad))).toBe(toHex(sealed))
        } else expect(() => openSmall(key, sealed, aad)).toThrow()
      }
    }
    expect(cases).toBe(315)
  })
})
