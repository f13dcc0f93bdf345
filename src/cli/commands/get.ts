import { existsSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Command } from 'commander'
import { XcareError } from '../../errors.ts'
import { type BundleEntry, bundleRecord, readBundleIndex } from '../../fragment/bundle.ts'
import { type ObjectId, objectIdFromBytes, objectIdToBytes } from '../../ids.ts'
import { type OpenedRecord, openRecord } from '../../light-node/get-record.ts'
import { slicesOf } from '../../light-node/put-record.ts'
import { readBundleEntries, readBundleRecord } from '../../light-node/range-read.ts'
import { writeWhole } from '../../sdk/file-target.ts'
import { action, type Invocation } from '../invocation.ts'
import { withLightNode } from '../light-node.ts'

interface GetOptions {
  output?: string
  record?: string
}

/** Adds `get`: reads a record back. */
export function addGetCommand(program: Command): void {
  program
    .command('get')
    .description('read a record back; a bundle is unpacked into a folder')
    .argument('<object>')
    .option(
      '-o, --output <file>',
      'where to write it (default: its own name here; - for the standard output)',
    )
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
      if (options.record !== undefined) return await writeOne(objectId, opened, options.record, options)
      if (opened.sealed.kind === 'bundle') return await unpack(invocation, objectId, opened, options)
      return await write(objectId, opened.sealed, opened.content, options)
    } finally {
      opened.close()
    }
  })
}

async function write(
  objectId: ObjectId,
  { name, mediaType }: { name: string; mediaType: string },
  content: AsyncIterable<Uint8Array>,
  { output }: GetOptions,
): Promise<Record<string, unknown> | null> {
  if (output === '-') {
    for await (const piece of content) await new Promise((resolve) => process.stdout.write(piece, resolve))
    return null
  }
  const file = targetOf(output, basename(name))
  const bytes = await writeWhole(file, content)
  return { objectId, name, mediaType, bytes, file }
}

function targetOf(output: string | undefined, name: string): string {
  if (output === undefined) return freeName(name)
  return existsSync(output) && statSync(output).isDirectory() ? join(output, name) : output
}

/** Without -o nothing that is there gets overwritten. */
function freeName(name: string): string {
  if (existsSync(name))
    throw new XcareError('USAGE', `${name} is there already`, { next: 'name another file with -o' })
  return name
}

/** Fetches one record of a bundle, and little else of it. */
async function writeOne(
  objectId: ObjectId,
  { sealed, head }: OpenedRecord,
  record: string,
  options: GetOptions,
): Promise<Record<string, unknown> | null> {
  if (sealed.kind !== 'bundle')
    throw new XcareError('USAGE', `"${sealed.name}" is no bundle`, { next: 'leave --record out' })
  const entry = entryNamed(await readBundleEntries(head), record)
  const written = await write(objectId, entry, slicesOf(await readBundleRecord(head, entry)), options)
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
  { output }: GetOptions,
): Promise<Record<string, unknown>> {
  if (output === '-')
    throw new XcareError('USAGE', 'a bundle is unpacked into a folder', {
      next: 'name one with -o, or one record with --record',
    })
  const bundle = new Uint8Array(sealed.length)
  let at = 0
  for await (const piece of content) {
    bundle.set(piece, at)
    at += piece.length
  }
  const records: Record<string, unknown>[] = []
  for (const entry of readBundleIndex(bundle)) {
    const file = join(output ?? sealed.name, entry.name)
    const bytes = await writeWhole(file, slicesOf(bundleRecord(bundle, entry)))
    records.push({ name: entry.name, mediaType: entry.mediaType, bytes, file })
    invocation.out.event({ type: 'unpacked', ...records.at(-1)! })
  }
  return { objectId, name: sealed.name, records }
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
