import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { objectIdFromBytes } from '../../src/ids.ts'
import { QuietNetwork, showsStack, xcare } from './xcare.ts'

const OBJECT = objectIdFromBytes(new Uint8Array(32).fill(7))

let network: QuietNetwork
beforeAll(() => {
  network = new QuietNetwork()
  network.file('letter.txt', 'a letter')
  mkdirSync(join(network.dir, 'letters'))
})
afterAll(() => network.end())

/** What is typed, the exit code, and a word of the sentence. Nothing of these may need a network. */
const WRONG: [typed: string[], exit: number, code: string, says: RegExp][] = [
  [['nonsense'], 2, 'USAGE', /unknown command 'nonsense'/],
  [['ls', '--nonsense'], 2, 'USAGE', /unknown option '--nonsense'/],
  [['put'], 2, 'USAGE', /missing required argument/],
  [['down', 'now'], 2, 'USAGE', /too many arguments/],
  [['ls', '--as', '../other'], 2, 'USAGE', /not a wallet name/],
  [['put', 'absent.txt'], 2, 'FILE_UNREADABLE', /there is no file absent\.txt/],
  [['put', 'letter.txt', 'absent.txt'], 2, 'FILE_UNREADABLE', /there is no file absent\.txt/],
  [['put', 'letters'], 2, 'FILE_UNREADABLE', /there is no file in letters/],
  [['put', 'letter.txt', 'letter.txt', '--name', 'x'], 2, 'USAGE', /--name is for one/],
  [['put', 'letter.txt', '--name', 'a/../b'], 2, 'USAGE', /cannot be called "a\/\.\.\/b"/],
  [['nonsense', '--help'], 2, 'USAGE', /unknown command 'nonsense'/],
  [['help', 'nonsense'], 2, 'USAGE', /unknown command 'nonsense'/],
  [['wallet', 'nonsense', '--help'], 2, 'USAGE', /unknown command 'nonsense'/],
  [['wallet'], 2, 'USAGE', /a command is missing/],
  [['get', OBJECT, '--range', '9-1', '-o', 'x'], 2, 'USAGE', /"9-1" is no range of bytes/],
  [['get', OBJECT, '--range', '0-9'], 2, 'USAGE', /a place of its own/],
  [['ls', OBJECT, '--shared'], 2, 'USAGE', /either a bundle or --shared/],
  [['put', '/dev/null'], 2, 'FILE_UNREADABLE', /not a regular file/],
  [['put', 'letter.txt', '--profile', 'huge'], 2, 'USAGE', /profile/],
  [['get', 'not-an-id'], 2, 'USAGE', /"not-an-id" is not an object id/],
  [['grant', OBJECT], 2, 'USAGE', /--to/],
  [['grant', OBJECT, '--to', 'nobody'], 2, 'USAGE', /neither a DID nor a wallet/],
  [['grant', OBJECT, '--to', 'did:web:example.org'], 2, 'USAGE', /not a DID of an XCARE network/],
  [['grant', OBJECT, '--to', 'nobody', '--until', 'soon'], 2, 'USAGE', /"soon" is not a time/],
  [['revoke', 'not-an-id'], 2, 'USAGE', /not the id of a permission/],
  [['revoke', 'abc'], 2, 'USAGE', /not the id of a permission/],
  [['up', '--nodes', '3'], 2, 'USAGE', /12 to 64 storage nodes/],
  [['bench', '--size', '0'], 2, 'USAGE', /--size/],
  [['node', 'run', '--dir', 'letters'], 10, 'NOT_INITIALISED', /there is no node in/],
]

describe.concurrent('what was typed wrong', () => {
  test.each(WRONG)('xcare %j ends with %i', async (typed, exit, code, says) => {
    const said = await xcare(
      [...(typed.includes('--dir') ? [] : ['--dir', network.root]), ...typed, '--json'],
      network.dir,
    )
    expect(said).toMatchObject({ exit, result: { type: 'result', ok: false, code, exitCode: exit } })
    expect(said.result!.message).toMatch(says)
    expect(said.result!.message).not.toContain('\n')
    expect(showsStack(said.stdout + said.stderr)).toBe(false)
  })
})

describe.concurrent('errors on a terminal', () => {
  test.each([
    [['nonsense'], /^error: unknown command 'nonsense'\n {2}next: see `npx xcare help`\n$/],
    [['put', 'absent.txt'], /^error: there is no file absent\.txt\n {2}next: check the path\n$/],
  ])('%j is one sentence and a next step', async (typed, text) => {
    const { stdout, stderr } = await network.run(...typed)
    expect(stdout).toBe('')
    expect(stderr).toMatch(text)
  })
})

describe.concurrent('a folder without a network', () => {
  test.each([['status'], ['ls'], ['chain', 'status'], ['get', OBJECT]])(
    'xcare %j ends with 10 and says how to start one',
    async (...typed) => {
      const words = typed.filter((word) => word !== undefined)
      const said = await xcare([...words, '--json', '--dir', join(network.dir, 'nowhere')])
      expect(said).toMatchObject({ exit: 10, result: { ok: false, code: 'NOT_INITIALISED' } })
      expect(said.result!.next).toContain('npx xcare up')
    },
  )
})

test('a damaged network file is named, and ends with 19', async () => {
  const other = new QuietNetwork()
  try {
    other.file('network/network.json', '{"network":')
    const said = await other.run('ls', '--json')
    expect(said).toMatchObject({ exit: 19, result: { code: 'MALFORMED' } })
    expect(said.result!.message).toContain('network.json')
  } finally {
    other.end()
  }
})
