import { closeSync, openSync, read, unlinkSync, write } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { concat } from '../bytes.ts'
import { SPOOLED_MEMORY_BYTES_MAX } from '../limits.ts'
import { asDiskError } from './folder.ts'
import { unfinishedName } from './unfinished-files.ts'

const readAt = promisify(read)
const writeAt = promisify(write)
const READ_BYTES = 512 * 1024

/** Bytes of a stream that came to its end, to be read in ranges as often as wanted. */
export interface Spool {
  length: number
  read(offset: number, length: number): AsyncIterable<Uint8Array>
}

/**
 * Takes a stream to its end, so that its length is known: a little in memory, more in a file that has no
 * name, which the system drops with this process, however it ends.
 * @throws whatever `stream` throws; XcareError NO_SPACE
 */
export async function spoolOf(stream: AsyncIterable<Uint8Array>): Promise<Spool> {
  let fd: number | null = null
  let pieces: Uint8Array[] = []
  let spilled = 0
  let length = 0
  try {
    for await (const piece of stream) {
      pieces.push(new Uint8Array(piece))
      length += piece.length
      if (length - spilled <= SPOOLED_MEMORY_BYTES_MAX) continue
      fd ??= namelessFile()
      await writeAll(fd, pieces, spilled)
      pieces = []
      spilled = length
    }
  } catch (error) {
    if (fd !== null) closeSync(fd)
    throw error
  }
  const rest = concat(...pieces)
  return {
    length,
    async *read(offset, count) {
      const end = offset + count
      for (let at = offset; at < end; ) {
        const upTo = Math.min(at + READ_BYTES, end, at < spilled ? spilled : end)
        const piece =
          at < spilled ? await pieceAt(fd!, at, upTo - at) : rest.slice(at - spilled, upTo - spilled)
        at += piece.length
        yield piece
      }
    },
  }
}

async function writeAll(fd: number, pieces: Uint8Array[], from: number): Promise<void> {
  let at = from
  for (const piece of pieces)
    for (let done = 0; done < piece.length; ) {
      const { bytesWritten } = await writeAt(fd, piece, done, piece.length - done, at).catch(
        (cause: unknown) => {
          throw asDiskError(cause, tmpdir())
        },
      )
      done += bytesWritten
      at += bytesWritten
    }
}

async function pieceAt(fd: number, at: number, length: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(length)
  const { bytesRead } = await readAt(fd, buffer, 0, length, at)
  return buffer.subarray(0, bytesRead)
}

function namelessFile(): number {
  const path = join(tmpdir(), unfinishedName())
  try {
    const fd = openSync(path, 'wx+', 0o600)
    unlinkSync(path)
    return fd
  } catch (cause) {
    throw asDiskError(cause, path)
  }
}
