import { execFileSync } from 'node:child_process'
import { lstatSync, symlinkSync } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { concat } from '../../src/bytes.ts'
import { isStreamTarget, writeThrough } from '../../src/sdk/stream-target.ts'
import { codeOf, scratchFolder } from './scratch.ts'

const scratch = scratchFolder()
const piece = new Uint8Array(100_000).fill(7)

function pipe(name: string): string {
  execFileSync('mkfifo', [join(scratch, name)])
  return join(scratch, name)
}

/** Yields so many pieces, and tells whether it was ended. */
function pieces(count: number): { content: AsyncGenerator<Uint8Array>; isEnded: () => boolean } {
  let ended = false
  async function* content() {
    try {
      for (let at = 0; at < count; at++) yield piece
    } finally {
      ended = true
    }
  }
  return { content: content(), isEnded: () => ended }
}

describe('a target that is no file', () => {
  test('is told from files, folders and what is not there', async () => {
    symlinkSync(pipe('told'), join(scratch, 'link'))
    for (const path of [join(scratch, 'told'), join(scratch, 'link'), '/dev/null', '/dev/fd/2'])
      expect(await isStreamTarget(path), path).toBe(true)
    for (const path of [scratch, join(scratch, 'absent'), import.meta.filename])
      expect(await isStreamTarget(path), path).toBe(false)
  })

  test('a pipe hands on every byte, and stays a pipe', async () => {
    const path = pipe('pipe')
    const [read, bytes] = await Promise.all([readFile(path), writeThrough(path, pieces(5).content)])
    expect(bytes).toBe(500_000)
    expect(new Uint8Array(read)).toEqual(concat(piece, piece, piece, piece, piece))
    expect(lstatSync(path).isFIFO()).toBe(true)
  })

  test('a device takes it all; a full one says so, and the source is ended', async () => {
    expect(await writeThrough('/dev/null', pieces(3).content)).toBe(300_000)
    const { content, isEnded } = pieces(3)
    expect(await codeOf(() => writeThrough('/dev/full', content))).toBe('NO_SPACE')
    expect(isEnded()).toBe(true)
    expect(lstatSync('/dev/null').isCharacterDevice()).toBe(true)
  })

  test('a reader that goes away before the end makes the copy a part', async () => {
    const path = pipe('left')
    const { content, isEnded } = pieces(1000)
    const [code] = await Promise.all([
      codeOf(() => writeThrough(path, content)),
      open(path, 'r').then(async (file) => {
        await file.read(new Uint8Array(10), 0, 10)
        await file.close()
      }),
    ])
    expect(code).toBe('PARTIAL')
    expect(isEnded()).toBe(true)
  })

  test('a socket is connected to; one that is gone is named', async () => {
    const path = join(scratch, 'socket')
    const parts: Buffer[] = []
    const ended = Promise.withResolvers<void>()
    const server = createServer((socket) => {
      socket.on('data', (data) => parts.push(data))
      socket.on('end', () => ended.resolve())
    })
    await new Promise<void>((done) => server.listen(path, done))
    expect(await isStreamTarget(path)).toBe(true)
    expect(await writeThrough(path, pieces(4).content)).toBe(400_000)
    await ended.promise
    expect(Buffer.concat(parts)).toHaveLength(400_000)
    await new Promise((done) => server.close(done))
    expect(await codeOf(() => writeThrough(path, pieces(1).content))).toBe('FILE_UNREADABLE')
  })
})
