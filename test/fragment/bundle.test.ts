import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, equalBytes, u32be, utf8 } from '../../src/bytes.ts'
import { encodeCbor } from '../../src/cbor.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import { XcareError } from '../../src/errors.ts'
import {
  bundledBytes,
  bundleHeadBytes,
  bundleRecord,
  packBundle,
  readBundleIndex,
} from '../../src/fragment/bundle.ts'

const code = (name: string) => expect.objectContaining({ code: name })
const record = (name: string, content = name, mediaType = 'text/plain') => ({
  name,
  mediaType,
  bytes: utf8(content),
})

function bundleOf(entries: unknown, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const index = encodeCbor(entries)
  return concat(u32be(index.length), index, data)
}
const entry = { name: 'a', mediaType: 'text/plain', length: 1, sha256: sha256(utf8('x')) }

describe('bundle', () => {
  it('gives back its records, each by its own range', () => {
    const records = [
      record('b/1.json', '{}', 'application/fhir+json'),
      record('a.txt', ''),
      record('ä ö.txt', 'umlaut'),
    ]
    const bundle = packBundle(records)
    const head = bundle.subarray(0, bundleHeadBytes(bundle.subarray(0, 4)))
    const entries = readBundleIndex(head, bundle.length)
    expect(entries).toEqual(readBundleIndex(bundle))
    expect(entries.map(({ name, mediaType }) => ({ name, mediaType }))).toEqual(
      records.map(({ name, mediaType }) => ({ name, mediaType })),
    )
    entries.forEach((each, at) => {
      expect(equalBytes(bundleRecord(bundle, each), records[at]!.bytes)).toBe(true)
    })
  })

  it('holds ten thousand records', () => {
    const records = Array.from({ length: 10_000 }, (_, at) => record(`lab/${at}.json`))
    const bundle = packBundle(records)
    const entries = readBundleIndex(bundle)
    expect(entries.length).toBe(10_000)
    expect(bundleRecord(bundle, entries[9_999]!)).toEqual(utf8('lab/9999.json'))
  })

  const badNames = [
    '',
    '/etc/passwd',
    '../up',
    'a/../b',
    'a//b',
    './a',
    'a/.',
    'a/',
    'a\\b',
    'C:x',
    'a\0b',
    'a\nb',
    'a\u202etxt.exe',
    '\ud800',
    'ä'.repeat(128),
  ]
  it.each(badNames)('refuses the name %j, written or read', (name) => {
    expect(() => packBundle([record(name, 'x')])).toThrow(code('USAGE'))
    if (!name.isWellFormed()) return
    expect(() => readBundleIndex(bundleOf([{ ...entry, name }], utf8('x')))).toThrow(code('MALFORMED'))
  })

  it('refuses names that are repeated or in each other\u2019s way', () => {
    for (const names of [
      ['a', 'a'],
      ['a/b', 'a'],
      ['a', 'a/b'],
      ['a', 'b', 'a/c/d'],
      ['a/c/d', 'b', 'a'],
      ['x/y', 'x/y/z'],
    ]) {
      expect(() => packBundle(names.map((name) => record(name, 'x')))).toThrow(code('USAGE'))
      const entries = names.map((name) => ({ ...entry, name }))
      expect(() => readBundleIndex(bundleOf(entries, utf8('x'.repeat(names.length))))).toThrow(
        code('MALFORMED'),
      )
    }
  })

  it('says what a record adds, never too little: whoever fills a bundle up to a limit stays below it', () => {
    for (const name of ['a', 'ä'.repeat(127), 'x'.repeat(255)])
      for (const size of [0, 23, 24, 255, 256, 65_535, 65_536]) {
        const records = [{ ...record(name, '', 'text/plain; charset=utf-8'), bytes: new Uint8Array(size) }]
        const told = records.map((each) => bundledBytes({ ...each, length: size }))
        expect(packBundle(records).length).toBeLessThanOrEqual(told.reduce((sum, each) => sum + each, 0))
      }
    const many = Array.from({ length: 3000 }, (_, at) => record(`${at}`))
    const told = many.reduce((sum, each) => sum + bundledBytes({ ...each, length: each.bytes.length }), 0)
    expect(packBundle(many).length).toBeLessThanOrEqual(told)
  })

  it('refuses no records and bad media types', () => {
    expect(() => packBundle([])).toThrow(code('USAGE'))
    for (const mediaType of ['', 'text', 'text/', 'a/b\nc', `text/${'x'.repeat(300)}`])
      expect(() => packBundle([record('a', 'x', mediaType)])).toThrow(code('USAGE'))
  })

  const good = bundleOf([entry], utf8('x'))
  const rejects: [string, Uint8Array][] = [
    ['nothing', new Uint8Array(0)],
    ['half a prefix', good.subarray(0, 3)],
    ['half an index', good.subarray(0, 20)],
    ['a missing record', good.subarray(0, -1)],
    ['bytes behind the last record', concat(good, utf8('y'))],
    ['an index above its cap', concat(u32be(2 ** 31), good.subarray(4))],
    ['an empty index', bundleOf([])],
    ['an index that is no list', bundleOf({ a: 1 })],
    ['an unknown field', bundleOf([{ ...entry, extra: 1 }], utf8('x'))],
    ['a negative length', bundleOf([{ ...entry, length: -1 }], utf8('x'))],
    ['a short hash', bundleOf([{ ...entry, sha256: new Uint8Array(31) }], utf8('x'))],
  ]
  it.each(rejects)('must reject %s', (_, bytes) => {
    expect(() => readBundleIndex(bytes)).toThrow(code('MALFORMED'))
  })

  it('finds a record that differs from its hash', () => {
    const [only] = readBundleIndex(good)
    expect(bundleRecord(good, only!)).toEqual(utf8('x'))
    const bad = good.slice()
    bad[bad.length - 1]! ^= 1
    expect(() => bundleRecord(bad, only!)).toThrow(code('INTEGRITY'))
    expect(() => bundleRecord(good.subarray(0, -1), only!)).toThrow(code('INTEGRITY'))
  })

  it('only ever throws XcareError', () => {
    const bundle = packBundle([record('a'), record('b/c'), record('d')])
    const edits = fc.array(fc.tuple(fc.nat(bundle.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
    const inputs = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      edits.map((changes) => {
        const bytes = bundle.slice()
        for (const [at, value] of changes) bytes[at] = value
        return bytes
      }),
    )
    fc.assert(
      fc.property(inputs, (bytes) => {
        try {
          for (const each of readBundleIndex(bytes)) bundleRecord(bytes, each)
        } catch (error) {
          expect(error).toBeInstanceOf(XcareError)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('round trips whatever names are allowed', () => {
    const name = fc.stringMatching(/^[a-z0-9 ._-]{1,12}$/).filter((each) => each !== '.' && each !== '..')
    const records = fc.uniqueArray(fc.record({ name, content: fc.string() }), {
      selector: (each) => each.name,
      minLength: 1,
      maxLength: 8,
    })
    fc.assert(
      fc.property(records, (each) => {
        const bundle = packBundle(each.map(({ name, content }) => record(name, content)))
        const read = readBundleIndex(bundle).map((one) => bundleRecord(bundle, one))
        expect(read).toEqual(each.map(({ content }) => utf8(content)))
      }),
    )
  })
})
