import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { newTargetFolder, openTargetFolder, writeWhole } from '../../src/sdk/file-target.ts'
import { localNames } from '../../src/sdk/local-names.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'xcare-hostile-'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

async function* evil(text = 'of the sender') {
  yield utf8(text)
}

const codeOf = (run: Promise<unknown>) =>
  run.then(
    () => null,
    (error: { code?: string }) => error.code,
  )

/** Everything that lies below the home folder, with its content. */
function kept(): Record<string, string> {
  const files = readdirSync(home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return Object.fromEntries(
    files
      .map(({ parentPath, name }) => join(parentPath, name))
      .map((path) => [path.slice(home.length + 1), readFileSync(path, 'utf8')]),
  )
}

describe('what a sender calls a record, in the home of its reader', () => {
  test('no name reaches a file that runs commands or opens doors', async () => {
    for (const folder of ['.ssh', '.git', '.config/autostart'])
      mkdirSync(join(home, folder), { recursive: true })
    const own = ['.bashrc', '.ssh/authorized_keys', '.git/config', '.config/autostart/x.desktop', 'Makefile']
    for (const name of own) writeFileSync(join(home, name), 'my own')
    const folder = await openTargetFolder(home)
    for (const replaces of [true, false])
      for (const { path } of localNames(own.slice(0, -1)))
        expect(await codeOf(folder.write(path, evil(), { replaces }))).toBe(replaces ? null : 'USAGE')
    expect(await codeOf(folder.write(['Makefile'], evil()))).toBe('USAGE')
    for (const name of own) expect(kept()[name], name).toBe('my own')
  })

  test('a folder for a bundle is new, whatever is in its place', async () => {
    mkdirSync(join(home, 'folder'))
    writeFileSync(join(home, 'file'), 'my own')
    symlinkSync('/tmp', join(home, 'link'))
    symlinkSync('nowhere', join(home, 'dangling'))
    for (const name of ['folder', 'file', 'link', 'dangling'])
      expect(await codeOf(newTargetFolder(join(home, name))), name).toBe('USAGE')
    expect(lstatSync((await newTargetFolder(join(home, 'bundle'))).path).mode & 0o077).toBe(0)
  })

  test.each([true, false])('no link on the way is followed (replacing: %s)', async (replaces) => {
    mkdirSync(join(home, 'secret'))
    mkdirSync(join(home, 'got'))
    symlinkSync(join(home, 'secret'), join(home, 'got', 'lab'))
    symlinkSync(join(home, 'secret', 'planted'), join(home, 'got', 'letter'))
    const folder = await openTargetFolder(join(home, 'got'))
    expect(await codeOf(folder.write(['lab', 'x'], evil(), { replaces }))).toBe('FILE_UNREADABLE')
    expect(await codeOf(folder.write(['lab', 'deep', 'x'], evil(), { replaces }))).toBe('FILE_UNREADABLE')
    expect(await codeOf(folder.write(['letter'], evil(), { replaces }))).toBe(replaces ? null : 'USAGE')
    expect(readdirSync(join(home, 'secret'))).toEqual([])
  })

  test('a link that appears while a record is written is not followed, and what appears stays', async () => {
    mkdirSync(join(home, 'secret'))
    async function* planted() {
      yield utf8('of the ')
      symlinkSync(join(home, 'secret', 'planted'), join(home, 'letter'))
      yield utf8('sender')
    }
    expect(await codeOf(writeWhole(join(home, 'letter'), planted()))).toBe('USAGE')
    expect(existsSync(join(home, 'secret', 'planted'))).toBe(false)
    async function* later() {
      yield utf8('of the ')
      writeFileSync(join(home, 'mine'), 'my own')
      yield utf8('sender')
    }
    expect(await codeOf(writeWhole(join(home, 'mine'), later()))).toBe('USAGE')
    expect(kept()).toEqual({ mine: 'my own' })
  })

  test('a folder that is exchanged for a link while a record is written receives it where it was', async () => {
    mkdirSync(join(home, 'secret'))
    const folder = await openTargetFolder(join(home, 'got'))
    async function* exchanging() {
      yield utf8('of the ')
      const { renameSync } = await import('node:fs')
      renameSync(join(home, 'got', 'lab'), join(home, 'moved'))
      symlinkSync(join(home, 'secret'), join(home, 'got', 'lab'))
      yield utf8('sender')
    }
    await folder.write(['lab', 'x'], exchanging()).catch(() => {})
    expect(readdirSync(join(home, 'secret'))).toEqual([])
  })

  test('a file in the way of a folder, and a folder in the way of a file, are named and stay', async () => {
    writeFileSync(join(home, 'lab'), 'my own')
    mkdirSync(join(home, 'scan'))
    const folder = await openTargetFolder(home)
    expect(await folder.has(['lab', 'x'])).toBe(true)
    for (const replaces of [true, false]) {
      expect(await codeOf(folder.write(['lab', 'x'], evil(), { replaces }))).toBe('FILE_UNREADABLE')
      expect(await codeOf(folder.write(['scan'], evil(), { replaces }))).toBe('FILE_UNREADABLE')
    }
    expect(kept()).toEqual({ lab: 'my own' })
  })
})
