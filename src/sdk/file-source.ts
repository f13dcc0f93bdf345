import type { BigIntStats } from 'node:fs'
import { access, constants, type FileHandle, open, readdir, stat } from 'node:fs/promises'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { XcareError } from '../errors.ts'
import { recordName } from '../fragment/record-name.ts'
import type { RecordSource } from '../light-node/put-record.ts'
import { isSystemError } from './folder.ts'
import { localNames } from './local-names.ts'
import { spoolOf } from './spool.ts'

/** Bytes read at once: one stripe of the default profile and a little. */
const READ_BYTES = 512 * 1024
/** What the files of a running system claim to have, whatever is in them. */
const CLAIMED_BYTES = [0, 4096]

const MEDIA_TYPES = new Map(
  Object.entries({
    json: 'application/json',
    ndjson: 'application/x-ndjson',
    pdf: 'application/pdf',
    png: 'image/png',
    jpg: 'image/jpeg',
    dcm: 'application/dicom',
    xml: 'application/xml',
    txt: 'text/plain',
    csv: 'text/csv',
    hl7: 'x-application/hl7-v2+er7',
  }),
)

/** A path of this machine: bytes where its name is not UTF-8. */
export type LocalPath = string | Buffer

/**
 * A file as a record. A link is what it points to; a pipe is read to its end first.
 * @param name what to call it: its last segment unless given.
 * @returns the record, under a name that a file may have everywhere.
 * @throws XcareError FILE_UNREADABLE for what cannot be read to an end, USAGE for a name that no record can
 * have.
 */
export async function fileSource(path: LocalPath, name?: string): Promise<RecordSource> {
  const found = await existing(path)
  const facts = await stat(found, { bigint: true }).catch(unreadable(path))
  if (facts.isDirectory())
    throw new XcareError('FILE_UNREADABLE', `${shown(path)} is a folder`, {
      next: 'store all files in it with `npx xcare put FOLDER`',
    })
  if (!facts.isFile() && !facts.isFIFO())
    throw new XcareError('FILE_UNREADABLE', `${shown(path)} is not a regular file and no pipe`, {
      next: 'hand over what it gives with `npx xcare put -`',
    })
  await access(found, constants.R_OK).catch(unreadable(path))
  const called = storedName(name ?? basename(shown(path)))
  if (facts.isFIFO() || CLAIMED_BYTES.includes(Number(facts.size)))
    return { ...called, ...(await spoolOf(wholeOf(found, path))) }
  const bytes = Number(facts.size)
  return {
    ...called,
    length: bytes,
    read: (offset, length) => readRange({ found, path, facts }, offset, length),
    identity: { path: resolve(shown(path)), bytes, modifiedMs: Math.max(0, Number(facts.mtimeMs)) },
  }
}

/** @returns what comes in on the standard input, to its end, as a record. @throws XcareError as fileSource */
export async function standardInput(name: string): Promise<RecordSource> {
  const called = storedName(name)
  async function* input() {
    try {
      for await (const piece of process.stdin) yield piece as Uint8Array
    } catch (cause) {
      throw new XcareError('FILE_UNREADABLE', 'the standard input could not be read', { cause })
    }
  }
  return { ...called, ...(await spoolOf(input())) }
}

/**
 * @returns the name a record is stored under, which a file may have everywhere, and its media type.
 * @throws XcareError USAGE when no record can be called so.
 */
export function storedName(wanted: string): Pick<RecordSource, 'name' | 'mediaType'> {
  const name = localNames([wanted])[0]!.path.join('/')
  if (!recordName.safeParse(wanted).success || !recordName.safeParse(name).success)
    throw new XcareError('USAGE', `a record cannot be called ${JSON.stringify(wanted.slice(0, 80))}`, {
      next: 'give it a name of at most 255 bytes without control characters and backslashes',
    })
  const mediaType = MEDIA_TYPES.get(extname(wanted).slice(1).toLowerCase()) ?? 'application/octet-stream'
  return { name, mediaType }
}

/** @returns `path` for a sentence; bytes that are no text show as such. */
export function shown(path: LocalPath): string {
  return typeof path === 'string' ? path : path.toString()
}

/**
 * What was typed came as text: a name that is not UTF-8 is found by what it looks like, where only one does.
 */
async function existing(path: LocalPath): Promise<LocalPath> {
  if (typeof path !== 'string' || !path.includes('\ufffd')) return path
  const folder = dirname(path)
  const names = await readdir(folder, { encoding: 'buffer' }).catch(() => [])
  const alike = names.filter((name) => name.toString() === basename(path))
  return alike.length === 1 ? Buffer.concat([Buffer.from(join(folder, '/')), alike[0]!]) : path
}

interface Opened {
  found: LocalPath
  path: LocalPath
  /** As it was when it was first looked at. */
  facts: BigIntStats
}

/**
 * Each range opens the file anew, so that few are open at a time; it must be the same file, and hold what it
 * held.
 */
async function* readRange(
  { found, path, facts }: Opened,
  offset: number,
  length: number,
): AsyncGenerator<Uint8Array> {
  const file = await open(found, constants.O_RDONLY | constants.O_NONBLOCK).catch(unreadable(path))
  try {
    await requireSame(file, path, facts)
    for (let at = 0; at < length; ) {
      const buffer = new Uint8Array(Math.min(READ_BYTES, length - at))
      const { bytesRead } = await file.read(buffer, 0, buffer.length, offset + at).catch(unreadable(path))
      if (bytesRead === 0)
        throw new XcareError('FILE_UNREADABLE', `${shown(path)} became shorter while it was read`)
      at += bytesRead
      yield bytesRead === buffer.length ? buffer : buffer.subarray(0, bytesRead)
    }
    await requireSame(file, path, facts)
  } finally {
    await file.close()
  }
}

/**
 * A file that grows still begins with what it had.
 * @throws XcareError FILE_UNREADABLE when it is another one, or was written over.
 */
async function requireSame(file: FileHandle, path: LocalPath, before: BigIntStats): Promise<void> {
  const now = await file.stat({ bigint: true })
  const next = 'store it when nothing writes to it any more'
  if (now.ino !== before.ino || now.dev !== before.dev)
    throw new XcareError('FILE_UNREADABLE', `${shown(path)} was replaced while it was read`, { next })
  if (now.mtimeNs !== before.mtimeNs && now.size <= before.size)
    throw new XcareError('FILE_UNREADABLE', `${shown(path)} was changed while it was read`, { next })
}

async function* wholeOf(found: LocalPath, path: LocalPath): AsyncGenerator<Uint8Array> {
  const file = await open(found, 'r').catch(unreadable(path))
  try {
    for (;;) {
      const buffer = new Uint8Array(READ_BYTES)
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null).catch(unreadable(path))
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

const unreadable = (path: LocalPath) => (cause: unknown) => {
  if (isSystemError(cause, 'ENOENT') || isSystemError(cause, 'ENOTDIR'))
    throw new XcareError('FILE_UNREADABLE', `there is no file ${shown(path)}`, {
      cause,
      next: 'check the path',
    })
  if (isSystemError(cause, 'EACCES') || isSystemError(cause, 'EPERM'))
    throw new XcareError('FILE_UNREADABLE', `no permission to read ${shown(path)}`, { cause })
  throw new XcareError('FILE_UNREADABLE', `${shown(path)} cannot be read`, { cause })
}
