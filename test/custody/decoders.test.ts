import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../../src/bytes.ts'
import { decodeCbor, encodeCbor } from '../../src/cbor.ts'
import { depositFormat, depositReceiptFormat } from '../../src/custody/deposit.ts'
import { destroyOrderFormat, destroyReceiptFormat, destructionFormat } from '../../src/custody/destroy.ts'
import { decodeLetter, grantFormat } from '../../src/custody/grant.ts'
import { mailQuestionFormat } from '../../src/custody/mail.ts'
import { noticeFormat } from '../../src/custody/notice.ts'
import { questionFormat, receiptFormat } from '../../src/custody/release/receipt.ts'
import { requestFormat } from '../../src/custody/release/request.ts'
import { XcareError } from '../../src/errors.ts'
import { CUSTODY_MESSAGE_BYTES_MAX } from '../../src/limits.ts'
import { answerFrame, requestFrame } from '../../src/wire/custody-protocol.ts'
import custodyVectors from '../vectors/custody.json' with { type: 'json' }
import protocolVectors from '../vectors/custody-protocol.json' with { type: 'json' }
import grantVectors from '../vectors/grant.json' with { type: 'json' }

type Decode = (bytes: Uint8Array) => unknown

/** Every decoder of custody, with good bytes frozen in the vectors. */
const decoders: Record<string, Decode> = {
  deposit: depositFormat.decode,
  depositReceipt: depositReceiptFormat.decode,
  request: requestFormat.decode,
  receipt: receiptFormat.decode,
  receiptQuestion: questionFormat.decode,
  destroyOrder: destroyOrderFormat.decode,
  destroyReceipt: destroyReceiptFormat.decode,
  destruction: destructionFormat.decode,
  mailQuestion: mailQuestionFormat.decode,
  notice: noticeFormat.decode,
  grant: grantFormat.decode,
  letter: decodeLetter,
  requestFrame: requestFrame.decode,
  answerFrame: answerFrame.decode,
}
interface Vectors {
  good: Record<string, string | string[]>
  mustReject: { format: string; why: string; bytes: string }[]
}
const vectors = [custodyVectors, grantVectors, protocolVectors] as Vectors[]
const good = vectors.flatMap((file) =>
  Object.entries(file.good).flatMap(([name, hex]) =>
    [hex].flat().map((each) => [name, fromHex(each)] as const),
  ),
)
const bad = vectors.flatMap((file) => file.mustReject)

function outcome(decode: Decode, bytes: Uint8Array): 'read' | 'refused' {
  try {
    decode(bytes)
    return 'read'
  } catch (error) {
    // Anything but a typed error is a bug.
    if (error instanceof XcareError && (error.code === 'MALFORMED' || error.code === 'INTEGRITY'))
      return 'refused'
    throw error
  }
}

describe('frozen vectors', () => {
  test.each(good)('%s is read', (name, bytes) => {
    expect(outcome(decoders[name]!, bytes)).toBe('read')
    // Strict encoding: what was read has this one form.
    expect(toHex(encodeCbor(decodeCbor(bytes)))).toBe(toHex(bytes))
  })

  test.each(bad)('$format: $why is refused', ({ format, bytes }) => {
    expect(outcome(decoders[format]!, fromHex(bytes))).toBe('refused')
  })

  test('every decoder has a good vector and a must-reject vector', () => {
    const names = Object.keys(decoders).sort()
    expect([...new Set(good.map(([name]) => name))].sort()).toEqual(names)
    expect([...new Set(bad.map(({ format }) => format))].sort()).toEqual(names)
  })
})

describe.each(Object.keys(decoders))('decoder %s', (name) => {
  const decode = decoders[name]!
  const sample = good.find(([of]) => of === name)![1]

  test('survives anything', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => void outcome(decode, bytes)),
      { numRuns: 1000 },
    )
  })

  test('survives its own bytes cut, grown and flipped', () => {
    for (let length = 0; length < sample.length; length += Math.ceil(sample.length / 200))
      expect(outcome(decode, sample.slice(0, length))).toBe('refused')
    expect(outcome(decode, new Uint8Array([...sample, 0]))).toBe('refused')
    fc.assert(
      fc.property(fc.nat(sample.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bytes = sample.slice()
        bytes[at]! ^= flip
        outcome(decode, bytes)
      }),
      { numRuns: 500 },
    )
  })

  test('refuses more bytes than any message has, before looking at them', () => {
    expect(outcome(decode, new Uint8Array(CUSTODY_MESSAGE_BYTES_MAX + 10_000))).toBe('refused')
  })

  test('refuses one field more and one field less', () => {
    const value = decodeCbor(sample) as Record<string, unknown>
    expect(outcome(decode, encodeCbor({ ...value, zzz: 1 }))).toBe('refused')
    for (const field of Object.keys(value)) {
      const { [field]: _, ...less } = value
      expect(outcome(decode, encodeCbor(less))).toBe('refused')
    }
  })
})
