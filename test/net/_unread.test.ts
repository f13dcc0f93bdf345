import fc from 'fast-check'
import { expect, test } from 'vitest'
import { concat } from '../../src/bytes.ts'
import { UnreadMessage } from '../../src/net/mux/_unread.ts'

function message(length: number): Uint8Array {
  const prefix: number[] = []
  for (let left = length; ; left = Math.floor(left / 128)) {
    prefix.push(left >= 128 ? (left % 128) | 0x80 : left)
    if (left < 128) break
  }
  return concat(Uint8Array.from(prefix), new Uint8Array(length).fill(7))
}

test('however the bytes are cut, what is kept is the part of the last message that came', () => {
  const lengths = fc.array(fc.nat(40_000), { maxLength: 5 })
  fc.assert(
    fc.property(
      lengths,
      fc.integer({ min: 1, max: 100_000 }),
      fc.array(fc.integer({ min: 1, max: 9000 })),
      (all, last, cuts) => {
        const unread = new UnreadMessage()
        const whole = message(last)
        const bytes = concat(...all.map(message), whole.subarray(0, whole.length - 1))
        let at = 0
        for (const cut of [...cuts, bytes.length]) {
          unread.take(bytes.subarray(at, at + cut))
          at += cut
        }
        expect(unread.bytes).toBe(last - 1)
        unread.take(whole.subarray(whole.length - 1))
        expect(unread.bytes).toBe(0)
      },
    ),
  )
})
