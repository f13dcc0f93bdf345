import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'

interface Issue {
  file: string
  [kind: string]: string | { name: string }[]
}

/** Runs knip; types that an exported signature names may be exported without an importer. */
function unused(): string[] {
  const args = ['node_modules/knip/bin/knip.js', '--no-progress', '--reporter', 'json']
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 1 << 26 })
  expect(stderr).toBe('')
  const { issues } = JSON.parse(stdout) as { issues: Issue[] }
  return issues.flatMap((issue) =>
    Object.entries(issue).flatMap(([kind, found]) =>
      typeof found === 'string' ? [] : found.map(({ name }) => `${issue.file}: ${name} (${kind})`),
    ),
  )
}

test('every export of the house, every file and every package is used by somebody', () => {
  expect(unused().filter((line) => !line.startsWith('test/') || line.endsWith('(files)'))).toEqual([])
}, 60_000)
