import { describe, expect, test } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { XcareError } from '../../src/errors.ts'
import type { Folder } from '../../src/ports.ts'
import { forgivingFolder } from '../../src/sdk/forgiving-folder.ts'
import { memoryFolder } from '../guardian-node/ports.ts'

const readOnly = async (): Promise<never> => {
  throw new XcareError('FILE_UNREADABLE', 'no permission')
}

function readOnlyDisk(): Folder {
  const disk = memoryFolder()
  disk.files.set('light-block', utf8('old'))
  return { ...disk, replace: readOnly, append: readOnly, remove: readOnly }
}

describe('what a wallet would keep, where nothing can be written', () => {
  test('is kept in memory, and told once', async () => {
    let told = 0
    const folder = await forgivingFolder(
      async () => readOnlyDisk(),
      () => told++,
    )
    expect(await folder.read('light-block')).toEqual(utf8('old'))
    expect(told).toBe(0)
    await folder.replace('light-block', utf8('new'))
    await folder.append('headers.log', utf8('a'))
    await folder.append('headers.log', utf8('b'))
    expect(await folder.read('light-block')).toEqual(utf8('new'))
    expect(await folder.read('headers.log')).toEqual(utf8('ab'))
    expect(await folder.list()).toEqual(['headers.log', 'light-block'])
    await folder.remove('light-block')
    expect(await folder.read('light-block')).toBeNull()
    expect(told).toBe(1)
  })

  test('works without any folder at all', async () => {
    const folder = await forgivingFolder(readOnly, () => {})
    await folder.replace('a', utf8('1'))
    expect(await folder.read('a')).toEqual(utf8('1'))
    expect(await folder.read('b')).toBeNull()
  })

  test('a full disk is told as one', async () => {
    const full = async () => {
      throw new XcareError('NO_SPACE', 'full')
    }
    const folder = await forgivingFolder(
      async () => ({ ...readOnlyDisk(), replace: full }),
      () => {},
    )
    await expect(folder.replace('a', utf8('1'))).rejects.toMatchObject({ code: 'NO_SPACE' })
  })

  test('goes to the disk where that can be', async () => {
    const disk = memoryFolder()
    const folder = await forgivingFolder(
      async () => disk,
      () => {},
    )
    await folder.replace('a', utf8('1'))
    expect(disk.files.get('a')).toEqual(utf8('1'))
  })
})
