import { describe, expect, test } from 'vitest'
import { repairSentence } from '../../src/cli/commands/repair.ts'
import { requireObjectWord } from '../../src/cli/object-id.ts'
import { plainText, sentenceOf, sizeOf } from '../../src/cli/sentences.ts'
import { parseUntil } from '../../src/cli/until.ts'
import { parsePurpose } from '../../src/custody/purpose.ts'
import { asXcareError, type ErrorCode } from '../../src/errors.ts'
import { layoutOf } from '../../src/fragment/layout.ts'
import { profileNamed } from '../../src/fragment/profile.ts'
import { objectIdFromBytes } from '../../src/ids.ts'

const NOW = Date.UTC(2026, 10, 22)
const OBJECT = objectIdFromBytes(new Uint8Array(32).fill(7))

function codeOf(run: () => unknown): ErrorCode | null {
  try {
    run()
    return null
  } catch (error) {
    return asXcareError(error).code
  }
}

describe('words of the command line', () => {
  test.each([
    ['15m', NOW + 15 * 60_000],
    ['12h', NOW + 12 * 3_600_000],
    ['30d', NOW + 30 * 86_400_000],
    ['2027-03-01', Date.UTC(2027, 2, 1)],
    ['2027-03-01T10:30:00Z', Date.UTC(2027, 2, 1, 10, 30)],
  ])('--until %s', (text, untilMs) => {
    expect(parseUntil(text, NOW)).toBe(untilMs)
  })

  test.each(['soon', '', '0d', '-3d', '1.5h', '10y', '2001-01-01', '2026-13-40', '9999999d', 'd'])(
    '--until %j is refused',
    (text) => {
      expect(codeOf(() => parseUntil(text, NOW))).toBe('USAGE')
    },
  )

  test.each(['grid', 'open', 'deep', '6/12', '20/40'])('--profile %s', (name) => {
    const { k, n } = profileNamed(name)
    expect(k).toBeGreaterThan(1)
    expect(n).toBeGreaterThan(k)
  })

  test.each(['', 'huge', '12/6', '6/', '/12', '6/12/18', '6.5/12', '-6/12', '6/100000', 'constructor'])(
    '--profile %j is refused',
    (name) => {
      expect(codeOf(() => profileNamed(name))).toBe('USAGE')
    },
  )

  test.each(['6/6', '1/4', '100/40000'])('--profile %s is refused before anything is sent', (name) => {
    const { k, n } = profileNamed(name)
    expect(codeOf(() => layoutOf(1000, k, n))).toBe('USAGE')
  })

  test('--purpose is one of the codes, in any case', () => {
    expect(parsePurpose('treat')).toBe('TREAT')
    for (const word of ['', 'FUN', 'BTG', '__proto__', 'toString'])
      expect(codeOf(() => parsePurpose(word))).toBe('USAGE')
  })

  test('an object id has one spelling; its first letters will do', () => {
    for (const word of [OBJECT, OBJECT.slice(0, 4), OBJECT.slice(0, 52)])
      expect(codeOf(() => requireObjectWord(word))).toBeNull()
    for (const word of [
      ...['', 'xyz', 'b2', OBJECT.slice(1), `${OBJECT}a`, `${OBJECT.slice(0, 52)}b`],
      ...[OBJECT.toUpperCase(), ` ${OBJECT}`, '../letter'],
    ])
      expect(
        codeOf(() => requireObjectWord(word)),
        word,
      ).toBe('USAGE')
  })
})

describe('what a terminal shows', () => {
  test.each([
    [0, '0 bytes'],
    [1023, '1023 bytes'],
    [1024, '1.0 KiB'],
    [1536 * 1024, '1.5 MiB'],
    [3 * 1024 ** 3, '3.00 GiB'],
  ])('%i bytes as %s', (bytes, text) => {
    expect(sizeOf(bytes)).toBe(text)
  })

  test('progress passes, results stay, and unknown events are for machines', () => {
    expect(sentenceOf({ type: 'put-progress', bytes: 512, of: 1024 })).toEqual({
      text: 'storing  50 %  512 bytes of 1.0 KiB',
      passing: true,
    })
    expect(sentenceOf({ type: 'warning', text: 'take care' })).toEqual({
      text: 'warning: take care',
      passing: false,
    })
    expect(sentenceOf({ type: 'something-new', secret: 'x' }).text).toBeNull()
  })

  test('progress of an empty record is complete', () => {
    expect(sentenceOf({ type: 'get-progress', bytes: 0, of: 0 }).text).toContain('100 %')
  })

  test('names from elsewhere cannot draw on the terminal', () => {
    const name = 'scan\u001b[2J\u0007.png\nerror: all is lost'
    const { text } = sentenceOf({
      type: 'record',
      name,
      bytes: 1,
      created: '2026-01-01T00:00',
      objectId: OBJECT,
    })
    expect(text!.split('\n')).toHaveLength(2)
    expect(text).not.toMatch(/[^\P{Cc}\n]/u)
    expect(plainText('it says:\nerror: \u202etxt.exe\u0000')).toBe('it says: error:  txt.exe ')
  })
})

describe('what a repair says', () => {
  const node = '12D3KooWExampleExampleExampleABCDEF'
  const kept = { node, columns: [2, 7] }
  const whole = {
    ...{ objectId: OBJECT, columns: 12, columnsOf: 12, stripes: 5, bytes: 0 },
    ...{ intact: [], repaired: [], away: [], unread: [], unkept: [] },
  }

  test('nothing was lost', () => {
    expect(repairSentence(whole)).toBe('12 of 12 columns are there: nothing to do')
  })

  test('whole columns, or single fragments of them, came back', () => {
    const repaired = (fragments: number) => repairSentence({ ...whole, repaired: [{ ...kept, fragments }] })
    expect(repaired(10)).toBe('2 columns made again on storage node 12D3Ko…ABCDEF: 12 of 12 columns')
    expect(repaired(3)).toBe('3 fragments made again on storage node 12D3Ko…ABCDEF: 12 of 12 columns')
  })

  test('a node is away, one refuses in words that cannot move the cursor, a column has no node', () => {
    const away = [
      { ...kept, code: 'OFFLINE' as const, message: 'cannot be reached' },
      { node: 'node-2', columns: [1], code: 'QUOTA_FULL' as const, message: 'no\u001b[2Jroom' },
    ]
    expect(repairSentence({ ...whole, columns: 8, away, unkept: [5] }).split('\n')).toEqual([
      '8 of 12 columns are there',
      '  storage node 12D3Ko…ABCDEF is away with 2 columns: run `npx xcare repair` again when it is back',
      '  storage node node-2 left 1 column out: no [2Jroom',
      '  1 column is kept by no node: they cannot be made again, and as many fewer may be lost',
    ])
  })
})
