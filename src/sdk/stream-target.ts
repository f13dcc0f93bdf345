import { constants } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { createConnection, type Socket } from 'node:net'
import { XcareError } from '../errors.ts'
import { asDiskError, isSystemError } from './folder.ts'

/**
 * @returns whether `path` leads to a pipe, a device or a socket: what is written there goes through, and
 * nothing takes its place.
 */
export async function isStreamTarget(path: string): Promise<boolean> {
  // What is open already is written on, a file too.
  if (/^\/(dev|proc\/self)\/fd\/\d+$/.test(path) || path === '/dev/stderr') return true
  const facts = await stat(path).catch(() => null)
  return facts !== null && !facts.isFile() && !facts.isDirectory()
}

/**
 * Writes `content` to the pipe, device or socket at `path` as it comes; a pipe waits until somebody opens it
 * to read.
 * @returns bytes written.
 * @throws whatever `content` throws; XcareError PARTIAL when whoever reads goes away before the end,
 * NO_SPACE, FILE_UNREADABLE.
 */
export async function writeThrough(path: string, content: AsyncIterable<Uint8Array>): Promise<number> {
  const facts = await stat(path).catch(asDisk(path))
  const sink = facts.isSocket() ? await socketSink(path) : await fileSink(path)
  let bytes = 0
  try {
    for await (const piece of content) {
      await sink.write(piece).catch((cause: unknown) => {
        throw isSystemError(cause, 'EPIPE') || isSystemError(cause, 'ECONNRESET')
          ? readerGone(path, cause)
          : asDiskError(cause, path)
      })
      bytes += piece.length
    }
  } finally {
    await sink.end()
  }
  return bytes
}

/** @returns the error for a record whose reader, at `place`, went away before its end. */
export function readerGone(place: string, cause: unknown): XcareError {
  return new XcareError('PARTIAL', `whoever read ${place} went away before the end of the record`, { cause })
}

interface Sink {
  write(piece: Uint8Array): Promise<unknown>
  end(): Promise<void>
}

async function fileSink(path: string): Promise<Sink> {
  const file = await open(path, constants.O_WRONLY).catch(asDisk(path))
  return { write: (piece) => file.writeFile(piece), end: () => file.close() }
}

function socketSink(path: string): Promise<Sink> {
  return new Promise((resolve, reject) => {
    const socket: Socket = createConnection(path, () => {
      socket.off('error', refused)
      // Each write is told of its own failure.
      socket.on('error', () => {})
      resolve({
        write: (piece) =>
          new Promise<void>((done, failed) => {
            socket.write(piece, (error) => (error ? failed(error) : done()))
          }),
        end: () =>
          new Promise((done) => {
            if (socket.destroyed) done()
            else socket.end(() => done())
          }),
      })
    })
    const refused = (cause: Error) =>
      reject(new XcareError('FILE_UNREADABLE', `nobody listens at ${path}`, { cause }))
    socket.once('error', refused)
  })
}

const asDisk = (path: string) => (cause: unknown) => {
  throw asDiskError(cause, path)
}
