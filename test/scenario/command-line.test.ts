import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  watch,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Said, TestNetwork } from './network.ts'

const PROGRAM = new URL('../../src/cli/main.ts', import.meta.url).pathname
const net = new TestNetwork()
let up: ReturnType<typeof spawn>

beforeAll(async () => {
  up = spawn(process.execPath, [PROGRAM, 'up', '--json', '--dir', net.root], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const line of up.stdout!.setEncoding('utf8')) if (String(line).includes('"type":"result"')) break
}, 300_000)

afterAll(async () => {
  up.kill('SIGINT')
  await new Promise((done) => up.once('exit', done))
  await net.end()
}, 60_000)

function file(name: string, content: string | Uint8Array = name): string {
  const path = net.path(name)
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, content)
  return path
}

const idOf = ({ result }: Said) => String((result.objects as { objectId: string }[])[0]!.objectId)

/** Runs a command whose standard output is what is given. @returns its exit code and its other words. */
async function into(
  stdout: number | 'pipe',
  args: string[],
  read?: (child: ReturnType<typeof spawn>) => void,
) {
  const child = spawn(process.execPath, [PROGRAM, ...args, '--dir', net.root], {
    cwd: net.dir,
    stdio: ['ignore', stdout, 'pipe'],
  })
  let stderr = ''
  child.stderr!.setEncoding('utf8').on('data', (text) => {
    stderr += text
  })
  read?.(child)
  const exit = await new Promise<number | null>((done) => child.once('close', done))
  return { exit, stderr }
}

describe('a person at the command line', () => {
  test('a shared bundle goes to a new folder and over nothing', async () => {
    const bundle = idOf(
      await net.run('put', '--bundle', '--name', '.ssh', file('authorized_keys', 'of the sender')),
    )
    const home = net.path('home')
    mkdirSync(join(home, '.ssh'), { recursive: true })
    writeFileSync(join(home, '.ssh/authorized_keys'), 'my own')
    const run = (...words: string[]) =>
      new Promise((done) =>
        spawn(process.execPath, [PROGRAM, 'get', bundle.slice(0, 10), ...words, '--dir', net.root], {
          cwd: home,
          stdio: 'ignore',
        }).once('close', done),
      )
    expect(await run()).toBe(0)
    expect(readFileSync(join(home, bundle.slice(0, 12), 'authorized_keys'), 'utf8')).toBe('of the sender')
    expect(await run()).toBe(2)
    expect(await run('-o', '.ssh')).toBe(2)
    expect(readFileSync(join(home, '.ssh/authorized_keys'), 'utf8')).toBe('my own')
    expect(await run('-o', '.ssh', '--force')).toBe(0)
  }, 120_000)

  test('a put of three files, one of which cannot be read, stores two and says so', async () => {
    const loop = net.path('loop')
    symlinkSync(loop, loop)
    const said = await net.run('put', file('one.txt'), loop, file('three.txt'))
    expect(said).toMatchObject({ exit: 3, result: { ok: false, code: 'PARTIAL', missing: [loop] } })
    expect(said.result.objects).toHaveLength(2)
  }, 60_000)

  test('a record goes whole to the standard output, or the end says that it did not', async () => {
    const content = randomBytes(3_000_000)
    const id = idOf(await net.run('put', file('scan.dcm', content)))
    const got = openSync(net.path('got'), 'w')
    expect(await into(got, ['get', id, '-o', '-'])).toEqual({ exit: 0, stderr: '' })
    closeSync(got)
    expect(readFileSync(net.path('got')).equals(content)).toBe(true)
    const part = openSync(net.path('part'), 'w')
    await into(part, ['get', id, '-o', '-', '--range', '1000000-1000099'])
    closeSync(part)
    expect(readFileSync(net.path('part')).equals(content.subarray(1_000_000, 1_000_100))).toBe(true)
    const full = openSync('/dev/full', 'w')
    expect((await into(full, ['get', id, '-o', '-'])).exit).toBe(13)
    closeSync(full)
    const left = await into('pipe', ['get', id, '-o', '-'], (child) =>
      child.stdout!.once('data', () => child.stdout!.destroy()),
    )
    expect(left).toMatchObject({ exit: 3, stderr: expect.stringContaining('went away') })
  }, 120_000)

  test('a put whose reader goes away stores everything', async () => {
    const names = ['r1.txt', 'r2.txt', 'r3.txt']
    const { exit } = await into('pipe', ['put', ...names.map((name) => file(name))], (child) =>
      child.stdout!.destroy(),
    )
    expect(exit).toBe(0)
    const { result } = await net.run('ls')
    const stored = (result.records as { name: string }[]).map(({ name }) => name)
    for (const name of names) expect(stored).toContain(name)
  }, 120_000)

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s in a get leaves nothing of the record',
    async (signal) => {
      const name = `large-${signal}.bin`
      const id = idOf(await net.run('put', file(name, new Uint8Array(60_000_000).fill(7))))
      // A get that was faster than the signal shows nothing: then another one is interrupted.
      for (let tries = 0; ; tries++) {
        const here = net.path(`here-${signal}-${tries}`)
        mkdirSync(here)
        const child = spawn(
          process.execPath,
          [PROGRAM, 'get', id, '-o', join(here, 'got'), '--dir', net.root],
          { stdio: 'ignore' },
        )
        const begun = Promise.withResolvers<void>()
        const watcher = watch(here, () => {
          if (readdirSync(here).length > 0) begun.resolve()
        })
        const exited = new Promise<number | null>((done) => child.once('exit', done))
        await begun.promise
        watcher.close()
        child.kill(signal)
        const exit = await exited
        if (exit === 0 && tries < 20) continue
        expect(exit).toBe(130)
        expect(readdirSync(here)).toEqual([])
        return
      }
    },
    120_000,
  )

  test('what a bundle holds, what was given and what is shared are told', async () => {
    const bundle = idOf(
      await net.run('put', '--bundle', '--name', 'visit', file('v/1.json', '{}'), file('v/lab/2.json', '[]')),
    )
    const { result } = await net.run('ls', bundle.slice(0, 9))
    expect((result.entries as { name: string }[]).map(({ name }) => name)).toEqual(['1.json', 'lab/2.json'])
    const given = await net.run('grant', bundle.slice(0, 9), '--to', 'clinic')
    expect((await net.run('grants')).result.grants).toMatchObject([
      { to: 'clinic', state: 'active', objects: [{ name: 'visit' }] },
    ])
    const shared = await net.run('ls', '--shared', '--as', 'clinic')
    expect(shared.result.shared).toContainEqual(
      expect.objectContaining({ objectId: bundle, name: 'visit', state: 'active' }),
    )
    expect((await net.run('revoke', String(given.result.grantId).slice(0, 8))).exit).toBe(0)
    expect((await net.run('grants')).result.grants).toEqual([])
    expect(existsSync(net.path('visit'))).toBe(false)
  }, 120_000)
})
