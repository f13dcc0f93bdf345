import { existsSync, lstatSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { XcareError } from '../../errors.ts'
import type { ObjectId } from '../../ids.ts'
import { newTargetFolder, openTargetFolder, type TargetFolder, writeWhole } from '../../sdk/file-target.ts'
import { type LocalName, localFileName, localNames } from '../../sdk/local-names.ts'
import { isStreamTarget, readerGone, writeThrough } from '../../sdk/stream-target.ts'
import { removeLeftovers } from '../../sdk/unfinished-files.ts'
import { channelOf, hasNoReader, isStandardOutput } from '../channel.ts'
import { type Output, unwritten } from '../output.ts'

/** What -o and --force said. */
export interface TargetOptions {
  output?: string
  force?: boolean
}

/** Where a record came to lie; `file` is null for the standard output. */
export interface Written {
  bytes: number
  file: string | null
}

/** Letters of an object's id that name the folder of a bundle. */
const SHORT_ID_LETTERS = 12
const isWindows = process.platform === 'win32'

/**
 * Writes a record where its reader wants it: the standard output, a pipe or device, a file, or under a local
 * name in a folder.
 * @throws XcareError USAGE when something is there; NO_SPACE, FILE_UNREADABLE; PARTIAL when whoever reads
 * goes away; whatever `content` throws.
 */
export async function writeRecord(
  out: Output,
  name: string,
  content: AsyncIterable<Uint8Array>,
  { output, force }: TargetOptions,
): Promise<Written> {
  if (isStandardOutput(output)) return { bytes: await writeStandard(content), file: null }
  if (output !== undefined && (await isStreamTarget(output)))
    return { bytes: await writeThrough(output, content), file: output }
  const choice = { replaces: force === true }
  if (output !== undefined && !isFolder(output)) {
    await removeLeftovers(dirname(output))
    return { bytes: await writeWhole(output, content, choice), file: output }
  }
  const folder = await openTargetFolder(output ?? '.')
  await removeLeftovers(folder.path)
  const local = localFileName(name, isWindows)
  const file = join(output ?? '', ...local.path)
  tellRenamed(out, local, file)
  return { bytes: await folder.write(local.path, content, choice), file }
}

/** Refuses what could not be written to before anything is fetched. @throws XcareError USAGE */
export function requireFolderTarget({ output }: TargetOptions, objectId: ObjectId): void {
  if (isStandardOutput(output))
    throw new XcareError('USAGE', 'a bundle is unpacked into a folder', {
      next: 'name one with -o, or one record of it with --record',
    })
  const path = output ?? folderOf(objectId)
  if (output === undefined && lstatSync(path, { throwIfNoEntry: false }))
    throw new XcareError('USAGE', `${path} is there already`, { next: 'name another folder with -o' })
}

/**
 * The folder of a bundle: the one that was named, else a new one called after the object, never what its
 * sender calls it.
 */
export interface BundleFolder {
  path: string
  /** Writes the record at this place of `names`. @returns the path of its file. */
  write(at: number, content: AsyncIterable<Uint8Array>): Promise<{ file: string; bytes: number }>
}

/**
 * Opens the folder for records of these names.
 * @throws XcareError USAGE when one of them is there already; as requireFolderTarget
 */
export async function openBundleFolder(
  out: Output,
  objectId: ObjectId,
  names: string[],
  { output, force }: TargetOptions,
): Promise<BundleFolder> {
  const locals = localNames(names, isWindows)
  const folder = await (output === undefined ? newTargetFolder(folderOf(objectId)) : openTargetFolder(output))
  await removeLeftovers(folder.path)
  if (!force) await requireNoneThere(folder, locals)
  return {
    path: folder.path,
    async write(at, content) {
      const local = locals[at]!
      const file = join(folder.path, ...local.path)
      tellRenamed(out, local, file)
      return { file, bytes: await folder.write(local.path, content, { replaces: force === true }) }
    },
  }
}

function folderOf(objectId: ObjectId): string {
  return objectId.slice(0, SHORT_ID_LETTERS)
}

/** Before anything is written, so that a refusal leaves everything as it was. */
async function requireNoneThere(folder: TargetFolder, names: LocalName[]): Promise<void> {
  for (const { path } of names)
    if (await folder.has(path))
      throw new XcareError('USAGE', `${join(folder.path, ...path)} is there already`, {
        next: 'name another folder with -o, or overwrite what is there with --force',
      })
}

async function writeStandard(content: AsyncIterable<Uint8Array>): Promise<number> {
  const channel = channelOf(1)
  let bytes = 0
  for await (const piece of content) {
    await channel.write(piece)
    const failure = channel.failure()
    if (failure) throw hasNoReader(failure) ? readerGone('the standard output', failure) : unwritten(failure)
    bytes += piece.length
  }
  return bytes
}

function isFolder(path: string): boolean {
  if (path.endsWith('/')) return true
  return existsSync(path) && statSync(path).isDirectory()
}

function tellRenamed(out: Output, { name, isRenamed }: LocalName, file: string): void {
  if (isRenamed) out.event({ type: 'renamed', name, file })
}
