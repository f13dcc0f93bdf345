import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { systemRandom } from '../../crypto/random.ts'
import { type SigningKey, signingKeyFromSeed } from '../../crypto/sign.ts'
import { XcareError } from '../../errors.ts'
import { text, uint, z } from '../../schema.ts'
import { readOrNull, replaceFile } from '../folder.ts'
import { parseJsonFile } from '../network/network-folder.ts'
import type { Ports } from './role-peer.ts'

const label = text(64)
const roleShape = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('anchor'), rpcPort: uint(65535), port: uint(65535) }),
  z.strictObject({
    kind: z.literal('node'),
    networkDir: text(4096),
    institution: label,
    network: label,
    region: label,
    quotaBytes: uint(),
    port: uint(65535),
    webPort: uint(65535).optional(),
  }),
  z.strictObject({
    kind: z.literal('guardian'),
    networkDir: text(4096),
    institution: label,
    jurisdiction: label,
    port: uint(65535),
    webPort: uint(65535).optional(),
  }),
])

/** How one part of a network is set up; kept as `role.json` in its folder. A port of 0 is chosen at the first start and then kept; without a web port no browser is served. */
export type RoleFile = z.infer<typeof roleShape>
/** The set-up of a part of kind `K`. */
export type RoleFileOf<K extends RoleFile['kind']> = Extract<RoleFile, { kind: K }>

/** Writes the set-up of the part in `folder`, atomically. */
export async function writeRoleFile(folder: string, role: RoleFile): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await replaceFile(join(folder, 'role.json'), `${JSON.stringify(role, null, 2)}\n`)
}

/** @returns the set-up in `folder`. @throws XcareError NOT_INITIALISED when there is none, or one of another kind. */
export async function readRoleFile<K extends RoleFile['kind']>(
  folder: string,
  kind: K,
): Promise<RoleFileOf<K>> {
  const content = await readOrNull(join(folder, 'role.json'))
  const role = content && parseJsonFile(content, roleShape, join(folder, 'role.json'))
  if (role?.kind === kind) return role as RoleFileOf<K>
  throw new XcareError('NOT_INITIALISED', `there is no ${kind} in ${folder}`, {
    next:
      kind === 'node'
        ? 'make one with `npx xcare node init --network FOLDER --name NAME`, or name its folder with --dir'
        : 'name its folder with --dir; a network on this machine is made with `npx xcare up`',
  })
}

/** Keeps the ports a part listens on, so that addresses told to others stay true after a restart. */
export async function keepPorts(folder: string, role: RoleFile, ports: Ports): Promise<void> {
  const kept = { ...role, ...ports }
  if (ports.port !== 0 && !isDeepStrictEqual(kept, role)) await writeRoleFile(folder, kept)
}

/** @returns the 32-byte secret called `name` of the part in `folder`, made at first use; file mode 0600. */
export async function keepSeed(folder: string, name: string): Promise<Uint8Array> {
  const keys = join(folder, 'keys')
  await mkdir(keys, { recursive: true, mode: 0o700 })
  const path = join(keys, name)
  const kept = await readOrNull(path)
  if (kept?.length === 32) return kept
  if (kept)
    throw new XcareError('MALFORMED', `${path} is damaged: a key has 32 bytes`, {
      next: 'restore it from a copy',
    })
  const seed = systemRandom.bytes(32)
  await replaceFile(path, seed)
  return seed
}

/** @returns the signing key made of the secret `name` of the part in `folder`. */
export async function keepSigningKey(folder: string, name: string): Promise<SigningKey> {
  return signingKeyFromSeed(await keepSeed(folder, name))
}
