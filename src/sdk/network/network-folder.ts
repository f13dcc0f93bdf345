import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fromUtf8 } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import { text, uint, z } from '../../schema.ts'
import { readOrNull, replaceFile } from '../folder.ts'

const networkShape = z.strictObject({
  network: text(64),
  rpc: z.array(text(200)).min(1).max(16),
  trust: z.strictObject({ height: uint(), hash: text(64) }),
  bootstrap: z.array(z.strictObject({ nodeId: text(64), addresses: z.array(text(256)).max(8) })).max(16),
})

/** What a process must know to join a network: its chain id, where headers are served, the header trusted from the start, and peers to gossip with. */
export type NetworkFile = z.infer<typeof networkShape>

/** Paths of everything inside one network's folder. */
export interface NetworkFolder {
  root: string
  anchor: string
  node(index: number): string
  guardian(index: number): string
  wallet(name: string): string
}

/** @returns the paths inside the folder `dir`. Nothing is made. */
export function networkFolder(dir: string): NetworkFolder {
  const root = resolve(dir)
  return {
    root,
    anchor: join(root, 'anchor'),
    node: (index) => join(root, 'nodes', String(index).padStart(2, '0')),
    guardian: (index) => join(root, 'guardians', String(index)),
    wallet: (name) => join(root, 'wallets', name),
  }
}

/**
 * @returns where a light client of whoever looks at this network keeps its headers: nothing is made beside a
 * chain that is elsewhere.
 */
export function lightFolderOf({ root, anchor }: NetworkFolder): string {
  return join(existsSync(anchor) ? anchor : root, 'light')
}

/** @returns the network of the folder `root`. @throws XcareError NOT_INITIALISED when there is none. */
export async function readNetworkFile(root: string): Promise<NetworkFile> {
  const found = await readNetworkFileOrNull(root)
  if (found) return found
  throw new XcareError('NOT_INITIALISED', `there is no network in ${root}`, {
    next: 'start one with `npx xcare up`, or name its folder with --dir',
  })
}

/** @returns the network of the folder `root`, or null. @throws XcareError MALFORMED when the file is damaged. */
export async function readNetworkFileOrNull(root: string): Promise<NetworkFile | null> {
  const content = await readOrNull(join(root, 'network.json'))
  return content && parseJsonFile(content, networkShape, join(root, 'network.json'))
}

/** Writes the network of the folder `root`, atomically. */
export async function writeNetworkFile(root: string, network: NetworkFile): Promise<void> {
  await replaceFile(join(root, 'network.json'), `${JSON.stringify(network, null, 2)}\n`)
}

/** @returns the JSON in `content` when it has the shape. @throws XcareError MALFORMED naming `path`. */
export function parseJsonFile<T>(content: Uint8Array, shape: z.ZodType<T>, path: string): T {
  try {
    return shape.parse(JSON.parse(fromUtf8(content)))
  } catch (cause) {
    throw new XcareError('MALFORMED', `${path} is damaged`, {
      cause,
      next: 'restore it from a copy, or start over in a new folder',
    })
  }
}
