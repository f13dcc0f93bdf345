import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as bytes from '../../src/bytes.ts'

const {
  allZero,
  compareBytes,
  concat,
  cutText,
  equalBytes,
  equalSecret,
  fromHex,
  fromUtf8,
  toHex,
  u32be,
  u64be,
  utf8,
} = bytes
const someBytes = fc.uint8Array({ maxLength: 80 })

describe('text', () => {
  it('is cut without half a character at its end', () => {
    expect(cutText('short', 9)).toBe('short')
    expect(cutText('abc', 2)).toBe('ab')
    expect(cutText('a\u{1F600}b', 2)).toBe('a')
    expect(cutText('a\u{1F600}b', 3)).toBe('a\u{1F600}')
    expect(cutText('\u{1F600}', 1)).toBe('')
  })

  it('comes back from UTF-8 unchanged, with a byte order mark too', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => fromUtf8(utf8(text)) === text))
    expect(fromUtf8(utf8('\ufeffa'))).toBe('\ufeffa')
  })

  it.each(['ff', 'c080', 'eda080', 'e282'])('refuses %s, which is not UTF-8', (hex) => {
    expect(() => fromUtf8(fromHex(hex))).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
  })
})

describe('memory that is let go of', () => {
  it('is gone from every view of it, and may be let go of twice', () => {
    const whole = new Uint8Array(1000).fill(7)
    const part = whole.subarray(10, 20)
    const other = whole.slice()
    bytes.letGo(part)
    bytes.letGo(whole)
    expect([whole.length, part.length, other.length]).toEqual([0, 0, 1000])
  })
})

describe('hex', () => {
  it('comes back unchanged and is lower case', () => {
    fc.assert(fc.property(someBytes, (part) => equalBytes(fromHex(toHex(part)), part)))
    expect(toHex(Uint8Array.of(0, 0xab, 255))).toBe('00abff')
    for (const length of [0, 4095, 4096, 4097, 100_000]) {
      const long = Uint8Array.from({ length }, (_, at) => at * 7)
      expect(toHex(long)).toBe(Buffer.from(long).toString('hex'))
    }
    expect(fromHex('00ABff')).toEqual(Uint8Array.of(0, 0xab, 255))
  })

  it.each(['0', '0g', ' 00', '0x00', '00\n', '-1'])('refuses %j', (text) => {
    expect(() => fromHex(text)).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
  })
})

describe('joining and comparing', () => {
  it('agree with the same work done by Buffer', () => {
    fc.assert(
      fc.property(someBytes, someBytes, (a, b) => {
        expect(toHex(concat(a, b))).toBe(Buffer.concat([a, b]).toString('hex'))
        expect(equalBytes(a, b)).toBe(Buffer.compare(a, b) === 0)
        expect(equalSecret(a, b)).toBe(equalBytes(a, b))
        expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(a, b))
      }),
    )
  })

  it('find a single bit among zeros, wherever they lie in memory, and nothing beside them', () => {
    for (let begin = 0; begin < 8; begin++)
      for (let length = 0; length < 21; length++) {
        const memory = new Uint8Array(40).fill(255)
        const zeros = memory.subarray(begin, begin + length).fill(0)
        expect(allZero(zeros)).toBe(true)
        for (let at = 0; at < length; at++) {
          zeros[at] = 1 << (at & 7)
          expect(allZero(zeros)).toBe(false)
          zeros[at] = 0
        }
      }
  })

  it('see a difference in any single bit', () => {
    const a = new Uint8Array(40)
    for (let bit = 0; bit < 320; bit++) {
      const b = a.slice()
      b[bit >> 3]! ^= 1 << (bit & 7)
      expect([equalBytes(a, b), equalSecret(a, b), compareBytes(a, b) < 0]).toEqual([false, false, true])
    }
  })

  it('write numbers most significant byte first', () => {
    expect(toHex(u32be(0x01020304))).toBe('01020304')
    expect(toHex(u64be(Number.MAX_SAFE_INTEGER))).toBe('001fffffffffffff')
  })
})
