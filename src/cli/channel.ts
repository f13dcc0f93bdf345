import { fstatSync, writeSync } from 'node:fs'
import { isatty } from 'node:tty'
import { utf8 } from '../bytes.ts'

/** One of the two outputs of this process. Every write is looked at: what did not arrive is known. */
export interface Channel {
  /** Columns of the terminal behind it, or null when it is none. */
  columns(): number | null
  /** Writes all of it. Resolves when it was handed on, or could not be: `failure` says so. */
  write(content: string | Uint8Array): Promise<void>
  /** Resolves when everything written so far was handed on, or could not be. */
  settled(): Promise<void>
  /** The first write that failed, or null. */
  failure(): NodeJS.ErrnoException | null
  /** Resolves when whoever reads this went away. */
  readonly gone: Promise<void>
}

const channels = new Map<1 | 2, Channel>()

/**
 * @returns whether a path that was named for a record means the standard output: with it, that carries the
 * record alone.
 */
export function isStandardOutput(path: string | undefined): boolean {
  return ['-', '/dev/stdout', '/dev/fd/1', '/proc/self/fd/1'].some((name) => name === path)
}

/**
 * @returns the channel of file descriptor 1 or 2: one for each, so that a failure is known to all who write.
 */
export function channelOf(fd: 1 | 2): Channel {
  const found = channels.get(fd) ?? openChannel(fd)
  channels.set(fd, found)
  return found
}

function openChannel(fd: 1 | 2): Channel {
  const stream = fd === 1 ? process.stdout : process.stderr
  const gone = Promise.withResolvers<void>()
  let failure: NodeJS.ErrnoException | null = null
  let last = Promise.resolve()
  const failed = (error: NodeJS.ErrnoException | null | undefined) => {
    if (!error) return
    failure ??= error
    if (hasNoReader(error)) gone.resolve()
  }
  // Without a listener such an error would end the process with a stack.
  stream.on('error', failed)
  const handOver = isWrittenAtOnce(fd)
    ? async (bytes: Uint8Array) => writeAll(fd, bytes)
    : (bytes: Uint8Array) =>
        new Promise<void>((resolve, reject) => {
          stream.write(bytes, (error) => (error ? reject(error) : resolve()))
        })
  return {
    columns: () => (isatty(fd) ? (stream.columns ?? null) : null),
    write(content) {
      if (failure && hasNoReader(failure)) return Promise.resolve()
      const written = handOver(typeof content === 'string' ? utf8(content) : content).catch(failed)
      last = Promise.all([last, written]).then(() => {})
      return written
    },
    settled: () => last,
    failure: () => failure,
    gone: gone.promise,
  }
}

/** @returns whether `error` says that nobody reads what is written. */
export function hasNoReader(error: NodeJS.ErrnoException): boolean {
  return error.code === 'EPIPE' || error.code === 'ECONNRESET'
}

/** Node's own stream for files takes a part that was written for the whole. */
function isWrittenAtOnce(fd: number): boolean {
  const facts = fstatSync(fd)
  return facts.isFile() || (facts.isCharacterDevice() && !isatty(fd))
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at)
}
