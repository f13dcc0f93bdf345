import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'

const scratch = mkdtempSync(join(tmpdir(), 'xcare-package-'))
/** As on somebody's desktop. */
const home = join(scratch, 'mit Leerzeichen é')
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const run = (command: string, args: string[], cwd: string) =>
  spawnSync(command, args, { cwd, encoding: 'utf8', env: { ...process.env, NODE_COMPILE_CACHE: undefined } })

/** @returns why the packed project could not be installed from what npm has on this machine, or null. */
function installed(): string | null {
  const packed = run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', scratch], '.')
  if (packed.status !== 0) return 'there is no npm'
  const [{ filename }] = JSON.parse(packed.stdout) as [{ filename: string }]
  mkdirSync(home)
  writeFileSync(join(home, 'package.json'), '{}')
  const args = [
    'install',
    '--offline',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    join(scratch, filename),
  ]
  return run('npm', args, home).status === 0 ? null : 'npm does not have all packages on this machine'
}

test('a packed copy installed elsewhere keeps a record and gives it back', ({ skip }) => {
  const obstacle = installed()
  if (obstacle !== null) skip(obstacle)
  const xcare = (...args: string[]) => run(join(home, 'node_modules/.bin/xcare'), args, home)
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  expect(xcare('--version')).toMatchObject({ status: 0, stdout: `${version}\n` })
  writeFileSync(join(home, 'Befund ü.txt'), 'a record')
  const up = xcare('up', '--once', '--json', '--dir', 'Netz ü', 'Befund ü.txt')
  expect(JSON.parse(up.stdout.trim().split('\n').at(-1)!), up.stderr).toMatchObject({
    ...{ ok: true, lostBytes: 0, readAfterLoss: true, refusedAfterRevoke: true },
  })
}, 300_000)
