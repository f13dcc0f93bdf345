import { describe, expect, it } from 'vitest'
import { fromHex, toHex, utf8 } from '../../src/bytes.ts'
import { blake3, hmacSha512, sha256, sha512 } from '../../src/crypto/hash.ts'
import { native as browser } from '../../src/crypto/native.browser.ts'
import { native as node } from '../../src/crypto/native.node.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { groupsOf, wycheproof } from './wycheproof.ts'

describe('hashes', () => {
  it('give the published values of "abc"', () => {
    const abc = utf8('abc')
    expect(toHex(sha256(abc))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
    expect(toHex(sha512(abc)).slice(0, 32)).toBe('ddaf35a193617abacc417349ae204131')
    expect(toHex(blake3(abc))).toBe('6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85')
  })

  it.each([0, 1, 63, 64, 65, 127, 128, 129, 1023, 1024, 1025, 65535, 65536, 200_000])(
    'agree on %i bytes',
    (size) => {
      const data = systemRandom.bytes(size)
      const parts = [data.subarray(0, size / 3), new Uint8Array(0), data.subarray(size / 3)]
      for (const name of ['sha256', 'sha512'] as const) {
        expect(toHex(node[name](parts))).toBe(toHex(browser[name](parts)))
        expect(toHex(node[name](parts))).toBe(toHex(node[name]([data])))
      }
      expect(toHex(node.hmacSha512(data, parts))).toBe(toHex(browser.hmacSha512(data, parts)))
      expect(toHex(node.blake3(data))).toBe(toHex(browser.blake3(data)))
    },
  )

  it('are plain byte arrays that nobody else writes to', () => {
    for (const make of [
      () => sha256(),
      () => sha512(),
      () => blake3(new Uint8Array(3)),
      () => hmacSha512(new Uint8Array(1)),
    ]) {
      const first = make()
      expect(Object.getPrototypeOf(first)).toBe(Uint8Array.prototype)
      const before = toHex(first)
      for (let times = 0; times < 50; times++) make().fill(0)
      expect(toHex(first)).toBe(before)
    }
  })
})

describe.skipIf(wycheproof === null)('Wycheproof (needs ../shared/vectors)', () => {
  it('HMAC-SHA512, 174 cases', () => {
    let cases = 0
    for (const group of groupsOf<'key' | 'msg' | 'tag', { tagSize: number }>('hmac_sha512')) {
      for (const { key, msg, tag, result } of group.tests) {
        cases++
        for (const platform of [node, browser]) {
          const mac = platform.hmacSha512(fromHex(key), [fromHex(msg)]).subarray(0, group.tagSize / 8)
          expect(toHex(mac) === tag).toBe(result === 'valid')
        }
      }
    }
    expect(cases).toBe(174)
  })
})
