import { globSync, readFileSync } from 'node:fs'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'

const LINES_PER_FILE_MAX = 500
const LINES_PER_FUNCTION_MAX = 70
const LINES_PER_FUNCTION_MEDIAN = 12

const sources = globSync('src/**/*.ts').sort()
const parsed = new Map(
  sources.map((path) => [
    path,
    ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.ESNext, true),
  ]),
)

function visit(node: ts.Node, see: (node: ts.Node) => void): void {
  see(node)
  node.forEachChild((child) => visit(child, see))
}

const linesOf = (file: ts.SourceFile, node: ts.Node) =>
  file.getLineAndCharacterOfPosition(node.end).line -
  file.getLineAndCharacterOfPosition(node.getStart()).line +
  1

function functions(): { where: string; lines: number }[] {
  const found: { where: string; lines: number }[] = []
  for (const [path, file] of parsed)
    visit(file, (node) => {
      if (!ts.isFunctionLike(node) || !('body' in node) || !node.body) return
      const line = file.getLineAndCharacterOfPosition(node.getStart()).line + 1
      found.push({ where: `${path}:${line}`, lines: linesOf(file, node) })
    })
  return found
}

const hasDoc = (node: ts.Node) => ts.getJSDocCommentsAndTags(node).length > 0

/** A doc comment may head a run of exports that follow each other line by line. */
function undocumentedExports(path: string, file: ts.SourceFile): string[] {
  const missing: string[] = []
  let documentedTo = -1
  for (const statement of file.statements) {
    const first = file.getLineAndCharacterOfPosition(statement.getStart()).line
    const last = file.getLineAndCharacterOfPosition(statement.end).line
    const isTold = hasDoc(statement) || first === documentedTo + 1
    if (isTold) documentedTo = last
    if (isExported(statement) && !isTold) missing.push(`${path}:${first + 1}`)
  }
  return missing
}

const isExported = (statement: ts.Statement) =>
  ts.canHaveModifiers(statement) &&
  (ts.getModifiers(statement) ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)

describe('the house stays tidy', () => {
  test(`no file is longer than ${LINES_PER_FILE_MAX} lines`, () => {
    const all = [...sources, ...globSync('{test,bench}/**/*.ts')]
    expect(all.filter((path) => readFileSync(path, 'utf8').split('\n').length > LINES_PER_FILE_MAX)).toEqual(
      [],
    )
  })

  test(`no function is longer than ${LINES_PER_FUNCTION_MAX} lines, and the median is under ${LINES_PER_FUNCTION_MEDIAN}`, () => {
    const all = functions()
    expect(all.filter(({ lines }) => lines > LINES_PER_FUNCTION_MAX)).toEqual([])
    const sorted = all.map(({ lines }) => lines).sort((a, b) => a - b)
    expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThan(LINES_PER_FUNCTION_MEDIAN)
  })

  test('every export has a doc comment', () => {
    expect([...parsed].flatMap(([path, file]) => undocumentedExports(path, file))).toEqual([])
  })

  test('no unfinished marks, drawers or barrels', () => {
    const marks = sources.filter((path) => /\b(TODO|FIXME|XXX)\b/.test(readFileSync(path, 'utf8')))
    expect(marks).toEqual([])
    expect(sources.filter((path) => /\/(utils?|helpers?|index|common|misc)(\.ts|\/)/.test(path))).toEqual([])
  })

  test('time and chance are arguments below the actors', () => {
    const pure =
      /^src\/([^/]+\.ts|(crypto|fragment|identity|custody|wire|light-node|chain-anchor\/(codec|comet|light|app|state))\/.*)$/
    const offenders = sources.filter(
      (path) =>
        pure.test(path) &&
        !path.includes('native.') &&
        /\b(Date\.now|new Date\(\)|Math\.random)\b/.test(readFileSync(path, 'utf8')),
    )
    expect(offenders).toEqual([])
  })

  test('a room holds at most 16 files', () => {
    const rooms = new Map<string, number>()
    for (const path of sources) {
      const room = path.slice(0, path.lastIndexOf('/'))
      rooms.set(room, (rooms.get(room) ?? 0) + 1)
    }
    expect([...rooms].filter(([, count]) => count > 16)).toEqual([])
  })
})
