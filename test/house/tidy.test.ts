import { readFileSync } from 'node:fs'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import { isExported, lineOf, sources, visit, written } from './sources.ts'

const LINES_PER_FILE_MAX = 500
const LINES_PER_FILE_MEDIAN = 120
const LINES_PER_FUNCTION_MAX = 70
const LINES_PER_FUNCTION_MEDIAN = 12
const FILES_PER_ROOM_MAX = 16

const linesOf = (path: string) => readFileSync(path, 'utf8').split('\n').length

function functions(): { where: string; lines: number }[] {
  const found: { where: string; lines: number }[] = []
  for (const [path, file] of sources)
    visit(file, (node) => {
      if (!ts.isFunctionLike(node) || !('body' in node) || !node.body) return
      const lines = file.getLineAndCharacterOfPosition(node.end).line + 2 - lineOf(file, node)
      found.push({ where: `${path}:${lineOf(file, node)}`, lines })
    })
  return found
}

function medianOf(numbers: number[]): number {
  return numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)]!
}

/** A doc comment may head a run of exports that follow each other line by line. */
function undocumentedExports(path: string, file: ts.SourceFile): string[] {
  const missing: string[] = []
  let documentedTo = -1
  for (const statement of file.statements) {
    const first = lineOf(file, statement)
    const isTold = ts.getJSDocCommentsAndTags(statement).length > 0 || first === documentedTo + 1
    if (isTold) documentedTo = file.getLineAndCharacterOfPosition(statement.end).line + 1
    if (isExported(statement) && !isTold) missing.push(`${path}:${first}`)
  }
  return missing
}

describe('the house stays tidy', () => {
  test(`no file is longer than ${LINES_PER_FILE_MAX} lines, and the median is under ${LINES_PER_FILE_MEDIAN}`, () => {
    const all = written.filter((path) => /^(src|test|bench)\/.*\.ts$/.test(path))
    expect(all.filter((path) => linesOf(path) > LINES_PER_FILE_MAX)).toEqual([])
    expect(medianOf([...sources.keys()].map(linesOf))).toBeLessThan(LINES_PER_FILE_MEDIAN)
  })

  test(`no function is longer than ${LINES_PER_FUNCTION_MAX} lines, and the median is under ${LINES_PER_FUNCTION_MEDIAN}`, () => {
    const all = functions()
    expect(all.filter(({ lines }) => lines > LINES_PER_FUNCTION_MAX)).toEqual([])
    expect(medianOf(all.map(({ lines }) => lines))).toBeLessThan(LINES_PER_FUNCTION_MEDIAN)
  })

  test('every export has a doc comment', () => {
    expect([...sources].flatMap(([path, file]) => undocumentedExports(path, file))).toEqual([])
  })

  test('no drawers and no barrels', () => {
    const paths = [...sources.keys()]
    expect(paths.filter((path) => /\/(utils?|helpers?|index|common|misc)(\.ts|\/)/.test(path))).toEqual([])
    const barrels = [...sources].filter(([, file]) =>
      file.statements.some((statement) => ts.isExportDeclaration(statement) && !statement.exportClause),
    )
    expect(barrels.map(([path]) => path)).toEqual([])
  })

  test(`a room holds at most ${FILES_PER_ROOM_MAX} files`, () => {
    const rooms = new Map<string, number>()
    for (const path of sources.keys()) {
      const room = path.slice(0, path.lastIndexOf('/'))
      rooms.set(room, (rooms.get(room) ?? 0) + 1)
    }
    expect([...rooms].filter(([, count]) => count > FILES_PER_ROOM_MAX)).toEqual([])
  })
})
