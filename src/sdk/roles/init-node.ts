import { existsSync } from 'node:fs'
import { mkdir, statfs } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { toHex } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import { asDiskError, openFolder } from '../folder.ts'
import { admitInstitutions } from '../network/admit.ts'
import { networkFolder, readNetworkFile } from '../network/network-folder.ts'
import { openNetworkLedger } from '../network/network-ledger.ts'
import { keepSigningKey, writeRoleFile } from './role-folder.ts'

/** What a contributor decides. */
export interface NodeWish {
  /** Folder of the new node. */
  dir: string
  /** Folder of the network to join. */
  networkDir: string
  /** Name of the contributor, as others see it. */
  name: string
  quotaBytes: number
  region: string
}

/** A node that is set up. */
export interface NewNode {
  dir: string
  institution: string
  /** Public key of the contributor, hex; what a governor needs to admit it. */
  operatorKey: string
  /** Whether the network knows the contributor already. */
  admitted: boolean
}

/**
 * Sets a storage node up: looks at the disk, makes its keys, writes `role.json`. The owner of a local network has the governor's
 * key and so admits the contributor at once; elsewhere a governor must.
 * @throws XcareError REFUSED when there is a node already, NO_SPACE, NOT_INITIALISED, USAGE
 */
export async function initNode({ dir, networkDir, name, quotaBytes, region }: NodeWish): Promise<NewNode> {
  const folder = networkFolder(networkDir)
  const network = await readNetworkFile(folder.root)
  if (existsSync(join(dir, 'role.json')))
    throw new XcareError('REFUSED', `there is a part of a network in ${dir} already`, {
      next: 'choose another folder with --dir',
    })
  const institution = slugOf(name)
  await requireSpace(dir, quotaBytes)
  const role = {
    kind: 'node' as const,
    networkDir: folder.root,
    institution,
    network: institution,
    region,
    quotaBytes,
    port: 0,
    webPort: 0,
  }
  await writeRoleFile(dir, role)
  const { publicKey } = await keepSigningKey(dir, 'operator')
  const admitted = existsSync(join(folder.anchor, 'keys', 'governor'))
  if (admitted) {
    const ledger = await openNetworkLedger(network, await openFolder(join(folder.anchor, 'light')))
    const contributor = { instId: institution, name, roles: ['storage' as const], folder: dir }
    await admitInstitutions(ledger, [contributor], await keepSigningKey(folder.anchor, 'governor'))
  }
  return { dir: resolve(dir), institution, operatorKey: toHex(publicKey), admitted }
}

async function requireSpace(dir: string, quotaBytes: number): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
    throw asDiskError(cause, dir)
  })
  const { bavail, bsize } = await statfs(dir)
  const free = bavail * bsize
  if (free >= quotaBytes) return
  const mib = (bytes: number) => `${Math.floor(bytes / 2 ** 20)} MiB`
  throw new XcareError(
    'NO_SPACE',
    `the disk of ${dir} has ${mib(free)} free, and the node was promised ${mib(quotaBytes)}`,
    {
      next: 'promise less with --space, or choose another disk with --dir',
    },
  )
}

/** @returns `name` as lower-case words joined by hyphens. @throws XcareError USAGE when nothing is left of it. */
function slugOf(name: string): string {
  const slug = name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 60)
  if (slug.length > 0) return slug
  throw new XcareError('USAGE', `"${name.slice(0, 40)}" has no letters or digits to make a short name of`)
}
