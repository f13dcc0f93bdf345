import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat } from '../../src/bytes.ts'
import { ByteQueue } from '../../src/net/frames/_byte-queue.ts'

describe('a byte queue', () => {
  test('gives back the bytes it got, however they were cut on the way in and out', () => {
    const chunks = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 30 })
    fc.assert(
      fc.property(chunks, fc.array(fc.integer({ min: 0, max: 60 })), (parts, takes) => {
        const queue = new ByteQueue()
        const whole = concat(...parts)
        for (const part of parts) {
          queue.push(part)
          // Whoever brought it uses its memory again.
          part.fill(0xee)
        }
        let at = 0
        for (const want of takes) {
          const count = Math.min(want, whole.length - at)
          if (count >= 4) expect(queue.peekU32()).toBe(new DataView(whole.buffer, at).getUint32(0))
          if (want % 3 === 0) queue.drop(count)
          else expect(queue.take(count)).toEqual(whole.slice(at, at + count))
          at += count
          expect(queue.length).toBe(whole.length - at)
        }
      }),
      { numRuns: 200 },
    )
  })

  test('puts what comes to the place that was reserved for it, and what is too much behind', () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 70 }), { maxLength: 20 })
    fc.assert(
      fc.property(cuts, cuts, fc.integer({ min: 0, max: 4 }), (parts, pieces, headBytes) => {
        const pushes = [...parts]
        const whole = new Uint8Array(pushes.reduce((sum, count) => sum + count, 0)).map((_, at) => at + 1)
        const queue = new ByteQueue()
        let pushed = 0
        let taken = 0
        const push = (count: number) => {
          queue.push(whole.slice(pushed, pushed + count))
          pushed += count
        }
        for (const piece of pieces) {
          while (pushes.length > 0 && queue.length < piece) {
            if (queue.length >= 4)
              expect(queue.peekU32()).toBe(new DataView(whole.buffer, taken).getUint32(0))
            queue.reserve(piece)
            push(pushes.shift()!)
          }
          if (queue.length < piece) break
          const head = Math.min(headBytes, piece)
          queue.drop(head)
          expect(queue.take(piece - head)).toEqual(whole.slice(taken + head, taken + piece))
          taken += piece
          expect(queue.length).toBe(pushed - taken)
        }
      }),
      { numRuns: 300 },
    )
  })

  test('a piece whose room was reserved is copied once, and is alone in its memory', () => {
    const queue = new ByteQueue()
    queue.push(new Uint8Array(10).fill(1))
    queue.reserve(1000)
    for (let at = 0; at < 10; at++) queue.push(new Uint8Array(100).fill(2))
    queue.drop(4)
    const piece = queue.take(996)
    expect(piece.byteOffset).toBe(4)
    expect(piece.buffer.byteLength).toBe(1000)
    expect(queue.length).toBe(10)
  })

  test('hands out plain arrays, never Buffers, and copies small cuts of large chunks', () => {
    const queue = new ByteQueue()
    const chunk = Buffer.alloc(1000, 7)
    queue.push(new Uint8Array(chunk.buffer.slice(chunk.byteOffset, chunk.byteOffset + 1000)))
    expect(queue.take(10).buffer.byteLength).toBe(10)
    queue.push(Buffer.allocUnsafeSlow(100).fill(1))
    queue.drop(990)
    const view = queue.take(90)
    expect(Buffer.isBuffer(view)).toBe(false)
    expect(view).toEqual(new Uint8Array(90).fill(1))
  })

  test('whoever moves the memory of a piece takes no bytes of the next one along', () => {
    const queue = new ByteQueue()
    queue.push(new Uint8Array(1000).map((_, at) => at))
    const first = queue.take(950)
    structuredClone(first, { transfer: [first.buffer as ArrayBuffer] })
    expect(queue.take(50)).toEqual(new Uint8Array(50).map((_, at) => 950 + at))
  })

  test('fills memory that was given back instead of new memory, only where little of it stays unused', () => {
    const queue = new ByteQueue()
    const fill = (length: number, byte: number) => {
      for (let at = 0; at < length; at += 16) queue.push(new Uint8Array(Math.min(16, length - at)).fill(byte))
      return queue.take(length)
    }
    const first = fill(1000, 1)
    const memory = first.buffer as ArrayBuffer
    queue.recycle(memory)
    expect(fill(1001, 2).buffer).not.toBe(memory)
    expect(fill(900, 3).buffer).not.toBe(memory)
    const again = fill(990, 4)
    expect(again.buffer).toBe(memory)
    expect(again).toEqual(new Uint8Array(990).fill(4))
    expect(fill(990, 5).buffer).not.toBe(memory)
    expect(again[0]).toBe(4)
  })

  test('keeps little memory for later, however much is given back', () => {
    const queue = new ByteQueue()
    const given = Array.from({ length: 100 }, () => new ArrayBuffer(256 * 1024))
    for (const memory of given) queue.recycle(memory)
    const taken = new Set<ArrayBufferLike>()
    for (let at = 0; at < 100; at++) {
      queue.push(new Uint8Array(128 * 1024))
      queue.push(new Uint8Array(128 * 1024))
      taken.add(queue.take(256 * 1024).buffer)
    }
    expect(given.filter((memory) => taken.has(memory)).length).toBeLessThanOrEqual(16)
  })
})
