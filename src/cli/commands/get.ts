import type { Command } from 'commander'
import { asXcareError, type ErrorCode, XcareError } from '../../errors.ts'
import { type BundleEntry, bundleRecord, readBundleIndex } from '../../fragment/bundle.ts'
import type { ObjectId } from '../../ids.ts'
import { type OpenedRecord, openRecord, readRecordRange } from '../../light-node/get-record.ts'
import { slicesOf } from '../../light-node/put-record.ts'
import { readBundleEntries, readBundleRecord } from '../../light-node/range-read.ts'
import type { LightNode } from '../../sdk/open-light-node.ts'
import { type ByteRange, parseByteRange } from '../files/byte-range.ts'
import {
  openBundleFolder,
  requireFolderTarget,
  type TargetOptions,
  writeRecord,
} from '../files/record-target.ts'
import { action, type Invocation, partial } from '../invocation.ts'
import { withLightNode } from '../light-node.ts'
import { objectIdOf, requireObjectWord } from '../object-id.ts'

interface GetOptions extends TargetOptions {
  record?: string
  range?: string
}

/** What keeps one record of a bundle from being written, and no other one. */
const OF_ONE_RECORD: ErrorCode[] = ['INTEGRITY', 'FILE_UNREADABLE', 'USAGE']

/** Adds `get`: reads a record back. */
export function addGetCommand(program: Command): void {
  program
    .command('get')
    .description('read a record back; a bundle is unpacked into a new folder')
    .argument('<object>', 'its id, or the first letters of it')
    .option(
      '-o, --output <file>',
      'where to write it: a file, a folder, a pipe, - for the standard output (default: its own name here)',
    )
    .option('--force', 'replace files that are there already')
    .option('--record <name>', 'only this record of a bundle')
    .option('--range <first-last>', 'only these bytes of it, counted from 0: 0-99, or 4096- to its end')
    .action(action(get))
}

async function get(
  invocation: Invocation,
  object: string,
  options: GetOptions,
): Promise<Record<string, unknown> | null> {
  requireObjectWord(object)
  const range = options.range === undefined ? null : parseByteRange(options.range)
  if (range && options.output === undefined)
    throw new XcareError('USAGE', 'a part of a record needs a place of its own', {
      next: 'name a file with -o, or - for the standard output',
    })
  return withLightNode(invocation, async (node) => {
    const objectId = objectIdOf(object, node.wallet.vault)
    const opened = await openRecord(node.ports, objectId, node.custodyKeyOf)
    try {
      return await writeWanted(invocation, node, { objectId, opened, options, range })
    } finally {
      opened.close()
    }
  })
}

interface Wanted {
  objectId: ObjectId
  opened: OpenedRecord
  options: GetOptions
  range: ByteRange | null
}

async function writeWanted(invocation: Invocation, node: LightNode, wanted: Wanted) {
  const { objectId, opened, options, range } = wanted
  const { sealed, head, content } = opened
  const isBundle = sealed.kind === 'bundle'
  if (options.record !== undefined) {
    if (!isBundle)
      throw new XcareError('USAGE', `"${sealed.name}" is no bundle`, { next: 'leave --record out' })
    const entry = entryNamed(await readBundleEntries(head), options.record)
    const bytes = await readBundleRecord(head, entry)
    const part = range ? bytes.subarray(range.first, Math.min(range.end, bytes.length)) : bytes
    const written = await writeRecord(invocation.out, entry.name, slicesOf(part), options)
    return { objectId, name: entry.name, mediaType: entry.mediaType, ...written, bundle: sealed.name }
  }
  if (isBundle && range)
    throw new XcareError('USAGE', `"${sealed.name}" is a bundle`, {
      next: 'name the record the bytes are of with --record',
    })
  if (isBundle) return unpack(invocation, wanted)
  const { name, mediaType } = sealed
  const bytes = range ? readRecordRange(node.ports, opened, range, node.custodyKeyOf) : content
  return { objectId, name, mediaType, ...(await writeRecord(invocation.out, name, bytes, options)) }
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
    `the bundle has ${ending.length > 0 ? `${ending.length} records` : 'no record'} "${record}"; its ${entries.length} records have names such as ${shown.join(', ')}`,
    { next: 'all of them are listed by `npx xcare ls OBJECT`' },
  )
}

async function unpack(
  { out }: Invocation,
  { objectId, opened: { sealed, content }, options }: Wanted,
): Promise<Record<string, unknown>> {
  requireFolderTarget(options, objectId)
  const bundle = await wholeOf(sealed.length, content)
  const entries = readBundleIndex(bundle)
  const names = entries.map(({ name }) => name)
  const folder = await openBundleFolder(out, objectId, names, options)
  const records: Record<string, unknown>[] = []
  const failed: { name: string; error: XcareError }[] = []
  for (const [at, { name, mediaType }] of entries.entries())
    try {
      const written = await folder.write(at, slicesOf(bundleRecord(bundle, entries[at]!)))
      records.push({ name, mediaType, ...written })
      out.event({ type: 'unpacked', ...records.at(-1)! })
    } catch (cause) {
      const error = asXcareError(cause)
      if (!OF_ONE_RECORD.includes(error.code)) throw error
      failed.push({ name, error })
      out.event({ type: 'not-unpacked', name, code: error.code, message: error.message })
    }
  const told = { objectId, name: sealed.name, folder: folder.path, records }
  if (failed.length === 0) return told
  if (records.length === 0) throw failed[0]!.error
  return partial(
    { ...told, failed: failed.map(({ name }) => name) },
    `${failed.length} of ${entries.length} records of the bundle are not in ${folder.path}`,
  )
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
