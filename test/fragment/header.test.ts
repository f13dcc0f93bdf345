import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { XcareError } from '../../src/errors.ts'
import {
  decodeHead,
  encodeHead,
  type FragmentHeader,
  sameHeader,
  writeHead,
} from '../../src/fragment/header.ts'

const header: FragmentHeader = {
  objectId: new Uint8Array(32).fill(7),
  version: 3,
  stripe: 4,
  column: 11,
  k: 6,
  n: 12,
  shardBytes: 65536,
  stripes: 5,
}
const share = new Uint8Array(33).fill(9).fill(12, 32)

function put(head: Uint8Array, at: number, ...values: number[]): Uint8Array {
  head.set(values, at)
  return head
}

describe('fragment head', () => {
  it('is 1024 bytes and reads back', () => {
    const head = encodeHead(header, share)
    expect(head.length).toBe(1024)
    expect(decodeHead(head)).toEqual({ header, share })
    expect(sameHeader(decodeHead(head).header, header)).toBe(true)
    expect(sameHeader({ ...header, version: 4 }, header)).toBe(false)
  })

  it('is written over whatever was in the buffer', () => {
    const out = new Uint8Array(3000).fill(0xee)
    writeHead(header, share, out, 100)
    expect(out.subarray(100, 1124)).toEqual(encodeHead(header, share))
    expect(out[99]).toBe(0xee)
    expect(out[1124]).toBe(0xee)
  })

  const changes: [string, (head: Uint8Array) => Uint8Array][] = [
    ['a short head', (head) => head.subarray(1)],
    ['a long head', (head) => Uint8Array.of(...head, 0)],
    ['another mark', (head) => put(head, 0, 0x59)],
    ['version 0', (head) => head.fill(0, 36, 40)],
    ['a stripe past the last', (head) => put(head, 43, 5)],
    ['a column past the last', (head) => put(head, 47, 12)],
    ['k = 0', (head) => put(head, 51, 0)],
    ['k = 1', (head) => put(head, 51, 1)],
    ['k = n', (head) => put(head, 51, 12)],
    ['n = 256', (head) => put(head, 54, 1, 0)],
    ['a shard of no whole step', (head) => put(head, 59, 1)],
    ['an empty shard', (head) => head.fill(0, 56, 60)],
    ['a shard above 64 KiB', (head) => put(head, 57, 2)],
    ['no stripes', (head) => head.fill(0, 60, 64)],
    ['too many stripes', (head) => put(head, 60, 1)],
    ['a share at position 0', (head) => put(head, 96, 0)],
    ['a share at the position of another column', (head) => put(head, 96, 11)],
    ['a byte in the tail', (head) => put(head, 97, 1)],
    ['a last byte in the tail', (head) => put(head, 1023, 1)],
  ]
  it.each(changes)('must reject %s', (_, change) => {
    const head = encodeHead(header, share)
    expect(() => decodeHead(change(head))).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
  })

  it('refuses to write what it would not read', () => {
    for (const flaw of [
      { version: 0 },
      { column: 12 },
      { stripe: -1 },
      { k: 2.5 },
      { objectId: new Uint8Array(31) },
    ])
      expect(() => encodeHead({ ...header, ...flaw }, share)).toThrow(XcareError)
    expect(() => encodeHead(header, new Uint8Array(33))).toThrow(XcareError)
    expect(() => encodeHead(header, new Uint8Array(32).fill(1))).toThrow(XcareError)
  })

  it('only ever throws XcareError, and reads nothing that it would not write', () => {
    const edits = fc.array(fc.tuple(fc.nat(99), fc.nat(255)), { maxLength: 6 })
    fc.assert(
      fc.property(edits, fc.nat(1100), (changes, length) => {
        const head = encodeHead(header, share)
        for (const [at, value] of changes) head[at] = value
        const input = length > 1024 ? head : head.subarray(0, length)
        try {
          const read = decodeHead(input)
          expect(encodeHead(read.header, read.share)).toEqual(input)
        } catch (error) {
          expect(error).toBeInstanceOf(XcareError)
        }
      }),
      { numRuns: 500 },
    )
  })
})
