import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decode as libraryDecode, encode as libraryEncode, rfc8949EncodeOptions } from 'cborg'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../src/bytes.ts'
import { decodeCbor, encodeCbor } from '../../src/cbor.ts'
import { XcareError } from '../../src/errors.ts'
import { CBOR_DEPTH_MAX } from '../../src/limits.ts'
import { shared } from '../shared-data.ts'
import frozen from '../vectors/encoding.json' with { type: 'json' }

function refusal(act: () => unknown): string | null {
  try {
    act()
    return null
  } catch (error) {
    if (error instanceof XcareError) return error.code
    throw error
  }
}

/** Values of the vector file: byte strings are written as {"hex": "..."}. */
function fromVector(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromVector)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value)
  if (entries.length === 1 && entries[0]?.[0] === 'hex') return fromHex(entries[0][1])
  return Object.fromEntries(entries.map(([key, item]) => [key, fromVector(item)]))
}

describe('frozen vectors of the encoding', () => {
  it.each(frozen.accept)('$name', ({ hex, value }) => {
    expect(decodeCbor(fromHex(hex))).toEqual(fromVector(value))
    expect(toHex(encodeCbor(fromVector(value)))).toBe(hex)
  })

  it.each(frozen.reject)('refuses $name', ({ hex }) => {
    expect(refusal(() => decodeCbor(fromHex(hex)))).toBe('MALFORMED')
  })
})

const scalar = fc.oneof(
  fc.maxSafeInteger().map((value) => value + 0), // no minus zero
  fc.string({ unit: 'grapheme' }),
  fc.uint8Array({ maxLength: 40 }),
  fc.boolean(),
  fc.constant(null),
)
const { value: anyValue } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    scalar,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.string({ unit: 'grapheme', maxLength: 30 }), tie('value'), {
      maxKeys: 4,
      noNullPrototype: true,
    }),
  ),
}))

describe('encodeCbor and decodeCbor', () => {
  it('give back every value and agree with another implementation', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const bytes = encodeCbor(value)
        expect(decodeCbor(bytes)).toEqual(value)
        expect(decodeCbor(bytes)).toEqual(libraryDecode(bytes, { strict: true }))
        expect(toHex(bytes)).toBe(toHex(libraryEncode(value, rfc8949EncodeOptions)))
      }),
      { numRuns: 500 },
    )
  })

  it('never accept two encodings of one value, whatever bytes come', () => {
    const mutated = fc.tuple(anyValue, fc.nat(), fc.nat(255)).map(([value, at, byte]) => {
      const bytes = encodeCbor(value).slice()
      bytes[at % bytes.length] = byte
      return bytes
    })
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 24 })), (bytes) => {
        let value: unknown
        try {
          value = decodeCbor(bytes)
        } catch (error) {
          expect((error as XcareError).code).toBe('MALFORMED')
          return
        }
        expect(toHex(encodeCbor(value))).toBe(toHex(bytes))
      }),
      { numRuns: 2000 },
    )
  })

  it.each([
    ['a float', 1.5],
    ['not a number', Number.NaN],
    ['infinity', Number.POSITIVE_INFINITY],
    ['an integer beyond 2^53', 2 ** 53],
    ['a bigint', 1n],
    ['undefined', undefined],
    ['an undefined property', { a: undefined }],
    ['a hole in an array', new Array(1)],
    ['a map', new Map()],
    ['a set', new Set()],
    ['a date', new Date(0)],
    ['another typed array', new Uint16Array(2)],
    ['an array buffer', new ArrayBuffer(2)],
    ['an instance of a class', new XcareError('USAGE', 'x')],
    ['half a surrogate pair', '\ud800'],
    ['half a surrogate pair as a key', { '\ud800': 1 }],
    ['a function', () => 1],
    ['a symbol', Symbol('x')],
  ])('encode refuses %s', (_name, value) => {
    expect(refusal(() => encodeCbor(value))).toBe('INTERNAL')
    expect(refusal(() => encodeCbor([{ a: value }]))).toBe('INTERNAL')
  })

  it('stops at the nesting limit, both ways', () => {
    const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)])
    const deepest = encodeCbor(nested(CBOR_DEPTH_MAX))
    expect(decodeCbor(deepest)).toEqual(nested(CBOR_DEPTH_MAX))
    expect(refusal(() => encodeCbor(nested(CBOR_DEPTH_MAX + 1)))).toBe('INTERNAL')
    expect(refusal(() => decodeCbor(fromHex(`81${toHex(deepest)}`)))).toBe('MALFORMED')
    expect(refusal(() => decodeCbor(new Uint8Array(1_000_000).fill(0x81)))).toBe('MALFORMED')
  })

  it('write keys in the order of their bytes, not of their UTF-16 units', () => {
    const value = { '\uffee': 1, '\u{1f600}': 2, z: 3, '\u00e9': 4 }
    expect(Object.keys(decodeCbor(encodeCbor(value)) as object)).toEqual([
      'z',
      '\u00e9',
      '\uffee',
      '\u{1f600}',
    ])
  })

  it('take values of megabytes and more keys than are kept in mind', () => {
    const large = { bytes: new Uint8Array(3_000_000).fill(7), text: 'ä'.repeat(500_000) }
    expect(decodeCbor(encodeCbor(large))).toEqual(large)
    const many = Object.fromEntries(Array.from({ length: 5000 }, (_, at) => [`key ${at}`, at]))
    expect(decodeCbor(encodeCbor(many))).toEqual(many)
    expect(toHex(encodeCbor(1))).toBe('01')
  })

  it('keeps a key named __proto__ as a plain property', () => {
    const bytes = fromHex('a1695f5f70726f746f5f5f01')
    const value = decodeCbor(bytes) as Record<string, unknown>
    expect(Object.entries(value)).toEqual([['__proto__', 1]])
    expect(toHex(encodeCbor(value))).toBe(toHex(bytes))
  })

  it('hands out bytes of its own, not a window into the message', () => {
    const message = encodeCbor([Uint8Array.of(1, 2)])
    const [part] = decodeCbor(message) as [Uint8Array]
    message.fill(0)
    expect(part).toEqual(Uint8Array.of(1, 2))
    expect(Object.getPrototypeOf(part)).toBe(Uint8Array.prototype)
    expect(decodeCbor(Buffer.from('8141ff', 'hex'))).toEqual([Uint8Array.of(255)])
  })
})

const cbor = shared('vectors/cbor')
describe.skipIf(cbor === null)('external CBOR vectors (needs ../shared/vectors)', () => {
  const read = (name: string) => readFileSync(join(cbor!, name))
  const json = <T>(name: string): T => JSON.parse(read(name).toString())

  it('RFC 8949: nothing that is not well formed gets in; an example comes back the same or is refused', () => {
    const vectors = json<{ encoded_items: { hex: string }[]; not_well_formed: { hex: string }[] }>(
      'rfc8949-vectors.json',
    )
    for (const { hex } of vectors.not_well_formed)
      expect(
        refusal(() => decodeCbor(fromHex(hex))),
        hex,
      ).toBe('MALFORMED')
    let accepted = 0
    for (const { hex } of vectors.encoded_items) {
      if (refusal(() => decodeCbor(fromHex(hex))) === 'MALFORMED') continue
      accepted++
      expect(toHex(encodeCbor(decodeCbor(fromHex(hex))))).toBe(hex)
      expect(decodeCbor(fromHex(hex))).toEqual(libraryDecode(fromHex(hex)))
    }
    expect([vectors.not_well_formed.length, accepted]).toEqual([94, 34])
  })

  it('deterministic encoding table: integers have their one form; everything else in it is refused', () => {
    const rows = read('cde-example-table.csv').toString().trim().split(/\r?\n/).map(csvFields)
    const seen = { int: 0, flt: 0, bad: 0 }
    for (const [kind, value, hex] of rows) {
      if (kind !== 'int' && kind !== 'flt' && kind !== 'bad') throw new Error(`row of kind ${kind}`)
      seen[kind]++
      if (kind === 'int' && Number.isSafeInteger(Number(value))) {
        expect(decodeCbor(fromHex(hex!))).toBe(Number(value))
        expect(toHex(encodeCbor(Number(value)))).toBe(hex)
      } else
        expect(
          refusal(() => decodeCbor(fromHex(hex!))),
          hex,
        ).toBe('MALFORMED')
    }
    expect(seen.int + seen.flt + seen.bad).toBe(rows.length)
    expect(Math.min(seen.int, seen.flt, seen.bad)).toBeGreaterThan(5)
  })

  it('DAG-CBOR fixtures come back the same or are refused; repeated keys are refused', () => {
    let accepted = 0
    for (const folder of readdirSync(join(cbor!, 'dag-cbor-fixtures'))) {
      for (const file of readdirSync(join(cbor!, 'dag-cbor-fixtures', folder))) {
        if (!file.endsWith('.dag-cbor')) continue
        const bytes = new Uint8Array(read(join('dag-cbor-fixtures', folder, file)))
        if (refusal(() => decodeCbor(bytes)) === 'MALFORMED') {
          expect(folder, 'only floats, links, big integers and mixtures of them are refused').toMatch(
            /^(float|cid|int-|garbage)/,
          )
          continue
        }
        accepted++
        expect(toHex(encodeCbor(decodeCbor(bytes)))).toBe(toHex(bytes))
      }
    }
    expect(accepted).toBeGreaterThan(30)
    for (const { hex } of json<{ hex: string }[]>('dag-cbor-negative-duplicate-keys.json'))
      expect(refusal(() => decodeCbor(fromHex(hex)))).toBe('MALFORMED')
  })
})

function csvFields(line: string): string[] {
  return [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)].map((match) => match[1]!)
}
