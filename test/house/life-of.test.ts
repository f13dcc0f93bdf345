import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

/** Rows look like `| 3 | src/light-node/put.ts | putRecord, ... | ... |`. */
function storyRows(path: string): { file: string; names: string[] }[] {
  const rows: { file: string; names: string[] }[] = []
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const match = /^\|[^|]*\| `(src\/[^`]+)` \| ([^|]*)\|/.exec(line)
    if (match)
      rows.push({
        file: match[1]!,
        names: [...match[2]!.matchAll(/`([A-Za-z0-9_]+)`/g)].map((name) => name[1]!),
      })
  }
  return rows
}

describe.each([
  ['docs/life-of-a-put.md', 15],
  ['docs/life-of-a-get.md', 10],
])('%s', (path, filesMax) => {
  const rows = storyRows(path)

  test(`tells the story in at most ${filesMax} files, each visited once`, () => {
    expect(rows.length).toBeGreaterThan(5)
    expect(rows.length).toBeLessThanOrEqual(filesMax)
    expect(new Set(rows.map(({ file }) => file)).size).toBe(rows.length)
  })

  test.each(rows)('$file exists and exports what is named', ({ file, names }) => {
    expect(existsSync(file)).toBe(true)
    const source = readFileSync(file, 'utf8')
    expect(names.length).toBeGreaterThan(0)
    for (const name of names)
      expect(source).toMatch(
        new RegExp(`export (async )?(function\\*?|const|class|interface|type) ${name}\\b`),
      )
  })
})
