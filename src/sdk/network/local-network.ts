import { existsSync } from 'node:fs'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { XcareError } from '../../errors.ts'
import { asDiskError, isSystemError } from '../folder.ts'
import type { Role } from '../roles/processes.ts'
import { keepSigningKey, writeRoleFile } from '../roles/role-folder.ts'
import type { LocalInstitution } from './admit.ts'
import type { NetworkFolder } from './network-folder.ts'

const MIB = 1024 * 1024
const REGIONS = ['north', 'east', 'south', 'west']

/** Made-up institutions that hold key shares in a local network. */
const GUARDIANS = ['Northgate Hospital', 'Lakeside Clinic', 'Harbour Medical Centre', 'Old Town Health Trust']

/** Size of a local network. */
export interface LocalSize {
  nodes: number
  guardians: number
  /** Disk each node may use. */
  quotaBytes: number
}

/** Twelve storage nodes and four guardians: what profile `grid` needs. */
export const LOCAL_SIZE: LocalSize = { nodes: 12, guardians: GUARDIANS.length, quotaBytes: 8192 * MIB }

/** Every part of the network in `folder`, the anchor first. */
export async function rolesOf(folder: NetworkFolder): Promise<Role[]> {
  const inside = async (name: string) => {
    try {
      return (await readdir(join(folder.root, name))).sort().map((entry) => join(folder.root, name, entry))
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return []
      throw error
    }
  }
  const roles: Role[] = existsSync(folder.anchor) ? [{ kind: 'anchor', folder: folder.anchor }] : []
  for (const path of await inside('guardians')) roles.push({ kind: 'guardian', folder: path })
  for (const path of await inside('nodes')) roles.push({ kind: 'node', folder: path })
  return roles
}

/** Writes the set-up of a whole local network into `folder`. Parts that are there already stay as they are. */
export async function layOutLocalNetwork(
  folder: NetworkFolder,
  size: LocalSize,
): Promise<LocalInstitution[]> {
  if (size.guardians > GUARDIANS.length || size.guardians < 1 || size.nodes < 1)
    throw new XcareError(
      'USAGE',
      `a local network has 1 or more nodes and 1 to ${GUARDIANS.length} guardians`,
    )
  try {
    await mkdir(folder.root, { recursive: true, mode: 0o700 })
    if (!existsSync(folder.anchor))
      await writeRoleFile(folder.anchor, { kind: 'anchor', rpcPort: 0, port: 0 })
  } catch (cause) {
    throw asDiskError(cause, folder.root)
  }
  const operators = await Promise.all(
    Array.from({ length: size.nodes }, (_, at) => layOutNode(folder, at + 1, size)),
  )
  const trustees = await Promise.all(
    Array.from({ length: size.guardians }, (_, at) => layOutGuardian(folder, at + 1)),
  )
  return [...operators, ...trustees]
}

async function layOutNode(folder: NetworkFolder, index: number, size: LocalSize): Promise<LocalInstitution> {
  const path = folder.node(index)
  const number = String(index).padStart(2, '0')
  const institution = `operator-${number}`
  if (!existsSync(join(path, 'role.json')))
    await writeRoleFile(path, {
      kind: 'node',
      networkDir: folder.root,
      institution,
      network: `local-${number}`,
      region: REGIONS[index % REGIONS.length]!,
      quotaBytes: size.quotaBytes,
      port: 0,
      webPort: 0,
    })
  await keepSigningKey(path, 'operator')
  return { instId: institution, name: `Storage operator ${number}`, roles: ['storage'], folder: path }
}

async function layOutGuardian(folder: NetworkFolder, index: number): Promise<LocalInstitution> {
  const path = folder.guardian(index)
  const institution = `guardian-${index}`
  if (!existsSync(join(path, 'role.json')))
    await writeRoleFile(path, {
      kind: 'guardian',
      networkDir: folder.root,
      institution,
      jurisdiction: REGIONS[index % REGIONS.length]!,
      port: 0,
      webPort: 0,
    })
  await keepSigningKey(path, 'operator')
  return { instId: institution, name: GUARDIANS[index - 1]!, roles: ['guardian'], folder: path }
}
