import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { isSystemError } from '../folder.ts'
import type { Role } from '../roles/processes.ts'
import { LOCAL_SIZE } from './local-network.ts'
import type { NetworkFolder } from './network-folder.ts'

/** What lies in the folder of a network. */
export interface Parts {
  /** Every part of it, the anchor first. */
  roles: Role[]
  /** Parts that belong to it and whose folder is gone. */
  gone: Role[]
  /**
   * Folders with the identity of a part that is there: started as well, the two would displace each other.
   */
  copies: Role[]
  /** What else lies among the parts, by path; nobody touches it. */
  strangers: string[]
}

const KINDS = [
  { kind: 'guardian', folder: 'guardians', seed: 'guardian.seed', least: LOCAL_SIZE.guardians },
  { kind: 'node', folder: 'nodes', seed: 'node.seed', least: LOCAL_SIZE.nodes },
] as const

/** @returns what lies in the folder of a network. A folder without any part has no parts that are gone. */
export async function findParts(folder: NetworkFolder): Promise<Parts> {
  const found: Parts = { roles: [], gone: [], copies: [], strangers: [] }
  if (existsSync(folder.anchor)) found.roles.push({ kind: 'anchor', folder: folder.anchor })
  for (const { kind, folder: name, seed, least } of KINDS) {
    const inside = join(folder.root, name)
    const entries = await entriesOf(inside)
    const own = entries.filter((entry) => entry.isPart).map((entry) => join(inside, entry.name))
    const copies = await copiesAmong(own, join('keys', seed))
    found.strangers.push(...entries.filter((entry) => !entry.isPart).map((entry) => join(inside, entry.name)))
    found.copies.push(...copies.map((path) => ({ kind, folder: path })))
    found.roles.push(...own.filter((path) => !copies.includes(path)).map((path) => ({ kind, folder: path })))
    if (existsSync(folder.anchor))
      found.gone.push(...goneAmong(folder, kind, own, least).map((path) => ({ kind, folder: path })))
  }
  return found
}

/** @returns every part of the network in `folder`, the anchor first. */
export async function rolesOf(folder: NetworkFolder): Promise<Role[]> {
  return (await findParts(folder)).roles
}

/** @returns what people call a part. */
export function partName({ kind, folder }: Role): string {
  return kind === 'anchor' ? 'the chain' : `${kind === 'node' ? 'node' : 'guardian'} ${basename(folder)}`
}

interface Entry {
  name: string
  isPart: boolean
}

async function entriesOf(path: string): Promise<Entry[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true })
    return entries
      .map((entry) => ({
        name: entry.name,
        isPart: isNumbered(entry.name)
          ? !entry.isFile()
          : existsSync(join(path, entry.name, 'role.json')) && !entry.name.startsWith('.'),
      }))
      .sort((a, b) => Number(isNumbered(b.name)) - Number(isNumbered(a.name)) || (a.name < b.name ? -1 : 1))
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || isSystemError(error, 'ENOTDIR')) return []
    throw error
  }
}

const isNumbered = (name: string) => /^\d{1,3}$/.test(name)

/** Of folders with one identity the first is the part, the numbered one if there is one. */
async function copiesAmong(folders: string[], seed: string): Promise<string[]> {
  const seen = new Set<string>()
  const copies: string[] = []
  for (const folder of folders) {
    const identity = await readFile(join(folder, seed), 'hex').catch(() => null)
    if (identity === null) continue
    if (seen.has(identity)) copies.push(folder)
    seen.add(identity)
  }
  return copies
}

function goneAmong(folder: NetworkFolder, kind: 'node' | 'guardian', own: string[], least: number): string[] {
  const numbers = own.map((path) => Number(basename(path))).filter((number) => Number.isInteger(number))
  const highest = Math.max(least, ...numbers)
  const pathOf = (index: number) => (kind === 'node' ? folder.node(index) : folder.guardian(index))
  return Array.from({ length: highest }, (_, at) => pathOf(at + 1)).filter((path) => !own.includes(path))
}
