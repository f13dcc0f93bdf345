import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

interface Locked {
  dependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
  libc?: string[]
}

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

test('the lock file is whole for every system, and no version of npm has anything to change in it', async () => {
  const lock = (await import('../../package-lock.json', { with: { type: 'json' } })).default as unknown as {
    packages: Record<string, Locked>
  }
  // What npm would look for as it looks for a module: beside the package that wants it, then further up.
  const isLocked = (from: string, name: string): boolean => {
    for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
      if (`${at ? `${at}/` : ''}node_modules/${name}` in lock.packages) return true
      if (at === '') return false
    }
  }
  const missing = Object.entries(lock.packages).flatMap(([at, { dependencies, optionalDependencies }]) =>
    Object.keys({ ...dependencies, ...optionalDependencies }).filter((name) => !isLocked(at, name)),
  )
  // `npm ci` refuses a lock file without them, `npm install` adds them.
  expect(missing).toEqual([])
  // Newer versions of npm write it at first, older ones drop it, all leave a file without it alone.
  expect(Object.entries(lock.packages).filter(([, { libc }]) => libc)).toEqual([])
})
