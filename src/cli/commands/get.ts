import { existsSync, lstatSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Command } from 'commander'
import { XcareError } from '../../errors.ts'
import { type BundleEntry, bundleRecord, readBundleIndex } from '../../fragment/bundle.ts'
import { type ObjectId, objectIdFromBytes, objectIdToBytes } from '../../ids.ts'
import { type OpenedRecord, openRecord } from '../../light-node/get-record.ts'
import { slicesOf } from '../../light-node/put-record.ts'
import { readBundleEntries, readBundleRecord } from '../../light-node/range-read.ts'
import {
  newTargetFolder,
  openTargetFolder,
  type TargetFolder,
  type WriteChoice,
  writeWhole,
} from '../../sdk/file-target.ts'
import { type LocalName, localFileName, localNames } from '../../sdk/local-names.ts'
import { removeLeftovers } from '../../sdk/unfinished-files.ts'
import { action, type Invocation } from '../invocation.ts'
import { withLightNode } from '../light-node.ts'

interface GetOptions {
  output?: string
  record?: string
  force?: boolean
}

const isWindows = process.platform === 'win32'
/** Letters of an object's id that name the folder of a bundle. */
const SHORT_ID_LETTERS = 12

/** Adds `get`: reads a record back. */
export function addGetCommand(program: Command): void {
  program
    .command('get')
    .description('read a record back; a bundle is unpacked into a new folder')
    .argument('<object>')
    .option(
      '-o, --output <file>',
      'where to write it (default: its own name here; - for the standard output)',
    )
    .option('--force', 'replace files that are there already')
    .option('--record <name>', 'only this record of a bundle')
    .action(action(get))
}

async function get(
  invocation: Invocation,
  object: string,
  options: GetOptions,
): Promise<Record<string, unknown> | null> {
  const objectId = parseObjectId(object)
  if (options.output === '-' && invocation.out.json)
    throw new XcareError('USAGE', 'the record and --json cannot share the standard output', {
      next: 'write to a file with -o',
    })
  return withLightNode(invocation, async (node) => {
    const opened = await openRecord(node.ports, objectId, node.custodyKeyOf)
    try {
      if (options.record !== undefined)
        return await writeOne(invocation, objectId, opened, options.record, options)
      if (opened.sealed.kind === 'bundle') return await unpack(invocation, objectId, opened, options)
      return await write(invocation, objectId, opened.sealed, opened.content, options)
    } finally {
      opened.close()
    }
  })
}

async function write(
  invocation: Invocation,
  objectId: ObjectId,
  { name, mediaType }: { name: string; mediaType: string },
  content: AsyncIterable<Uint8Array>,
  { output, force }: GetOptions,
): Promise<Record<string, unknown> | null> {
  if (output === '-') {
    for await (const piece of content) await new Promise((resolve) => process.stdout.write(piece, resolve))
    return null
  }
  const { file, folder } = targetOf(output, name)
  await removeLeftovers(folder?.path ?? dirname(file))
  if (folder?.isRenamed) tellRenamed(invocation, name, file)
  const bytes = await (folder
    ? (await openTargetFolder(folder.path)).write([folder.name], content, choiceOf(force))
    : writeWhole(file, content, choiceOf(force)))
  return { objectId, name, mediaType, bytes, file }
}

function choiceOf(force: boolean | undefined): WriteChoice {
  return { replaces: force === true }
}

/** A path that the caller chose is taken as it is; a name from elsewhere is only used inside a folder. */
function targetOf(output: string | undefined, name: string) {
  if (output !== undefined && !isFolder(output)) return { file: output, folder: null }
  const { path, isRenamed } = localFileName(name, isWindows)
  const local = path[0]!
  return {
    file: output === undefined ? local : join(output, local),
    folder: { path: output ?? '.', name: local, isRenamed },
  }
}

function isFolder(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory()
}

function tellRenamed({ out }: Invocation, name: string, file: string): void {
  out.event({ type: 'renamed', name, file })
}

/** Fetches one record of a bundle, and little else of it. */
async function writeOne(
  invocation: Invocation,
  objectId: ObjectId,
  { sealed, head }: OpenedRecord,
  record: string,
  options: GetOptions,
): Promise<Record<string, unknown> | null> {
  if (sealed.kind !== 'bundle')
    throw new XcareError('USAGE', `"${sealed.name}" is no bundle`, { next: 'leave --record out' })
  const entry = entryNamed(await readBundleEntries(head), record)
  const content = slicesOf(await readBundleRecord(head, entry))
  const written = await write(invocation, objectId, entry, content, options)
  return written && { ...written, bundle: sealed.name }
}

/** The record of this name or, where only one path ends so, of this last part of its path. */
function entryNamed(entries: BundleEntry[], record: string): BundleEntry {
  const exact = entries.find(({ name }) => name === record)
  if (exact) return exact
  const ending = entries.filter(({ name }) => name.endsWith(`/${record}`))
  if (ending.length === 1) return ending[0]!
  const shown = (ending.length > 0 ? ending : entries).slice(0, 3).map(({ name }) => name)
  throw new XcareError(
    'NOT_FOUND',
    `the bundle has ${ending.length > 0 ? `${ending.length} records` : 'no record'} "${record}"`,
    { next: `its ${entries.length} records have names such as ${shown.join(', ')}` },
  )
}

async function unpack(
  invocation: Invocation,
  objectId: ObjectId,
  { sealed, content }: OpenedRecord,
  { output, force }: GetOptions,
): Promise<Record<string, unknown>> {
  if (output === '-')
    throw new XcareError('USAGE', 'a bundle is unpacked into a folder', {
      next: 'name one with -o, or one record with --record',
    })
  // What its sender calls it is no place on this machine.
  const path = output ?? objectId.slice(0, SHORT_ID_LETTERS)
  if (output === undefined) requireAbsent(path)
  const bundle = await wholeOf(sealed.length, content)
  const entries = readBundleIndex(bundle)
  const folder = await (output === undefined ? newTargetFolder(path) : openTargetFolder(path))
  const names = localNames(
    entries.map(({ name }) => name),
    isWindows,
  )
  if (!force) await requireNoneThere(folder, names)
  const records: Record<string, unknown>[] = []
  for (const [at, entry] of entries.entries()) {
    const segments = names[at]!.path
    const file = join(path, ...segments)
    if (names[at]!.isRenamed) tellRenamed(invocation, entry.name, file)
    const bytes = await folder.write(segments, slicesOf(bundleRecord(bundle, entry)), choiceOf(force))
    records.push({ name: entry.name, mediaType: entry.mediaType, bytes, file })
    invocation.out.event({ type: 'unpacked', ...records.at(-1)! })
  }
  return { objectId, name: sealed.name, folder: path, records }
}

async function wholeOf(length: number, content: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const whole = new Uint8Array(length)
  let at = 0
  for await (const piece of content) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

function requireAbsent(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false }))
    throw new XcareError('USAGE', `${path} is there already`, { next: 'name another folder with -o' })
}

/** Before anything is written, so that a refusal leaves everything as it was. */
async function requireNoneThere(folder: TargetFolder, names: LocalName[]): Promise<void> {
  for (const { path } of names)
    if (await folder.has(path))
      throw new XcareError('USAGE', `${join(folder.path, ...path)} is there already`, {
        next: 'name another folder with -o, or overwrite what is there with --force',
      })
}

/** @returns the id in the words of the command line. @throws XcareError USAGE when it is none. */
export function parseObjectId(text: string): ObjectId {
  try {
    return objectIdFromBytes(objectIdToBytes(text))
  } catch (cause) {
    throw new XcareError('USAGE', `"${text.slice(0, 60)}" is not an object id`, {
      cause,
      next: 'copy it from `npx xcare ls`',
    })
  }
}
