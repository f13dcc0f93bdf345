import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import runtimeFlags from '../../src/sdk/roles/runtime-flags.json' with { type: 'json' }

const PROGRAM = 'bin/xcare.mjs'
/** Tells at its end whether Node had to load its TypeScript compiler, under the name that it has in this version. */
const TELLING =
  '--import=data:text/javascript,process.on("exit",()=>console.error("compiler "+process.moduleLoadList.some((name)=>name.includes("amaro/dist"))))'

const scratch = mkdtempSync(join(tmpdir(), 'xcare-compiled-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

let caches = 0
const freshCache = () => join(scratch, `cache-${++caches}`)

function xcare(cache: string, ...typed: string[]) {
  const env = { ...process.env, NODE_COMPILE_CACHE: cache }
  return spawnSync(process.execPath, [PROGRAM, ...typed], { env, encoding: 'utf8' })
}

/** @returns whether a process as the network starts it had to compile. */
function compiles(cache: string, flags: string[], ...typed: string[]): boolean {
  const env = { ...process.env, NODE_COMPILE_CACHE: cache }
  const args = [...flags, TELLING, 'src/cli/main.ts', ...typed, '--dir', 'no-such-folder']
  const { stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
  return JSON.parse(/compiler (true|false)/.exec(stderr)![1]!)
}

const marksIn = (cache: string) => readdirSync(cache).filter((name) => name.startsWith('sources-'))

describe('what a command starts finds its code compiled', () => {
  const cache = freshCache()
  const parts = [
    ['a storage node', runtimeFlags.role, ['node', 'run']],
    ['a guardian', runtimeFlags.role, ['guardian', 'run']],
    ['the chain', runtimeFlags.role, ['anchor', 'run']],
    ['a light node', runtimeFlags.client, ['ls']],
  ] as const

  test('a part that is started on nothing compiles', () => {
    expect(compiles(freshCache(), [...runtimeFlags.role], 'node', 'run')).toBe(true)
  })

  test('up and bench compile for both kinds of processes before they start any', () => {
    expect(xcare(cache, 'up', '--help').status).toBe(0)
    expect(marksIn(cache)).toHaveLength(2)
  })

  test.each(parts)('%s', (_, flags, typed) => {
    expect(compiles(cache, [...flags], ...typed)).toBe(false)
  })
})

test('nothing is compiled again until a source file changes', () => {
  const cache = freshCache()
  xcare(cache, 'node', 'run', '--help')
  const [mark] = marksIn(cache).map((name) => join(cache, name))
  const state = readFileSync(mark!, 'utf8')
  // Without what was kept, only compiling anew could bring it back.
  for (const name of readdirSync(cache).filter((name) => name.startsWith('v')))
    rmSync(join(cache, name), { recursive: true })
  xcare(cache, 'node', 'run', '--help')
  expect(compiles(cache, [...runtimeFlags.role], 'guardian', 'run')).toBe(true)
  writeFileSync(mark!, 'an older state')
  xcare(cache, 'node', 'run', '--help')
  expect(readFileSync(mark!, 'utf8')).toBe(state)
  // Another part than before, which left what it compiled itself.
  expect(compiles(cache, [...runtimeFlags.role], 'anchor', 'run')).toBe(false)
})

test('a start that is interrupted while it compiles leaves that to the next', async () => {
  const cache = freshCache()
  const env = { ...process.env, NODE_COMPILE_CACHE: cache }
  const child = spawn(process.execPath, [PROGRAM, 'node', 'run', '--help'], { env, stdio: 'ignore' })
  const ended = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)))
  while (!existsSync(cache)) await new Promise((resolve) => setTimeout(resolve, 2))
  child.kill('SIGKILL')
  expect(await ended).toBe('SIGKILL')
  expect(marksIn(cache)).toEqual([])
  xcare(cache, 'node', 'run', '--help')
  expect(marksIn(cache)).toHaveLength(1)
})

test('other commands do not wait for a compiler', () => {
  const cache = freshCache()
  xcare(cache, 'ls', '--dir', 'no-such-folder')
  expect(marksIn(cache)).toEqual([])
})

test('where nothing can be kept the program starts all the same, and says nothing of it', () => {
  const cache = join(scratch, 'a-file')
  writeFileSync(cache, '')
  const { status, stdout, stderr } = xcare(cache, 'up', '--help')
  expect([status, stderr]).toEqual([0, ''])
  expect(stdout).toContain('xcare up')
})

test('a folder in the place of the mark stops nothing', () => {
  const cache = freshCache()
  xcare(cache, 'node', 'run', '--help')
  const [mark] = marksIn(cache)
  rmSync(join(cache, mark!))
  mkdirSync(join(cache, mark!))
  expect(xcare(cache, 'node', 'run', '--help').status).toBe(0)
})
