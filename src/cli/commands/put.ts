import type { Command } from 'commander'
import { profileNamed } from '../../fragment/profile.ts'
import { putBundle, putRecord, type StoredRecord } from '../../light-node/put-record.ts'
import { fileSource } from '../../sdk/file-source.ts'
import { action, type Invocation } from '../invocation.ts'
import { withLightNode } from '../light-node.ts'

interface PutOptions {
  profile: string
  bundle?: string | true
}

/** Adds `put`: stores files as records. */
export function addPutCommand(program: Command): void {
  program
    .command('put')
    .description('store files as records, one each, or all in one with --bundle')
    .argument('<file...>')
    .option('--profile <name>', 'grid, open, deep, or K/N', 'grid')
    .option('--bundle [name]', 'pack all files in one object; each can be read by itself')
    .action(action(put))
}

async function put(
  invocation: Invocation,
  files: string[],
  options: PutOptions,
): Promise<Record<string, unknown>> {
  const profile = profileNamed(options.profile)
  // All files are looked at first, so that a typo in the last one does not leave the first ones stored.
  const bundled = options.bundle !== undefined
  const sources = await Promise.all(
    files.map((file) => fileSource(file, bundled ? recordNameOf(file) : undefined)),
  )
  return withLightNode(invocation, async (node) => {
    const stored: StoredRecord[] = []
    const keep = (record: StoredRecord) => {
      stored.push(record)
      invocation.out.event({ type: 'stored', ...factsOf(record) })
    }
    if (bundled) {
      const name = typeof options.bundle === 'string' ? options.bundle : 'bundle'
      keep(await putBundle(node.ports, name, sources, profile))
    } else for (const source of sources) keep(await putRecord(node.ports, source, profile))
    return { objects: stored.map(factsOf) }
  })
}

/** Files of one bundle keep their relative paths, so that equal names in two folders stay apart. */
function recordNameOf(path: string): string {
  return path
    .split('/')
    .filter((segment) => segment !== '' && segment !== '.' && segment !== '..')
    .join('/')
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
