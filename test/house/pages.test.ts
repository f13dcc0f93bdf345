import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { sources, written } from './sources.ts'

const SPEC_LINES_MAX = 300
const ADR_LINES_MAX = 45
const ROOM_README_LINES_MAX = 25

const read = (path: string) => readFileSync(path, 'utf8')
const linesOf = (path: string) => read(path).trimEnd().split('\n').length
const pagesOf = (folder: string) =>
  globSync(`docs/${folder}/*.md`)
    .filter((path) => basename(path) !== 'README.md')
    .sort()

const specs = pagesOf('spec')
const decisions = pagesOf('adr')
/** A folder with more files than a reader takes in at a look says what it is for. */
const FILES_WITHOUT_PAGE_MAX = 4
const folders = globSync(['src/', 'src/**/', 'bench/**/'], { exclude: ['**/node_modules/**'] })
  .filter((folder) => globSync(`${folder}/*.{ts,mjs}`).length > FILES_WITHOUT_PAGE_MAX)
  .sort()
const rooms = globSync('src/*/').sort()

/** Backticked words of the first column of the tables in `page`. */
function firstColumn(page: string): string[] {
  const rows = page.split('\n').filter((line) => line.startsWith('| `'))
  return rows.flatMap((row) => Array.from(row.split('|')[1]!.matchAll(/`([^`]+)`/g), ([, name]) => name!))
}

describe('specifications', () => {
  test.each(specs)('%s is short and says what must be refused', (path) => {
    expect(linesOf(path)).toBeLessThanOrEqual(SPEC_LINES_MAX)
    expect(
      /must[ -](reject|refuse)|must be (rejected|refused)/i.test(read(path)),
      'has a list of what must be refused',
    ).toBe(true)
  })

  test('every frozen vector file is named by a specification, and every named one exists', () => {
    const named = new Set(
      specs.flatMap((path) =>
        Array.from(read(path).matchAll(/test\/vectors\/[\w-]+\.json/g), ([name]) => name),
      ),
    )
    expect([...named].sort()).toEqual(globSync('test/vectors/*.json').sort())
  })

  test('every page is in its list, and every listed page exists', () => {
    for (const [folder, pages] of Object.entries({ spec: specs, adr: decisions })) {
      const listed = Array.from(
        read(`docs/${folder}/README.md`).matchAll(/\(([\w-]+\.md)\)/g),
        ([, name]) => name!,
      )
      expect(listed.sort()).toEqual(pages.map((path) => basename(path)).sort())
    }
  })
})

describe('decisions', () => {
  test.each(decisions)('%s is short and numbered', (path) => {
    expect(linesOf(path)).toBeLessThanOrEqual(ADR_LINES_MAX)
    expect(read(path)).toMatch(/^# (\d{4}):? /)
  })

  test('every package of the program has its line of reason, and no other', () => {
    const { dependencies, optionalDependencies } = JSON.parse(read('package.json'))
    const reasons = firstColumn(read('docs/adr/0080-runtime-dependencies.md'))
    expect(reasons.sort()).toEqual(Object.keys({ ...dependencies, ...optionalDependencies }).sort())
  })

  test('every line of .npmrc is explained', () => {
    const page = read('docs/adr/0081-own-node.md')
    const settings = Array.from(read('.npmrc').matchAll(/^([\w-]+)=/gm), ([, name]) => name!)
    expect(settings.filter((name) => !page.includes(`\`${name}\``))).toEqual([])
  })
})

describe('rooms', () => {
  test.each([...new Set([...rooms, ...folders])])(
    '%s tells what comes in, what goes out and what it never does',
    (room) => {
      const page = read(join(room, 'README.md'))
      expect(linesOf(join(room, 'README.md'))).toBeLessThanOrEqual(ROOM_README_LINES_MAX)
      for (const word of ['**In:**', '**Out:**', '**Never:**']) expect(page).toContain(word)
    },
  )

  test.each(folders.filter((folder) => !rooms.includes(folder)))(
    '%s is told with names of files that are there',
    (folder) => {
      const named = Array.from(
        read(join(folder, 'README.md')).matchAll(/`(_?[a-z][a-z0-9-]*\/?)`/g),
        ([, name]) => name!,
      )
      const isThere = (name: string) =>
        ['', '.ts', '.mjs'].some(
          (ending) => existsSync(join(folder, name + ending)) || existsSync(join('src', name)),
        )
      expect(named.filter((name) => !isThere(name))).toEqual([])
    },
  )

  test.each(rooms)('what the README of %s names is there', (room) => {
    const names = firstColumn(read(join(room, 'README.md')))
    expect(names.length).toBeGreaterThan(0)
    const absent = names.filter(
      (name) => !existsSync(join(room, name)) && !existsSync(join(room, `${name}.ts`)),
    )
    expect(absent).toEqual([])
  })
})

describe('links', () => {
  test('every page that another one names exists', () => {
    const broken = written
      .filter((path) => path.endsWith('.md'))
      .flatMap((path) =>
        Array.from(read(path).matchAll(/\]\(([^)#:]+)\)/g), ([, target]) => join(dirname(path), target!))
          .filter((target) => !existsSync(target))
          .map((target) => `${path}: ${target}`),
      )
    expect(broken).toEqual([])
  })

  test('every page that a comment names exists', () => {
    const broken = [...sources.keys()].flatMap((path) =>
      Array.from(read(path).matchAll(/docs\/[\w/-]+\.md/g), ([name]) => name)
        .filter((name) => !existsSync(name))
        .map((name) => `${path}: ${name}`),
    )
    expect(broken).toEqual([])
  })

  test('every specification that a page names in braces exists', () => {
    const broken = written
      .filter((path) => path.endsWith('README.md'))
      .flatMap((path) =>
        Array.from(read(path).matchAll(/docs\/spec\/\{([^}]+)\}\.md/g), ([, names]) => names!.split(','))
          .flat()
          .filter((name) => !existsSync(`docs/spec/${name}.md`))
          .map((name) => `${path}: ${name}`),
      )
    expect(broken).toEqual([])
  })
})

test('docs/LIMITS.md is what bin/limits.mjs makes of src/limits.ts', () => {
  const { stdout, stderr } = spawnSync(process.execPath, ['bin/limits.mjs', '--print'], { encoding: 'utf8' })
  expect(stderr).toBe('')
  // To make it anew: node bin/node24.mjs bin/limits.mjs
  expect(read('docs/LIMITS.md')).toBe(stdout)
  for (const [, name] of read('src/limits.ts').matchAll(/^export const (\w+)/gm))
    expect(stdout).toContain(`\`${name}\` `)
})
