import { describe, expect, it } from 'vitest'
import { encodeCbor } from '../../src/cbor.ts'
import { bytes, bytesMax, format, text, uint, z } from '../../src/schema.ts'

const card = format(
  'card',
  200,
  z.strictObject({
    id: bytes(4),
    note: bytesMax(8),
    count: uint(10),
    title: text(20),
    extra: z.boolean().optional(),
  }),
)
const value = { id: Uint8Array.of(1, 2, 3, 4), note: new Uint8Array(0), count: 3, title: 'Bericht' }
const malformed = expect.objectContaining({ code: 'MALFORMED', message: expect.stringContaining('card') })

describe('a format', () => {
  it('gives back what it wrote', () => {
    expect(card.decode(card.encode(value))).toEqual(value)
    expect(card.decode(card.encode({ ...value, extra: true }))).toEqual({ ...value, extra: true })
  })

  it.each([
    ['a missing field', { id: value.id, note: value.note, count: 3 }],
    ['an unknown field', { ...value, more: 1 }],
    ['short bytes', { ...value, id: new Uint8Array(3) }],
    ['long bytes', { ...value, note: new Uint8Array(9) }],
    ['a number above the limit', { ...value, count: 11 }],
    ['a negative number', { ...value, count: -1 }],
    ['empty text', { ...value, title: '' }],
    ['long text', { ...value, title: 'x'.repeat(21) }],
    ['a control character', { ...value, title: 'a\u0007b' }],
    ['a list of bytes instead of bytes', { ...value, id: [1, 2, 3, 4] }],
    ['another kind of value', [1, 2]],
  ])('refuses %s when reading and when writing', (_name, wrong) => {
    expect(() => card.decode(encodeCbor(wrong))).toThrow(malformed)
    expect(() => card.encode(wrong as never)).toThrow(expect.objectContaining({ code: 'INTERNAL' }))
  })

  it('refuses more bytes than its cap before it looks at them', () => {
    expect(() => card.decode(new Uint8Array(201))).toThrow(
      expect.objectContaining({ message: 'card: 201 bytes, at most 200 allowed' }),
    )
  })

  it('writes nothing that it would not read', () => {
    const tight = format('tight', 8, bytesMax(20))
    expect(tight.decode(tight.encode(new Uint8Array(7)))).toHaveLength(7)
    expect(() => tight.encode(new Uint8Array(8))).toThrow(
      expect.objectContaining({
        code: 'INTERNAL',
        message: 'cannot write tight: 9 bytes, at most 8 allowed',
      }),
    )
  })

  it('refuses bytes that are not deterministic CBOR', () => {
    expect(() => card.decode(Uint8Array.of(0xbf, 0xff))).toThrow(
      expect.objectContaining({ code: 'MALFORMED' }),
    )
  })
})
