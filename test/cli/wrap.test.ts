import { describe, expect, test } from 'vitest'
import { cutTo, widthOf, wrapped } from '../../src/cli/wrap.ts'

describe('columns that a text takes', () => {
  test.each([
    ['letter', 6],
    ['検査', 4],
    ['ｱｲ', 2],
    ['Müller', 6],
    ['Mu\u0308ller', 6],
    ['한글', 4],
    ['🩺', 2],
    ['', 0],
  ])('%s: %i', (text, width) => {
    expect(widthOf(text)).toBe(width)
  })

  test('a line is cut before the letter that has no room', () => {
    expect(cutTo('検査結果', 5)).toBe('検査')
    expect(cutTo('letter', 6)).toBe('letter')
  })
})

describe('a line on a terminal', () => {
  const text = 'Too few storage nodes answered: run `npx xcare status --dir /data` to see who is away.'

  test.each([60, 80, 100, 40])('breaks between words at %i columns', (columns) => {
    const lines = wrapped(text, columns).split('\n')
    for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(columns)
    expect(lines.map((line) => line.trim()).join(' ')).toBe(text)
    expect(lines.some((line) => line.includes('`npx xcare status --dir /data`'))).toBe(true)
  })

  test('goes on below where it began', () => {
    expect(wrapped('  one two three four five', 20)).toBe('  one two three four\n    five')
    expect(wrapped('検査 結果 検査 結果 検査', 20)).toBe('検査 結果 検査 結果\n  検査')
  })

  test('keeps its columns where it is short enough, and ids and commands whole', () => {
    expect(wrapped('up    node     01', 80)).toBe('up    node     01')
    const id = 'b'.repeat(53)
    expect(wrapped(`stored as ${id}`, 40)).toBe(`stored as\n  ${id}`)
  })

  test('is never broken without a terminal, or on one that is hardly there', () => {
    expect(wrapped(text, null)).toBe(text)
    expect(wrapped(text, 10)).toBe(text)
  })
})
