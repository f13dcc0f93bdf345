import { existsSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Command } from 'commander'
import { concat } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import { bundleRecord, readBundleIndex } from '../../fragment/bundle.ts'
import { type ObjectId, objectIdFromBytes, objectIdToBytes } from '../../ids.ts'
import { type OpenedRecord, openRecord } from '../../light-node/get-record.ts'
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
    if (opened.sealed.kind === 'bundle') return unpack(invocation, objectId, opened, options)
    return write(objectId, opened, options)
  })
}

async function write(
  objectId: ObjectId,
  { sealed, content }: OpenedRecord,
  { output }: GetOptions,
): Promise<Record<string, unknown> | null> {
  const { name, mediaType } = sealed
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

async function unpack(
  invocation: Invocation,
  objectId: ObjectId,
  { sealed, content }: OpenedRecord,
  { output, record }: GetOptions,
): Promise<Record<string, unknown>> {
  const pieces: Uint8Array[] = []
  for await (const piece of content) pieces.push(piece)
  const bundle = concat(...pieces)
  const entries = readBundleIndex(bundle).filter(({ name }) => record === undefined || name === record)
  if (entries.length === 0) throw new XcareError('NOT_FOUND', `the bundle has no record "${record}"`)
  const records: Record<string, unknown>[] = []
  for (const entry of entries) {
    const file =
      record === undefined ? join(output ?? sealed.name, entry.name) : targetOf(output, basename(entry.name))
    const bytes = bundleRecord(bundle, entry)
    await writeWhole(file, [bytes] as unknown as AsyncIterable<Uint8Array>)
    records.push({ name: entry.name, mediaType: entry.mediaType, bytes: bytes.length, file })
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
