import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../../src/bytes.ts'
import { ProtoReader } from '../../../src/chain-anchor/codec/reader.ts'
import { decodeVarint, encodeVarint } from '../../../src/chain-anchor/codec/varint.ts'
import { lengthPrefixed, ProtoWriter } from '../../../src/chain-anchor/codec/writer.ts'
import { XcareError } from '../../../src/errors.ts'

const malformed = expect.objectContaining({ code: 'MALFORMED' })

describe('varint', () => {
  it('writes the known forms', () => {
    const cases: [number | bigint, string][] = [
      [0, '00'],
      [127, '7f'],
      [128, '8001'],
      [300, 'ac02'],
      [-1, 'ffffffffffffffffff01'],
      [-62_135_596_800, '8092b8c398feffffff01'],
      [2n ** 64n - 1n, 'ffffffffffffffffff01'],
    ]
    for (const [value, hex] of cases) expect(toHex(encodeVarint(value))).toBe(hex)
  })

  it('reads back every 64-bit value', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
        const bytes = encodeVarint(value)
        expect(decodeVarint(bytes, 0)).toEqual({ value, end: bytes.length })
      }),
    )
  })

  it.each([
    ['nothing', ''],
    ['a cut one', '80'],
    ['65 bits', 'ffffffffffffffffff02'],
    ['eleven bytes', '8080808080808080808001'],
  ])('refuses %s', (_, hex) => {
    expect(() => decodeVarint(fromHex(hex), 0)).toThrow(malformed)
  })
})

describe('messages', () => {
  it('leaves zero scalars out and writes given messages even when empty', () => {
    const writer = new ProtoWriter()
      .int(1, 0)
      .text(2, '')
      .bytes(3, new Uint8Array(0))
      .sfixed64(4, 0)
      .message(5, null)
    expect(writer.finish().length).toBe(0)
    expect(toHex(writer.message(6, new Uint8Array(0)).finish())).toBe('3200')
  })

  it('prefixes the length', () => {
    expect(toHex(lengthPrefixed(new Uint8Array(200))).slice(0, 4)).toBe('c801')
  })

  it('reads back what was written and skips unknown fields', () => {
    const message = new ProtoWriter()
      .int(1, -5)
      .int(9, 77)
      .bytes(10, new Uint8Array(3))
      .sfixed64(2, -9)
      .text(3, 'é')
      .int(4, 2n ** 62n)
    const found: unknown[] = []
    const reader = new ProtoReader(message.finish())
    while (reader.next()) {
      if (reader.field === 1) found.push(reader.int())
      else if (reader.field === 2) found.push(reader.sfixed64())
      else if (reader.field === 3) found.push(reader.text())
      else if (reader.field === 4) found.push(reader.bigint())
      else reader.skipField()
    }
    expect(found).toEqual([-5, -9, 'é', 2n ** 62n])
  })

  it.each([
    ['field number 0', '0001', (r: ProtoReader) => r.skipField()],
    ['a group', '0b', (r: ProtoReader) => r.skipField()],
    ['a cut fixed64', '0900', (r: ProtoReader) => r.skipField()],
    ['a cut byte string', '0a05ff', (r: ProtoReader) => r.skipField()],
    ['a wrong wire type', '0801', (r: ProtoReader) => r.bytes()],
    ['a number above the safe range', '08ffffffffffffffff7f', (r: ProtoReader) => r.uint()],
    ['text that is not UTF-8', '0a01ff', (r: ProtoReader) => r.text()],
    ['more bytes than the cap', '0a020000', (r: ProtoReader) => r.bytes(1)],
  ])('refuses %s', (_, hex, read) => {
    const reader = new ProtoReader(fromHex(hex))
    expect(() => {
      reader.next()
      read(reader)
    }).toThrow(malformed)
  })

  it('never fails in another way on random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          const reader = new ProtoReader(bytes)
          while (reader.next()) reader.skipField()
        } catch (error) {
          expect(error).toBeInstanceOf(XcareError)
        }
      }),
      { numRuns: 500 },
    )
  })
})
