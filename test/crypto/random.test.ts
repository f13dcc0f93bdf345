import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { native as browser } from '../../src/crypto/native.browser.ts'
import { native as node } from '../../src/crypto/native.node.ts'

describe.each([node, browser])('random bytes of $name', ({ randomBytes }) => {
  it('come in any length, also more than the browser gives at once', () => {
    for (const length of [0, 1, 65536, 65537, 200_000]) expect(randomBytes(length)).toHaveLength(length)
    const end = randomBytes(200_000).subarray(199_900)
    expect(end.some((byte) => byte !== 0)).toBe(true)
  })

  it('are plain byte arrays and never twice the same', () => {
    const seen = new Set(Array.from({ length: 1000 }, () => toHex(randomBytes(16))))
    expect(seen.size).toBe(1000)
    expect(Object.getPrototypeOf(randomBytes(4))).toBe(Uint8Array.prototype)
  })
})
