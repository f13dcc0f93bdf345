import { describe, expect, test } from 'vitest'
import { PatternCheck, patternRecord } from '../../../src/cli/bench/pattern.ts'

const LENGTH = 700_001

async function recordBytes(number: number): Promise<Uint8Array> {
  const slices: Uint8Array[] = []
  for await (const slice of patternRecord(number, LENGTH).read(0, LENGTH)) slices.push(slice)
  return Buffer.concat(slices)
}

/** Shows `bytes` to a check of record 7, in slices of these lengths over and over. */
function check(bytes: Uint8Array, lengths: number[]): void {
  const seen = new PatternCheck(7, LENGTH)
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const length = lengths[turn % lengths.length]!
    seen.next(bytes.subarray(at, at + length))
    at += length
  }
  seen.end()
}

describe('the check of a record that comes back', () => {
  const WAYS = [[LENGTH], [1, 4095, 4096, 131_071, 131_073], [262_144], [65_537, 3]]

  test.each(WAYS.map((lengths) => ({ lengths })))(
    'takes what was stored, in slices of $lengths',
    async ({ lengths }) => {
      const bytes = await recordBytes(7)
      expect(() => check(bytes, lengths)).not.toThrow()
    },
  )

  test.each([0, 4095, 4096, 131_071, 131_072, 400_000, LENGTH - 1])(
    'finds one flipped bit of byte %d',
    async (at) => {
      const bytes = await recordBytes(7)
      bytes[at]! ^= 1
      for (const lengths of WAYS) expect(() => check(bytes, lengths)).toThrow(/differ/)
    },
  )

  test('finds another record, one that is too short, and one that is too long', async () => {
    const [bytes, other] = [await recordBytes(7), await recordBytes(8)]
    expect(() => check(other, [65_536])).toThrow(/differ/)
    expect(() => check(bytes.subarray(0, LENGTH - 1), [65_536])).toThrow(/came back with/)
    expect(() => check(Buffer.concat([bytes, bytes.subarray(0, 9)]), [65_536])).toThrow(/differ/)
  })
})
