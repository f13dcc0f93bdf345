import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { exportedNames, sources, written } from './sources.ts'

/** Words that mean something else here, or nothing; docs/GLOSSARY.md has the right ones. */
const BANNED = /^(blob|chunk|piece|host|miner|custodian|inode|archive|replica|helper|util)s?$/i

/** Where a banned word is the right one. */
const MEANT: { word: RegExp; where: RegExp; why: string }[] = [
  {
    word: /^blobs?$/i,
    where: /^src\/(ports|chain-anchor\/(app\/state|state\/state-sqlite))\.ts$/,
    why: 'public bytes that the chain serves by their hash under `/blob`; never an object or a fragment',
  },
  {
    word: /^chunks?$/i,
    where: /^src\/(limits|crypto\/.*|fragment\/(range|reader|writer))\.ts$/,
    why: 'the word of Cobblestone-256 and of BLAKE3 for their own units',
  },
  { word: /^hosts?$/i, where: /^src\/chain-anchor\/rpc\/server\.ts$/, why: 'the Host header of HTTP' },
  {
    word: /^custodians?$/i,
    where: /^src\/light-node\/put\.ts$/,
    why: 'counts guardians that took their share, beside the field `guardians` that lists all of them',
  },
]

const wordsOf = (name: string) => name.replace(/([a-z0-9])([A-Z])/g, '$1 $2').split(/[\s_]+/)

function bannedNames(): { path: string; name: string; word: string }[] {
  return [...sources].flatMap(([path, file]) =>
    exportedNames(file).flatMap((name) =>
      wordsOf(name)
        .filter((word) => BANNED.test(word))
        .map((word) => ({ path, name, word })),
    ),
  )
}

/** Lines of everything written here that match, as `path:line`. */
function linesWith(pattern: RegExp, paths = written): string[] {
  return paths.flatMap((path) =>
    readFileSync(path, 'utf8')
      .split('\n')
      .flatMap((line, at) => (pattern.test(line) ? [`${path}:${at + 1}`] : [])),
  )
}

describe('one word for one thing', () => {
  const used = bannedNames()

  test('no exported name has a word of the other column of the glossary', () => {
    const wrong = used.filter(
      ({ path, word }) => !MEANT.some((meant) => meant.word.test(word) && meant.where.test(path)),
    )
    expect(wrong).toEqual([])
  })

  test.each(MEANT)('the exception for $word in $where is still needed', ({ word, where }) => {
    expect(used.some((use) => word.test(use.word) && where.test(use.path))).toBe(true)
  })
})

describe('what is written here can be read anywhere', () => {
  // Written in parts, so that this file passes its own test.
  const ROOTS = ['home', 'root', 'work', 'Users', 'mnt', 'opt', 'tmp', 'var']
  const REGISTRIES = ['npmjs', 'npmmirror', 'yarnpkg', 'jsr']

  test('no path of one machine', () => {
    const absolute = new RegExp(`(^|[\\s"'\`(=:])/(${ROOTS.join('|')})/[\\w.-]`)
    expect(linesWith(absolute)).toEqual([])
    expect(linesWith(/\b[A-Z]:\\\w/)).toEqual([])
  })

  test('no name of a registry', () => {
    const names = new RegExp(`\\b(registry\\.\\w|(${REGISTRIES.join('|')})\\.(com|org|io))`, 'i')
    expect(linesWith(names)).toEqual([])
  })

  test('no unfinished marks', () => {
    const marks = new RegExp(
      `\\b(${['TO', 'FIX', 'X'].map((start, at) => start + ['DO', 'ME', 'XX'][at]).join('|')})\\b`,
    )
    expect(linesWith(marks)).toEqual([])
    expect(linesWith(/not (yet )?implemented/i, [...sources.keys()])).toEqual([])
  })
})
