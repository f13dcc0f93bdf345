import { describe, expect, test } from 'vitest'
import { concat, utf8 } from '../../src/bytes.ts'
import { passphrasesIn, requireStrong } from '../../src/identity/passphrase.ts'

const WORDS = 'seven plain wörds'
const utf16 = (text: string, isBig: boolean) => {
  const view = new DataView(new ArrayBuffer(text.length * 2))
  for (let at = 0; at < text.length; at++) view.setUint16(at * 2, text.charCodeAt(at), !isBig)
  return new Uint8Array(view.buffer)
}

describe('a passphrase file', () => {
  test.each([
    ['no line end', utf8(WORDS)],
    ['a line end', utf8(`${WORDS}\n`)],
    ['more lines', utf8(`${WORDS}\nsomething else\n`)],
    ['line ends of Windows', utf8(`${WORDS}\r\n`)],
    ['line ends of old machines', utf8(`${WORDS}\rmore`)],
    ['a byte order mark', utf8(`\ufeff${WORDS}\n`)],
    ['both', utf8(`\ufeff${WORDS}\r\n`)],
    ['UTF-16 of Windows', utf16(`\ufeff${WORDS}\r\n`, false)],
    ['UTF-16, the other way round', utf16(`\ufeff${WORDS}\n`, true)],
    ['UTF-16 without a mark', utf16(`${WORDS}\r\n`, false)],
  ])('with %s holds the words alone', (_, content) => {
    expect(passphrasesIn(content).at(-1)).toBe(WORDS)
  })

  test('still opens what an older program made with it', () => {
    expect(passphrasesIn(utf8(`${WORDS}\r\n`))).toEqual([`${WORDS}\r`, WORDS])
    expect(passphrasesIn(utf8(`\ufeff${WORDS}\n`))).toEqual([`\ufeff${WORDS}`, WORDS])
    expect(passphrasesIn(utf8(`${WORDS}\n`))).toEqual([WORDS])
  })

  test('keeps blanks, which somebody may have meant', () => {
    expect(passphrasesIn(utf8(`  ${WORDS} \n`))).toEqual([`  ${WORDS} `])
  })

  test('that is no text is refused', () => {
    expect(() => passphrasesIn(concat(utf8('words'), Uint8Array.of(0xff)))).toThrow()
  })
})

test('a new passphrase is long enough and not one letter again and again', () => {
  for (const weak of ['', 'short', 'elevenchars', 'aaaaaaaaaaaaaaaa', 'abababababababab'])
    expect(() => requireStrong(weak), weak).toThrow(/at least/)
  for (const strong of [
    'twelve chars',
    'sieben Wörter',
    '\u{1f600}\u{1f601}\u{1f602}\u{1f603}\u{1f604} horse staple',
  ])
    expect(() => requireStrong(strong), strong).not.toThrow()
})
