import { open, stat } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import { XcareError } from '../errors.ts'
import { recordName } from '../fragment/record-name.ts'
import type { RecordSource } from '../light-node/put-record.ts'
import { isSystemError } from './folder.ts'

/** Bytes read at once: one stripe of the default profile and a little. */
const READ_BYTES = 512 * 1024

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

/** @returns the file at `path` as a record, named by its last segment unless `name` is given. @throws XcareError FILE_UNREADABLE for what is no readable file. */
export async function fileSource(path: string, name: string = basename(path)): Promise<RecordSource> {
  const facts = await stat(path).catch((cause: unknown) => {
    throw unreadable(path, cause)
  })
  if (facts.isDirectory())
    throw new XcareError('FILE_UNREADABLE', `${path} is a folder`, {
      next: `name the files in it, for example ${path}/*`,
    })
  if (!facts.isFile()) throw new XcareError('FILE_UNREADABLE', `${path} is not a regular file`)
  if (!recordName.safeParse(name).success)
    throw new XcareError('USAGE', `a record cannot be called "${name.slice(0, 80)}"`, {
      next: 'give the file a name of at most 255 bytes without control characters and backslashes',
    })
  return {
    name,
    mediaType: MEDIA_TYPES.get(extname(path).slice(1).toLowerCase()) ?? 'application/octet-stream',
    length: facts.size,
    read: (offset, length) => readRange(path, offset, length),
  }
}

/** Opening early tells an unreadable file before anything is sent. */
async function* readRange(path: string, offset: number, length: number): AsyncGenerator<Uint8Array> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw unreadable(path, cause)
  })
  try {
    for (let at = 0; at < length; ) {
      const buffer = new Uint8Array(Math.min(READ_BYTES, length - at))
      const { bytesRead } = await file.read(buffer, 0, buffer.length, offset + at)
      if (bytesRead === 0) throw new XcareError('FILE_UNREADABLE', `${path} became shorter while it was read`)
      at += bytesRead
      yield bytesRead === buffer.length ? buffer : buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

function unreadable(path: string, cause: unknown): XcareError {
  if (isSystemError(cause, 'ENOENT') || isSystemError(cause, 'ENOTDIR'))
    return new XcareError('FILE_UNREADABLE', `there is no file ${path}`, { cause, next: 'check the path' })
  if (isSystemError(cause, 'EACCES') || isSystemError(cause, 'EPERM'))
    return new XcareError('FILE_UNREADABLE', `no permission to read ${path}`, { cause })
  return new XcareError('FILE_UNREADABLE', `${path} cannot be read`, { cause })
}
