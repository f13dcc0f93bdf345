import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { asDiskError, openFolder, readOrNull, replaceFile } from '../../src/sdk/folder.ts'
import { codeOf, scratchFolder } from './scratch.ts'

const scratch = scratchFolder()
const filled = (byte: number, length = 64 * 1024) => new Uint8Array(length).fill(byte)

describe('a folder', () => {
  test('keeps, appends, lists, removes; absent is null', async () => {
    const folder = await openFolder(join(scratch, 'plain'))
    expect(await folder.read('keys')).toBeNull()
    await folder.replace('keys', filled(1, 3))
    await folder.append('keys', filled(2, 2))
    await folder.append('log', filled(3, 1))
    expect(await folder.read('keys')).toEqual(Uint8Array.of(1, 1, 1, 2, 2))
    expect(await folder.list()).toEqual(['keys', 'log'])
    await folder.remove('keys')
    await folder.remove('keys')
    expect(await folder.list()).toEqual(['log'])
  })

  test('is closed to other users, and so are its files', async () => {
    const path = join(scratch, 'closed')
    const folder = await openFolder(path)
    await folder.replace('a', filled(1))
    await folder.append('b', filled(1))
    for (const name of ['.', 'a', 'b']) expect(statSync(join(path, name)).mode & 0o077, name).toBe(0)
  })

  test.each(['', '.', '..', '../a', 'a/b', '/a', '.hidden', 'A', 'a b', 'a\0', 'ä'])(
    'has no file called %j',
    async (name) => {
      const folder = await openFolder(join(scratch, 'names'))
      expect(() => folder.read(name)).toThrow(expect.objectContaining({ code: 'INTERNAL' }))
      expect(() => folder.replace(name, filled(1))).toThrow()
      expect(() => folder.append(name, filled(1))).toThrow()
      expect(() => folder.remove(name)).toThrow()
    },
  )

  test('a reader sees whole old or whole new content, however often it is replaced', async () => {
    const folder = await openFolder(join(scratch, 'atomic'))
    await folder.replace('a', filled(0))
    let writing = true
    const writer = (async () => {
      for (let byte = 1; byte <= 40; byte++) await folder.replace('a', filled(byte))
      writing = false
    })()
    let reads = 0
    while (writing) {
      const content = await folder.read('a')
      expect(content).toHaveLength(64 * 1024)
      expect(content).toEqual(filled(content![0]!))
      reads++
    }
    await writer
    expect(reads).toBeGreaterThan(3)
  })

  test('replacing the same file twice at a time gives one of both', async () => {
    const path = join(scratch, 'twice')
    const folder = await openFolder(path)
    await Promise.all(Array.from({ length: 20 }, (_, byte) => folder.replace('a', filled(byte))))
    const content = await folder.read('a')
    expect(content).toEqual(filled(content![0]!))
    expect(readdirSync(path)).toEqual(['a'])
  })

  test('what a crash leaves half-written is no file of the folder', async () => {
    const path = join(scratch, 'torn')
    mkdirSync(path)
    writeFileSync(join(path, '.xcare-0011223344556677.part'), 'half')
    const folder = await openFolder(path)
    expect(await folder.list()).toEqual([])
  })
})

describe('a disk that refuses', () => {
  // Device that is always full; where there is none, the mapping alone is tested below.
  test.skipIf(!existsSync('/dev/full'))('a full disk is NO_SPACE and says so', async () => {
    const folder = await openFolder('/dev')
    await expect(folder.append('full', filled(1))).rejects.toMatchObject({
      code: 'NO_SPACE',
      exitCode: 13,
      next: expect.stringContaining('free some space'),
    })
  })

  test.each([
    ['ENOSPC', 'NO_SPACE'],
    ['EDQUOT', 'NO_SPACE'],
    ['EACCES', 'FILE_UNREADABLE'],
    ['EROFS', 'FILE_UNREADABLE'],
    ['EISDIR', 'FILE_UNREADABLE'],
    ['ENOTDIR', 'FILE_UNREADABLE'],
    ['EIO', 'INTERNAL'],
  ])('%s becomes %s and keeps its cause', (system, code) => {
    const cause = Object.assign(new Error('refused'), { code: system })
    expect(asDiskError(cause, 'some/file')).toMatchObject({ code, cause })
    expect(asDiskError(cause, 'some/file').message).toContain('some/file')
  })

  test('an error of our own stays what it is', () => {
    const first = asDiskError(Object.assign(new Error('full'), { code: 'ENOSPC' }), 'a')
    expect(asDiskError(first, 'b')).toBe(first)
  })

  test('a file that cannot be replaced keeps its content and leaves nothing beside it', async () => {
    const path = join(scratch, 'refused')
    mkdirSync(join(path, 'a'), { recursive: true })
    writeFileSync(join(path, 'a', 'inside'), 'kept')
    expect(await codeOf(() => replaceFile(join(path, 'a'), 'new'))).toBe('FILE_UNREADABLE')
    expect(readdirSync(path)).toEqual(['a'])
    expect(readdirSync(join(path, 'a'))).toEqual(['inside'])
  })

  test('a folder is not read as a file', async () => {
    expect(await codeOf(() => readOrNull(scratch))).toBe('FILE_UNREADABLE')
  })
})
