import { existsSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { submitMessages } from '../../chain-anchor/light/submit-messages.ts'
import { systemRandom } from '../../crypto/random.ts'
import { XcareError } from '../../errors.ts'
import { readNetworkView } from '../../light-node/network-view.ts'
import type { Ledger } from '../../ports.ts'
import { loadNodeKeys } from '../../storage-node/keys.ts'
import { systemClock } from '../clock.ts'
import { asDiskError } from '../folder.ts'
import { lifeOf } from '../roles/life.ts'
import type { Role } from '../roles/processes.ts'
import { keepSigningKey, readRoleFile } from '../roles/role-folder.ts'
import { LOCAL_SIZE, layOutPart } from './local-network.ts'
import { networkFolder } from './network-folder.ts'
import { noteOf, type PartNote } from './part-note.ts'

/** A file in the folder of a part whose keys were made anew on purpose, until the chain knows them. */
const MARKER = 'renewed'

/** @returns whether the part in `folder` was begun anew on purpose and the chain may not know yet. */
export const isRenewed = (folder: string): boolean => existsSync(join(folder, MARKER))

/**
 * Storage nodes whose volumes are gone altogether start empty under their identity: what they kept is made
 * again from the others by `repair`. What is left of their disk is set aside and not deleted. An empty folder
 * in the place of the volumes may be a disk that is not mounted: such a node is left to its owner.
 * @returns what is to be told of each.
 */
export async function setLostVolumesAside(roles: Role[]): Promise<PartNote[]> {
  const lost = roles.filter(({ kind, folder }) => kind === 'node' && hasLostVolumes(folder))
  const notes: PartNote[] = []
  for (const role of lost) {
    if ((await lifeOf(role.folder)).state !== 'stopped') continue
    const aside = await setDataAside(role.folder)
    notes.push(
      noteOf(role, {
        code: 'INTEGRITY',
        message: `its volumes are gone; it starts empty under its identity, what was left of its disk is in ${aside}`,
        next: 'make its fragments again from the other nodes: `npx xcare repair`',
      }),
    )
  }
  return notes
}

function hasLostVolumes(folder: string): boolean {
  const data = join(folder, 'data')
  return existsSync(join(data, 'store.json')) && !existsSync(join(data, 'volumes'))
}

async function setDataAside(folder: string): Promise<string> {
  const aside = join(folder, `data.lost-${stamp()}`)
  await rename(join(folder, 'data'), aside).catch((cause: unknown) => {
    throw asDiskError(cause, aside)
  })
  return aside
}

const stamp = () =>
  new Date(systemClock.nowMs())
    .toISOString()
    .replace(/[^0-9]/g, '')
    .slice(0, 14)

/** What became of a node that was begun anew. */
export interface Renewed {
  dir: string
  /** Where what it had lies now, null when there was nothing. */
  aside: string | null
  /** Whether its identity is another one than before. */
  isOther: boolean
}

/**
 * Begins a storage node anew, its owner having decided so: empty under its identity, or, where its keys or
 * its set-up are lost and it is a part of a local network, as another node in its place. Nothing is deleted.
 * @param asOther as another node also when the keys are there.
 * @throws XcareError LOCKED while it runs, NOT_INITIALISED where there is neither a node nor a network that
 * had one.
 */
export async function resetNode(dir: string, asOther = false): Promise<Renewed> {
  const folder = resolve(dir)
  if ((await lifeOf(folder)).state !== 'stopped')
    throw new XcareError('LOCKED', `the storage node in ${folder} runs`, { next: 'end it first' })
  const role = await readRoleFile(folder, 'node').catch(() => null)
  const keys = ['operator', 'node.seed'].every((name) => existsSync(join(folder, 'keys', name)))
  if (role && keys && !asOther) {
    const aside = existsSync(join(folder, 'data')) ? await setDataAside(folder) : null
    return { dir: folder, aside, isOther: false }
  }
  const root = dirname(dirname(folder))
  const index = Number(basename(folder))
  if (
    basename(dirname(folder)) !== 'nodes' ||
    !Number.isInteger(index) ||
    !existsSync(join(root, 'network.json'))
  )
    throw new XcareError(
      'NOT_INITIALISED',
      `there is no storage node in ${folder}, and its keys cannot be made again`,
      {
        next: 'restore its folder from a copy, or set up another node with `npx xcare node init --network FOLDER --name NAME`',
      },
    )
  const aside = join(root, 'lost', `node-${basename(folder)}-${stamp()}`)
  const hadFolder = existsSync(folder)
  if (hadFolder) {
    await mkdir(dirname(aside), { recursive: true, mode: 0o700 })
    await rename(folder, aside).catch((cause: unknown) => {
      throw asDiskError(cause, aside)
    })
  }
  await layOutPart(networkFolder(root), { kind: 'node', index }, LOCAL_SIZE.quotaBytes)
  await writeFile(join(folder, MARKER), '', { mode: 0o600 })
  return { dir: folder, aside: hadFolder ? aside : null, isOther: true }
}

/**
 * Takes the nodes that renewed ones replace off the chain: nobody has their keys, and placement would go on
 * naming them.
 */
export async function retirePredecessors(ledger: Ledger, roles: Role[]): Promise<void> {
  for (const { folder } of roles.filter((role) => isRenewed(role.folder))) {
    const { institution } = await readRoleFile(folder, 'node')
    const { nodeId } = await loadNodeKeys(folder, systemRandom)
    const { nodes } = await readNetworkView(ledger, null)
    const old = nodes.filter((node) => node.instId === institution && node.nodeId !== nodeId)
    const messages = old.map(({ nodeId: id }) => ({
      ...{ type: 'node.retire' as const, nodeId: id, status: 'retired' as const },
    }))
    const ports = { ledger, random: systemRandom }
    if (messages.length > 0) await submitMessages(ports, messages, [await keepSigningKey(folder, 'operator')])
    await rm(join(folder, MARKER), { force: true })
  }
}
