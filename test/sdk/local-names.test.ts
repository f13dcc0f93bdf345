import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { localFileName, localNames } from '../../src/sdk/local-names.ts'

const pathsOf = (...names: string[]) => localNames(names).map(({ path }) => path.join('/'))

describe('a name from elsewhere on this machine', () => {
  test.each([
    'letter.pdf',
    'lab/2026/glucose.json',
    'Befund Müller.pdf',
    '検査結果.dcm',
    'نتائج.pdf',
    'a..b',
    '❤️.png',
    `${'é'.repeat(125)}.json`,
  ])('%j stays as it is', (name) => {
    expect(localNames([name])).toEqual([{ name, path: name.split('/'), isRenamed: false }])
  })

  test.each([
    ['.bashrc', '_.bashrc'],
    ['.git/config', '_.git/config'],
    ['a/.ssh/authorized_keys', 'a/_.ssh/authorized_keys'],
    ['-rf', '_-rf'],
    ['con', '_con'],
    ['NUL.txt', '_NUL.txt'],
    ['lab/Lpt1.tar.gz', 'lab/_Lpt1.tar.gz'],
    ['scan.', 'scan._'],
    ['scan ', 'scan _'],
    ['txt\u061cgnp', 'txt_gnp'],
    ['.g\u200cit', '_.g_it'],
    ['\u200b', '_'],
    ['\ufeff.profile', '_.profile'],
    ['scan\u3164.exe', 'scan_.exe'],
    ['a\u00adb', 'a_b'],
    ['tag\u{e0041}', 'tag_'],
  ])('%j is called %j', (name, path) => {
    expect(localNames([name])).toEqual([{ name, path: path.split('/'), isRenamed: true }])
  })

  test('accents have one form, which is no other name', () => {
    expect(localNames(['A\u0308rzte.txt'])).toMatchObject([{ path: ['Ärzte.txt'], isRenamed: false }])
  })

  test('names that a file system may take for the same lie apart, and none is left out', () => {
    expect(pathsOf('Scan.dcm', 'scan.dcm', 'SCAN.DCM')).toEqual(['Scan.dcm', 'scan (2).dcm', 'SCAN (3).DCM'])
    expect(pathsOf('Lab/a', 'lab/a', 'lab/b')).toEqual(['Lab/a', 'lab (2)/a', 'lab (2)/b'])
    expect(pathsOf('Ärzte', 'A\u0308rzte')).toEqual(['Ärzte', 'Ärzte (2)'])
    expect(pathsOf('a', 'A/x')).toEqual(['a', 'A (2)/x'])
    expect(pathsOf('straße', 'STRASSE')).toEqual(['straße', 'STRASSE (2)'])
  })

  test('a name that needs no change is not displaced by one that does', () => {
    expect(pathsOf('.profile', '_.profile')).toEqual(['_ (2).profile', '_.profile'])
    expect(pathsOf('x\u200b', 'x_', 'x_ (2)')).toEqual(['x_ (3)', 'x_', 'x_ (2)'])
  })

  test('tens of thousands of names for one place are told apart in a moment', () => {
    const alike = Array.from({ length: 20_000 }, (_, at) =>
      [...at.toString(2).padStart(15, '0')].map((bit) => (bit === '0' ? '\u200b' : '\u200c')).join(''),
    )
    expect(new Set(pathsOf(...alike)).size).toBe(alike.length)
  })

  test('what means something to Windows only is kept out there', () => {
    const names = ['08:15.txt', 'GIT~1/config', 'what?']
    expect(localNames(names, true).map(({ path }) => path.join('/'))).toEqual([
      '08_15.txt',
      'GIT_1/config',
      'what_',
    ])
    expect(pathsOf(...names)).toEqual(names)
  })

  test('a single record lies in no folder of its sender', () => {
    expect(localFileName('a/b/.profile')).toEqual({
      name: 'a/b/.profile',
      path: ['_.profile'],
      isRenamed: true,
    })
    expect(localFileName('a/b/letter.pdf')).toMatchObject({ path: ['letter.pdf'], isRenamed: false })
  })

  test('whatever the names are, the paths are safe and apart', () => {
    const segment = fc.string({ unit: 'binary', minLength: 0, maxLength: 12 })
    const name = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => segments.join('/'))
    fc.assert(
      fc.property(fc.array(name, { maxLength: 12 }), fc.boolean(), (names, isWindows) => {
        const paths = localNames(names, isWindows).map(({ path }) => path)
        for (const part of paths.flat()) {
          expect(part).not.toMatch(/^[.-]|[.\s]$|[/\\\0]|^$/)
          expect(part).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]/u)
          expect(utf8(part).length).toBeLessThanOrEqual(255)
        }
        const folded = paths.map((path) => path.join('/').toUpperCase().normalize('NFC'))
        expect(new Set(folded).size).toBe(names.length)
        for (const one of folded) expect(folded.filter((other) => other.startsWith(`${one}/`))).toEqual([])
      }),
    )
  })
})
