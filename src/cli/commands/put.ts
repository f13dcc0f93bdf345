import { resolve } from 'node:path'
import type { Command } from 'commander'
import { profileNamed } from '../../fragment/profile.ts'
import { putBundle, putRecord, type StoredRecord } from '../../light-node/put-record.ts'
import { fileSource } from '../../sdk/file-source.ts'
import { action, type Invocation } from '../invocation.ts'
import { withLightNode } from '../light-node.ts'

interface PutOptions {
  profile: string
  bundle?: boolean
  name: string
}

/** Adds `put`: stores files as records. */
export function addPutCommand(program: Command): void {
  program
    .command('put')
    .description('store files as records, one each, or all in one with --bundle')
    .argument('<file...>')
    .option('--profile <name>', 'grid, open, deep, or K/N', 'grid')
    .option('--bundle', 'pack all files in one object; each can be read by itself')
    .option('--name <name>', 'what to call the bundle', 'bundle')
    .action(action(put))
}

async function put(
  invocation: Invocation,
  files: string[],
  options: PutOptions,
): Promise<Record<string, unknown>> {
  const profile = profileNamed(options.profile)
  // All files are looked at first, so that a typo in the last one does not leave the first ones stored.
  const bundled = options.bundle === true
  const names = bundled ? bundleNames(files) : []
  const sources = await Promise.all(files.map((file, at) => fileSource(file, names[at])))
  return withLightNode(invocation, async (node) => {
    const stored: StoredRecord[] = []
    const keep = (record: StoredRecord) => {
      stored.push(record)
      invocation.out.event({ type: 'stored', ...factsOf(record) })
    }
    if (bundled) keep(await putBundle(node.ports, options.name, sources, profile))
    else for (const source of sources) keep(await putRecord(node.ports, source, profile))
    return { objects: stored.map(factsOf) }
  })
}

/** Files of one bundle keep their paths below the folder they share, so that equal names in two folders stay apart. */
export function bundleNames(paths: string[]): string[] {
  const split = paths.map((path) => resolve(path).split('/').slice(1))
  const sharesFirst = () => split.every((segments) => segments.length > 1 && segments[0] === split[0]![0])
  while (sharesFirst()) for (const segments of split) segments.shift()
  return split.map((segments) => segments.join('/'))
}

/** What the events and the result say of a stored record. */
export function factsOf({ objectId, bytes, name, parts, weakest }: StoredRecord): Record<string, unknown> {
  return {
    objectId,
    bytes,
    name,
    ...(parts.length > 0 ? { parts } : {}),
    columns: weakest.columns,
    columnsOf: weakest.columnsOf,
    nines: Math.floor(weakest.durability.nines * 10) / 10,
    custodians: weakest.custodians,
    custodiansOf: weakest.custodiansOf,
  }
}
