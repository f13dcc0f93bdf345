import { closeSync, openSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { objectIdFromBytes } from '../../src/ids.ts'
import { QuietNetwork } from './xcare.ts'

const OBJECT = objectIdFromBytes(new Uint8Array(32).fill(7))

let network: QuietNetwork
let own: string[]
let full: number
beforeAll(async () => {
  network = new QuietNetwork()
  own = ['--passphrase-file', network.file('passphrase', 'seven plain words\n')]
  full = openSync('/dev/full', 'w')
  expect((await network.run('wallet', 'create', ...own)).exit).toBe(0)
})
afterAll(() => {
  closeSync(full)
  network.end()
})

describe.concurrent('an output that takes nothing', () => {
  test.each([[[]], [['--json']]])('a full disk is told, and ends with 13 (%j)', async (more) => {
    const said = await network.runInto({ stdout: full }, 'ls', ...own, ...more)
    expect(said.exit).toBe(13)
    if (more.length === 0) expect(said.stderr).toMatch(/^error: the disk is full/)
  })

  test('a reader that went away is no error of a command that shows something', async () => {
    expect(await network.runInto({ stdout: 'unread' }, 'ls', ...own)).toMatchObject({ exit: 0, stderr: '' })
    expect(await network.runInto({ stdout: 'unread' }, 'status')).toMatchObject({ exit: 0, stderr: '' })
  })

  test('an error keeps its exit code, whoever hears of it', async () => {
    expect((await network.runInto({ stderr: full }, 'get', OBJECT, ...own)).exit).toBe(16)
    expect((await network.runInto({ stdout: full }, 'get', OBJECT, '--json', ...own)).exit).toBe(16)
    expect((await network.runInto({ stdout: 'unread' }, 'get', OBJECT, '--json', ...own)).exit).toBe(16)
    expect((await network.runInto({ stderr: full }, 'nonsense')).exit).toBe(2)
    expect((await network.runInto({ stderr: full }, 'ls', ...own)).exit).toBe(0)
  })
})

describe.concurrent('a standard output that carries a record', () => {
  test.each([['-o', '-'], ['-o-'], ['--output=-'], ['-o', '/dev/stdout']])(
    'has no other word in it (%s %s)',
    async (...words) => {
      const target = words.filter((word) => word !== undefined)
      const said = await network.run('get', OBJECT, ...target, ...own, '--json')
      expect(said).toMatchObject({ exit: 16, stdout: '' })
      expect(JSON.parse(said.stderr.trimEnd().split('\n').at(-1)!)).toMatchObject({
        ok: false,
        code: 'OFFLINE',
      })
      const wrong = await network.run('get', OBJECT, ...target, '--nonsense', '--json')
      expect(wrong).toMatchObject({ exit: 2, stdout: '' })
    },
  )
})
