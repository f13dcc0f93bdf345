import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { concat, equalBytes } from '../../src/bytes.ts'
import type { RecordSource } from '../../src/light-node/put-record.ts'
import { fileSource } from '../../src/sdk/file-source.ts'
import { removeUnfinished, writeWhole } from '../../src/sdk/file-target.ts'
import { removeLeftovers, unfinishedName } from '../../src/sdk/unfinished-files.ts'
import { codeOf, scratchFolder } from './scratch.ts'

const scratch = scratchFolder()
const bytes = Uint8Array.from({ length: 1_300_001 }, (_, at) => (at * 7 + (at >> 8)) & 0xff)

function file(name: string, content: Uint8Array | string): string {
  const path = join(scratch, name)
  writeFileSync(path, content)
  return path
}

async function readAll(source: RecordSource, offset = 0, length = source.length): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of source.read(offset, length)) parts.push(part)
  return concat(...parts)
}

describe('a file as a record', () => {
  test('gives its bytes, whole and in ranges, as often as asked', async () => {
    const source = await fileSource(file('scan.dcm', bytes))
    expect(source).toMatchObject({ name: 'scan.dcm', mediaType: 'application/dicom', length: bytes.length })
    expect(await readAll(source)).toEqual(bytes)
    expect(await readAll(source, 700_000, 500_000)).toEqual(bytes.subarray(700_000, 1_200_000))
    expect(await readAll(source, bytes.length, 0)).toHaveLength(0)
  })

  test('an empty file is a record of no bytes', async () => {
    const source = await fileSource(file('empty', ''))
    expect(source).toMatchObject({ length: 0, mediaType: 'application/octet-stream' })
    expect(await readAll(source)).toHaveLength(0)
  })

  test.each([
    ['LETTER.PDF', 'application/pdf'],
    ['a.b.ndjson', 'application/x-ndjson'],
    ['png', 'application/octet-stream'],
    ['.png', 'application/octet-stream'],
    ['notes.constructor', 'application/octet-stream'],
    ['dot.', 'application/octet-stream'],
  ])('%s has the type %s', async (name, mediaType) => {
    expect((await fileSource(file(name, 'x'))).mediaType).toBe(mediaType)
  })

  test('another name can be given', async () => {
    expect((await fileSource(file('a.txt', 'x'), 'visit/a.txt')).name).toBe('visit/a.txt')
  })

  test('a link is what it points to', async () => {
    symlinkSync(file('target.json', '{}'), join(scratch, 'link.json'))
    expect(await fileSource(join(scratch, 'link.json'))).toMatchObject({ name: 'link.json', length: 2 })
  })

  test('what is no readable file is told before anything is sent', async () => {
    mkdirSync(join(scratch, 'folder'))
    symlinkSync('nowhere', join(scratch, 'broken'))
    const loop = join(scratch, 'loop')
    symlinkSync(loop, loop)
    for (const name of ['absent', 'folder', 'broken', '/dev/null', 'empty/x', 'loop'])
      expect(await codeOf(() => fileSource(resolve(scratch, name))), name).toBe('FILE_UNREADABLE')
  })

  test.skipIf(process.getuid?.() === 0)(
    'a file of somebody else is told before anything is sent',
    async () => {
      const path = file('private', 'x')
      execFileSync('chmod', ['000', path])
      const source = await fileSource(path)
      expect(await codeOf(() => readAll(source))).toBe('FILE_UNREADABLE')
    },
  )

  test.each(['a\\b', 'bell\u0007', 'line\nbreak', 'C:scan', 'x'.repeat(256), 'txt\u202egnp'])(
    'a name that no record can have is refused at once: %j',
    async (name) => {
      expect(await codeOf(() => fileSource(file('plain', 'x'), name))).toBe('USAGE')
    },
  )

  test('a pipe is read to its end, with a length that nobody knew before', async () => {
    const pipe = join(scratch, 'pipe')
    execFileSync('mkfifo', [pipe])
    const large = concat(...Array.from({ length: 8 }, () => bytes))
    const [source] = await Promise.all([fileSource(pipe, 'scan.dcm'), writeFile(pipe, large)])
    expect(source).toMatchObject({ name: 'scan.dcm', length: large.length })
    expect(equalBytes(await readAll(source), large)).toBe(true)
    expect(await readAll(source, 8_300_000, 200_000)).toEqual(large.subarray(8_300_000, 8_500_000))
  })

  test('a file that claims to have nothing, or a page, gives what is in it', async () => {
    const source = await fileSource('/proc/version')
    expect(source.length).toBeGreaterThan(10)
    expect(await readAll(source)).toHaveLength(source.length)
    expect((await fileSource(file('page', new Uint8Array(4096)))).length).toBe(4096)
  })

  test('a name that is not UTF-8 is found as it shows, and stored as text', async () => {
    const raw = Buffer.concat([
      Buffer.from(`${scratch}/R\u00f6ntgen `),
      Buffer.from([0xe4]),
      Buffer.from('.txt'),
    ])
    await writeFile(raw, 'umlaut')
    for (const path of [raw, raw.toString()]) {
      const source = await fileSource(path)
      expect(source.name).toBe('R\u00f6ntgen \ufffd.txt')
      expect(new TextDecoder().decode(await readAll(source))).toBe('umlaut')
    }
  })

  test.each([
    ['.bashrc', '_.bashrc'],
    ['-rf', '_-rf'],
    ['a/.ssh/x\u200b', 'a/_.ssh/x_'],
  ])('%j is stored as %j', async (name, stored) => {
    expect((await fileSource(file('plain', 'x'), name)).name).toBe(stored)
  })

  test('a file that is replaced or written over while it is read is named', async () => {
    for (const change of ['replaced', 'changed']) {
      const path = file('restless', bytes)
      const source = await fileSource(path)
      if (change === 'replaced') renameSync(file('other', bytes), path)
      else {
        writeFileSync(path, bytes)
        utimesSync(path, 1, 1)
      }
      await expect(readAll(source)).rejects.toThrow(`restless was ${change} while it was read`)
    }
  })

  test('a file that shrinks while it is read is never taken for whole', async () => {
    const path = file('shrinks', bytes)
    const source = await fileSource(path)
    truncateSync(path, 600_000)
    expect(await codeOf(() => readAll(source))).toBe('FILE_UNREADABLE')
  })

  test('a file that grows while it is read gives what it had', async () => {
    const path = file('grows', bytes)
    const source = await fileSource(path)
    writeFileSync(path, bytes, { flag: 'a' })
    expect(await readAll(source)).toEqual(bytes)
  })
})

async function* inParts(...parts: (Uint8Array | Error)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Error) throw part
    yield part
  }
}

describe('a record as a file', () => {
  const half = bytes.subarray(0, 650_000)
  const rest = bytes.subarray(650_000)

  test('appears whole, readable by its owner alone, with the folders it needs', async () => {
    const path = join(scratch, 'got', 'deep', 'scan.dcm')
    expect(await writeWhole(path, inParts(half, new Uint8Array(), rest))).toBe(bytes.length)
    expect(new Uint8Array(readFileSync(path))).toEqual(bytes)
    expect(statSync(path).mode & 0o077).toBe(0)
  })

  test('of no bytes is an empty file', async () => {
    const path = join(scratch, 'got', 'empty')
    expect(await writeWhole(path, inParts())).toBe(0)
    expect(statSync(path).size).toBe(0)
  })

  test('that breaks off leaves nothing: no new file, no half, and the old one as it was', async () => {
    const folder = join(scratch, 'broken-off')
    mkdirSync(folder)
    writeFileSync(join(folder, 'old'), 'old content')
    const broken = new Error('too few fragments')
    for (const name of ['new', 'old'])
      await expect(writeWhole(join(folder, name), inParts(half, broken), { replaces: true })).rejects.toBe(
        broken,
      )
    expect(readdirSync(folder)).toEqual(['old'])
    expect(readFileSync(join(folder, 'old'), 'utf8')).toBe('old content')
  })

  test('is not seen before it is complete', async () => {
    const folder = join(scratch, 'unseen')
    mkdirSync(folder)
    const path = join(folder, 'scan')
    const seen: string[][] = []
    async function* watched() {
      yield half
      seen.push(readdirSync(folder).filter((name) => !name.startsWith('.')))
      yield rest
    }
    await writeWhole(path, watched())
    expect(seen).toEqual([[]])
    expect(readdirSync(folder)).toEqual(['scan'])
  })

  test('can be written many times at a time', async () => {
    const folder = join(scratch, 'many')
    const names = Array.from({ length: 12 }, (_, at) => `file-${String(at).padStart(2, '0')}`)
    await Promise.all(names.map((name) => writeWhole(join(folder, name), inParts(half))))
    expect(readdirSync(folder).sort()).toEqual(names)
  })

  test('onto a folder, or below a file, is refused and leaves nothing', async () => {
    const folder = join(scratch, 'onto')
    mkdirSync(join(folder, 'inner'), { recursive: true })
    writeFileSync(join(folder, 'plain'), 'x')
    expect(await codeOf(() => writeWhole(join(folder, 'inner'), inParts(half)))).toBe('FILE_UNREADABLE')
    expect(await codeOf(() => writeWhole(join(folder, 'plain', 'x'), inParts(half)))).toBe('FILE_UNREADABLE')
    expect(readdirSync(folder).sort()).toEqual(['inner', 'plain'])
  })

  test('replaces what is there only when asked to', async () => {
    const path = join(scratch, 'there')
    await writeWhole(path, inParts(half))
    expect(await codeOf(() => writeWhole(path, inParts(rest)))).toBe('USAGE')
    expect(statSync(path).size).toBe(half.length)
    await writeWhole(path, inParts(rest), { replaces: true })
    expect(statSync(path).size).toBe(rest.length)
  })

  test('what is under way is gone when the process ends', async () => {
    const folder = join(scratch, 'interrupted')
    mkdirSync(folder)
    async function* interrupted() {
      yield half
      expect(readdirSync(folder)).toHaveLength(1)
      removeUnfinished()
      expect(readdirSync(folder)).toEqual([])
      yield rest
    }
    expect(await codeOf(() => writeWhole(join(folder, 'scan'), interrupted()))).not.toBeNull()
    expect(readdirSync(folder)).toEqual([])
  })

  test('what is under way is gone also when the process ends in the turn in which it appears', async () => {
    for (let again = 0; again < 100; again++) {
      const folder = join(scratch, `appears-${again}`)
      mkdirSync(folder)
      const stopped = Promise.withResolvers<void>()
      async function* stalled() {
        yield half
        await stopped.promise
        yield rest
      }
      const writing = codeOf(() => writeWhole(join(folder, 'scan'), stalled()))
      while (readdirSync(folder).length === 0) await new Promise(setImmediate)
      removeUnfinished()
      expect(readdirSync(folder)).toEqual([])
      stopped.resolve()
      await writing
    }
  })

  test('what a killed process left is removed, what a living one writes stays', async () => {
    const folder = join(scratch, 'leftovers')
    mkdirSync(folder)
    const chance = '0123456789abcdef'
    const own = unfinishedName()
    const ended = Number(execFileSync('sh', ['-c', 'echo $$'], { encoding: 'utf8' }))
    const dead = own.replace(`-${process.pid}-`, `-${ended}-`)
    const elsewhere = `.xcare-00000000-${ended}-${chance}.part`
    const before = `.xcare-00000000-${ended}-fedcba9876543210.part`
    const others = ['.xcare-notes', 'scan.part', `.xcare-${chance}.part.gz`]
    for (const name of [own, dead, elsewhere, before, ...others]) writeFileSync(join(folder, name), 'x')
    utimesSync(join(folder, before), 1, 1)
    expect(await removeLeftovers(folder)).toBe(2)
    expect(readdirSync(folder).sort()).toEqual([own, elsewhere, ...others].sort())
    expect(await removeLeftovers(join(folder, 'absent'))).toBe(0)
  })
})
