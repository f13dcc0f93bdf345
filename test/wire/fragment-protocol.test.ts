import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat, fromHex, toHex } from '../../src/bytes.ts'
import { XcareError } from '../../src/errors.ts'
import { CREDIT_BYTES_MAX, FRAGMENT_BYTES_MAX, FRAME_BYTES_MAX, STRIPES_MAX } from '../../src/limits.ts'
import {
  type ClientMessage,
  CreditWindow,
  decodeClientFrame,
  decodeNodeFrame,
  deleteOrderBytes,
  encodeFragments,
  encodeFrame,
  HEADS_MAX,
  type NodeMessage,
  putOrderBytes,
  SHARE_BYTES,
  storageReceiptBytes,
} from '../../src/wire/fragment-protocol.ts'

interface Vectors {
  accept: { message: { op: string }; frame: string }[]
  reject: { name: string; frame: string }[]
  signed: Record<'putOrder' | 'deleteOrder' | 'storageReceipt', { fields: object; bytes: string }>
}
const vectors = JSON.parse(
  readFileSync(new URL('../vectors/fragment-protocol.json', import.meta.url), 'utf8'),
  (_, value) => (typeof value?.hex === 'string' ? fromHex(value.hex) : value),
) as Vectors

type AnyMessage = ClientMessage | NodeMessage
const decoders = [decodeClientFrame, decodeNodeFrame] as const
const decoded = (frame: Uint8Array) =>
  decoders.map((decode) => {
    try {
      return decode(frame) as AnyMessage
    } catch (error) {
      expect(error).toBeInstanceOf(XcareError)
      expect((error as XcareError).code).toBe('MALFORMED')
      return null
    }
  })

describe('frozen frames', () => {
  test.each(vectors.accept)('$message.op', ({ message, frame }) => {
    expect(toHex(concat(...encodeFrame(message as AnyMessage)))).toBe(frame)
    const isNodes = Number.parseInt(frame.slice(0, 2), 16) >= 0x40
    const [asClient, asNode] = decoded(fromHex(frame))
    expect(isNodes ? asNode : asClient).toEqual(message)
    // Nobody may speak for the other side.
    expect(isNodes ? asClient : asNode).toBe(null)
  })

  test.each(vectors.reject)('refuses $name', ({ frame }) => {
    expect(decoded(fromHex(frame))).toEqual([null, null])
  })

  test('what is signed never changes its bytes', () => {
    const { putOrder, deleteOrder, storageReceipt } = vectors.signed
    expect(toHex(putOrderBytes(putOrder.fields as never))).toBe(putOrder.bytes)
    expect(toHex(deleteOrderBytes(deleteOrder.fields as never))).toBe(deleteOrder.bytes)
    expect(toHex(storageReceiptBytes(storageReceipt.fields as never))).toBe(storageReceipt.bytes)
  })
})

test('bodies are passed on and handed out without a copy', () => {
  const body = new Uint8Array(FRAGMENT_BYTES_MAX).fill(3)
  const parts = encodeFrame({ op: 'PUT', stripe: 1, first: 0, body })
  expect(parts[1]).toBe(body)
  const frame = concat(...parts)
  const message = decodeClientFrame(frame) as { body: Uint8Array }
  expect(message.body.buffer).toBe(frame.buffer)
})

test('fragments that lie apart give the frame that they give side by side', () => {
  const fragments = [1, 2, 3].map((value) => new Uint8Array(FRAGMENT_BYTES_MAX).fill(value))
  const apart = encodeFragments('PUT', { stripe: 1, first: 4 }, fragments)
  for (const [at, fragment] of fragments.entries()) expect(apart[at + 1]).toBe(fragment)
  const together = encodeFrame({ op: 'PUT', stripe: 1, first: 4, body: concat(...fragments) })
  expect(concat(...apart)).toEqual(concat(...together))
  expect(() => encodeFragments('FRAG', { stripe: 1, first: 4 }, [])).toThrow('FRAG')
  const tooMany = Array.from({ length: 17 }, () => fragments[0]!)
  expect(() => encodeFragments('PUT', { stripe: 1, first: 4 }, tooMany)).toThrow('PUT')
})

test('the largest bodies fit and one step more does not', () => {
  const heads = (count: number) => () =>
    encodeFrame({ op: 'HEADS', first: 0, from: 0, to: count, body: new Uint8Array(count * SHARE_BYTES) })
  expect(heads(HEADS_MAX)).not.toThrow()
  expect(heads(HEADS_MAX + 1)).toThrow('HEADS')
  const hashes = (count: number) => () =>
    encodeFrame({ op: 'HASHES', first: 0, count: 1, body: new Uint8Array(count * 32) })
  expect(hashes(STRIPES_MAX)).not.toThrow()
  expect(hashes(STRIPES_MAX + 1)).toThrow('HASHES')
  expect(() => decodeNodeFrame(new Uint8Array(FRAME_BYTES_MAX + 1))).toThrow('too long')
})

test('an ACK that runs ahead or falls back is refused, one in order frees credit', () => {
  const window = new CreditWindow()
  window.take(CREDIT_BYTES_MAX - 100)
  expect(window.hasRoom(101)).toBe(false)
  window.take(100)
  window.settle(1)
  expect(window.hasRoom(CREDIT_BYTES_MAX - 100)).toBe(true)
  expect(window.hasRoom(CREDIT_BYTES_MAX - 99)).toBe(false)
  expect(() => window.settle(0)).toThrow('ACK')
  expect(() => window.settle(3)).toThrow('ACK')
  window.settle(2)
  expect(window.acked).toBe(2)
})

describe('fuzz', () => {
  test('random bytes give a message or MALFORMED, nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        decoded(bytes)
      }),
      { numRuns: 3000 },
    )
  })

  test('a mutated frame that still passes is the frame of what was read', () => {
    const frames = vectors.accept.map(({ frame }) => fromHex(frame))
    const mutation = fc.record({
      which: fc.nat(frames.length - 1),
      changes: fc.array(
        fc.record({ at: fc.nat(1 << 20), byte: fc.nat(255), kind: fc.constantFrom('set', 'cut', 'insert') }),
        {
          minLength: 1,
          maxLength: 4,
        },
      ),
    })
    fc.assert(
      fc.property(mutation, ({ which, changes }) => {
        let frame = frames[which]!
        for (const { at: far, byte, kind } of changes) {
          // Most changes go to the head, where the rules are.
          const at = far % Math.max(1, far % 3 === 0 ? frame.length : Math.min(frame.length, 200))
          if (kind === 'cut') frame = frame.slice(0, at)
          else if (kind === 'insert')
            frame = concat(frame.subarray(0, at), Uint8Array.of(byte), frame.subarray(at))
          else frame = frame.map((old, index) => (index === at ? byte : old))
        }
        for (const message of decoded(frame))
          if (message) expect(concat(...encodeFrame(message))).toEqual(frame)
      }),
      { numRuns: 3000 },
    )
  })
})
