import { existsSync } from 'node:fs'
import { mkdir, statfs } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { toHex, utf8 } from '../../bytes.ts'
import { sha256 } from '../../crypto/hash.ts'
import { asXcareError, XcareError } from '../../errors.ts'
import { asDiskError, openFolder } from '../folder.ts'
import { admitInstitutions, type LocalInstitution, standingOf } from '../network/admit.ts'
import {
  lightFolderOf,
  type NetworkFile,
  type NetworkFolder,
  networkFolder,
  readNetworkFile,
} from '../network/network-folder.ts'
import { openNetworkLedger } from '../network/network-ledger.ts'
import { keepNetworkOfPart } from './network-of.ts'
import { keepSigningKey, writeRoleFile } from './role-folder.ts'

/**
 * Letters of an institution's id that are words of its name, and digits of the name's hash after them, at
 * most.
 */
const WORDS_MAX = 44
const HASH_DIGITS = 10

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
 * Sets a storage node up: looks at the disk, makes its keys, has the contributor admitted, writes `role.json`
 * last, so that what was interrupted can be done again. The owner of a local network has the governor's key
 * and so admits the contributor at once; elsewhere a governor must.
 * @throws XcareError REFUSED when there is a node already or the name is another's, NO_SPACE,
 * NOT_INITIALISED, USAGE
 */
export async function initNode({ dir, networkDir, name, quotaBytes, region }: NodeWish): Promise<NewNode> {
  const folder = networkFolder(networkDir)
  const network = await readNetworkFile(folder.root)
  if (existsSync(join(dir, 'role.json')))
    throw new XcareError('REFUSED', `there is a part of a network in ${dir} already`, {
      next: 'choose another folder with --dir',
    })
  const institution = institutionIdOf(name)
  await requireSpace(dir, quotaBytes)
  const { publicKey } = await keepSigningKey(dir, 'operator')
  const contributor = { instId: institution, name, roles: ['storage' as const], folder: dir }
  const admitted = await admit(folder, network, contributor)
  await keepNetworkOfPart(dir, network)
  await writeRoleFile(dir, {
    kind: 'node' as const,
    networkDir: relative(resolve(dir), folder.root),
    institution,
    network: institution,
    region,
    quotaBytes,
    port: 0,
    webPort: 0,
  })
  return { dir: resolve(dir), institution, operatorKey: toHex(publicKey), admitted }
}

/**
 * @returns whether the network knows the contributor by its own key.
 * @throws XcareError REFUSED when the name is another's.
 */
async function admit(
  folder: NetworkFolder,
  network: NetworkFile,
  contributor: LocalInstitution,
): Promise<boolean> {
  const ledger = await openNetworkLedger(network, await openFolder(lightFolderOf(folder)))
  const governs = existsSync(join(folder.anchor, 'keys', 'governor'))
  const standing = await standingOf(ledger, contributor).catch((error: unknown) => {
    // Whoever cannot admit has nothing to do now, and is told that a governor must.
    if (governs || !asXcareError(error).retryable) throw error
    return 'unknown' as const
  })
  if (standing === 'taken')
    throw new XcareError(
      'REFUSED',
      `"${contributor.name}" is somebody else's name in this network: "${contributor.instId}" has another key than the one in ${contributor.folder}`,
      { next: 'choose another name with --name' },
    )
  if (standing === 'unknown' && governs) {
    const governor = await keepSigningKey(folder.anchor, 'governor')
    await admitInstitutions(ledger, [contributor], governor)
  }
  return governs || standing === 'own'
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

/**
 * @returns the id of an institution of that name: its lower-case words joined by hyphens. Where they do not
 * say all of the name, part of its hash follows, so that two names in any script are two institutions.
 * @throws XcareError USAGE when the name has neither letters nor digits.
 */
export function institutionIdOf(name: string): string {
  const plain = name.normalize('NFC').trim()
  if (!/[\p{L}\p{N}]/u.test(plain))
    throw new XcareError('USAGE', `"${name.slice(0, 40)}" has no letters or digits to make a short name of`)
  const words = plain
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
  if (words.replaceAll('-', ' ') === plain.toLowerCase() && words.length <= WORDS_MAX) return words
  const hash = toHex(sha256(utf8(plain))).slice(0, HASH_DIGITS)
  return [words.slice(0, WORDS_MAX).replace(/-+$/, '') || 'institution', hash].join('-')
}
