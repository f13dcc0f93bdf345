import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { XcareError } from '../../errors.ts'
import { asDiskError } from '../folder.ts'
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

/** A part of a local network that is to be set up. */
export interface PartPlan {
  kind: 'node' | 'guardian'
  index: number
}

/** @returns every part of a whole network of that size. @throws XcareError USAGE */
export function partsOf(size: LocalSize): PartPlan[] {
  if (size.guardians > GUARDIANS.length || size.guardians < 1 || size.nodes < 1)
    throw new XcareError(
      'USAGE',
      `a local network has 1 or more nodes and 1 to ${GUARDIANS.length} guardians`,
    )
  const plans = (kind: PartPlan['kind'], count: number) =>
    Array.from({ length: count }, (_, at) => ({ kind, index: at + 1 }))
  return [...plans('node', size.nodes), ...plans('guardian', size.guardians)]
}

/** Writes the set-up of the chain into `folder`, unless it is there. */
export async function layOutAnchor(folder: NetworkFolder): Promise<void> {
  try {
    await mkdir(folder.root, { recursive: true, mode: 0o700 })
    if (!existsSync(join(folder.anchor, 'role.json')))
      await writeRoleFile(folder.anchor, { kind: 'anchor', rpcPort: 0, port: 0 })
  } catch (cause) {
    throw asDiskError(cause, folder.root)
  }
}

/**
 * Writes the set-up of one part into `folder`. What is there already stays as it is.
 * @returns the institution that answers for it.
 */
export async function layOutPart(
  folder: NetworkFolder,
  { kind, index }: PartPlan,
  quotaBytes: number,
): Promise<LocalInstitution> {
  return kind === 'node' ? layOutNode(folder, index, quotaBytes) : layOutGuardian(folder, index)
}

async function layOutNode(
  folder: NetworkFolder,
  index: number,
  quotaBytes: number,
): Promise<LocalInstitution> {
  const path = folder.node(index)
  const number = String(index).padStart(2, '0')
  const institution = `operator-${number}`
  if (!existsSync(join(path, 'role.json')))
    await writeRoleFile(path, {
      kind: 'node',
      networkDir: relative(path, folder.root),
      institution,
      network: `local-${number}`,
      region: REGIONS[index % REGIONS.length]!,
      quotaBytes,
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
      networkDir: relative(path, folder.root),
      institution,
      jurisdiction: REGIONS[index % REGIONS.length]!,
      port: 0,
      webPort: 0,
    })
  await keepSigningKey(path, 'operator')
  return { instId: institution, name: GUARDIANS[index - 1]!, roles: ['guardian'], folder: path }
}
