import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const run = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  return { status, output: stdout + stderr }
}

test('the types hold', () => {
  expect(run('node_modules/typescript/bin/tsc', '-p', '.', '--noEmit')).toEqual({ status: 0, output: '' })
}, 120_000)

test('formatter and linter have nothing to say', () => {
  const { status, output } = run('node_modules/@biomejs/biome/bin/biome', 'check', '--colors=off')
  expect(status, output).toBe(0)
}, 60_000)

test('the lock file names no place, runs no install script and pins every direct package', async () => {
  const lock = (await import('../../package-lock.json', { with: { type: 'json' } })).default as unknown as {
    packages: Record<string, { hasInstallScript?: boolean; resolved?: string }>
  }
  const packages = Object.entries(lock.packages)
  // better-sqlite3 would offer to compile; it brings its binary along, and .npmrc lets no script run.
  expect(packages.filter(([, entry]) => entry.hasInstallScript).map(([name]) => name)).toEqual([
    'node_modules/better-sqlite3',
  ])
  expect(readFileSync('.npmrc', 'utf8')).toMatch(/^ignore-scripts=true$/m)
  expect(packages.filter(([, entry]) => entry.resolved).map(([name]) => name)).toEqual([])
  const manifest = (await import('../../package.json', { with: { type: 'json' } })).default
  const pins = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies }
  expect(Object.entries(pins).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([])
})
