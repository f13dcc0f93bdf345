import { describe, expect, it } from 'vitest'
import { concat, fromHex, toHex } from '../../src/bytes.ts'
import { aead, subtleAead } from '../../src/crypto/aead.ts'
import { native as browser } from '../../src/crypto/native.browser.ts'
import { native as node } from '../../src/crypto/native.node.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { groupsOf, wycheproof } from './wycheproof.ts'

const key = systemRandom.bytes(32)
const nonce = systemRandom.bytes(12)

describe('AES-256-GCM', () => {
  it('is native on Node', () => {
    expect(aead()).toBe(node.aead)
  })

  it.each([0, 1, 15, 16, 17, 16384, 50_000])(
    'gives identical bytes everywhere for %i bytes',
    async (size) => {
      const plain = systemRandom.bytes(size)
      const sealed = node.aead.seal(key, nonce, plain)
      expect(sealed).toHaveLength(size + 16)
      expect(toHex(browser.aead.seal(key, nonce, plain))).toBe(toHex(sealed))
      expect(toHex(await subtleAead.seal(key, nonce, plain))).toBe(toHex(sealed))
      expect(node.aead.open(key, nonce, sealed)).toEqual(plain)
      expect(browser.aead.open(key, nonce, sealed)).toEqual(plain)
      expect(await subtleAead.open(key, nonce, sealed)).toEqual(plain)
    },
  )

  it.each(['node', 'browser'] as const)(
    'on %s writes into a given place and touches nothing else',
    (name) => {
      const cipher = { node, browser }[name].aead.keyed(key)
      const out = new Uint8Array(60).fill(9)
      expect(cipher.sealInto(nonce, new Uint8Array(10), out, 20)).toBe(46)
      expect(out.subarray(20, 46)).toEqual(cipher.seal(nonce, new Uint8Array(10)))
      expect([...out.subarray(0, 20), ...out.subarray(46)].every((byte) => byte === 9)).toBe(true)
    },
  )

  it.each(['node', 'browser'] as const)('on %s keeps its own copy of the key', (name) => {
    const mine = new Uint8Array(key)
    const buffer = Buffer.from(key)
    const ciphers = [mine, buffer].map((bytes) => ({ node, browser })[name].aead.keyed(bytes))
    mine.fill(0)
    buffer.fill(0)
    for (const cipher of ciphers) expect(cipher.seal(nonce, key)).toEqual(node.aead.seal(key, nonce, key))
  })

  it('opens from and to memory shared between threads', async () => {
    const plain = new Uint8Array(new SharedArrayBuffer(100)).fill(3)
    const sealed = node.aead.seal(key, nonce, plain)
    expect(await subtleAead.seal(key, nonce, plain)).toEqual(sealed)
    const out = new Uint8Array(new SharedArrayBuffer(116))
    node.aead.keyed(key).sealInto(nonce, plain, out, 0)
    expect(new Uint8Array(out)).toEqual(sealed)
    expect(await subtleAead.open(key, nonce, out)).toEqual(new Uint8Array(plain))
  })

  it('answers null to any changed bit, another nonce, another key and cut input', async () => {
    const sealed = node.aead.seal(key, nonce, Uint8Array.of(1, 2, 3))
    const changed = Array.from({ length: sealed.length * 8 }, (_, bit) => {
      const copy = sealed.slice()
      copy[bit >> 3]! ^= 1 << (bit & 7)
      return copy
    })
    const otherKey = key.map((byte) => byte ^ 1)
    for (const { open } of [node.aead, browser.aead, subtleAead]) {
      for (const wrong of changed) expect(await open(key, nonce, wrong)).toBeNull()
      for (let length = 0; length < sealed.length; length++)
        expect(await open(key, nonce, sealed.subarray(0, length))).toBeNull()
      expect(await open(otherKey, nonce, sealed)).toBeNull()
      expect(
        await open(
          key,
          nonce.map((byte) => byte ^ 1),
          sealed,
        ),
      ).toBeNull()
    }
  })

  it('refuses keys that are not 32 bytes', () => {
    for (const platform of [node, browser])
      for (const length of [0, 16, 24, 31, 33])
        expect(() => platform.aead.keyed(new Uint8Array(length))).toThrow()
  })
})

describe.skipIf(wycheproof === null)('Wycheproof (needs ../shared/vectors)', () => {
  it('AES-GCM: the 48 cases with our sizes and without associated data', async () => {
    let cases = 0
    type Sizes = { keySize: number; ivSize: number; tagSize: number }
    for (const group of groupsOf<'key' | 'iv' | 'aad' | 'msg' | 'ct' | 'tag', Sizes>('aes_gcm')) {
      if (group.keySize !== 256 || group.ivSize !== 96 || group.tagSize !== 128) continue
      for (const test of group.tests.filter(({ aad }) => aad === '')) {
        cases++
        const sealed = concat(fromHex(test.ct), fromHex(test.tag))
        for (const { open } of [node.aead, browser.aead, subtleAead]) {
          const plain = await open(fromHex(test.key), fromHex(test.iv), sealed)
          expect(plain && toHex(plain)).toBe(test.result === 'valid' ? test.msg : null)
        }
        if (test.result === 'valid')
          expect(toHex(node.aead.seal(fromHex(test.key), fromHex(test.iv), fromHex(test.msg)))).toBe(
            toHex(sealed),
          )
      }
    }
    expect(cases).toBe(48)
  })
})
