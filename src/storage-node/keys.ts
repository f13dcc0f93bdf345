import { link, mkdir, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type SigningKey, signingKeyFromSeed } from '../crypto/sign.ts'
import { XcareError } from '../errors.ts'
import { type NodeId, nodeIdOfKey } from '../ids.ts'
import type { Random } from '../ports.ts'

const SEED_BYTES = 32

/** The one key of a storage node: its peer identity and its signature under receipts. */
export interface NodeKeys {
  nodeId: NodeId
  /** Seed of the key pair, for the peer. */
  seed: Uint8Array
  signing: SigningKey
}

/** Reads the key of the node in `dir`, or makes it (mode 0600, durable). @throws XcareError INTEGRITY when the file is damaged. */
export async function loadNodeKeys(dir: string, random: Random): Promise<NodeKeys> {
  const folder = join(dir, 'keys')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, 'node.seed')
  const seed = (await readSeed(path)) ?? (await makeSeed(folder, path, random.bytes(SEED_BYTES)))
  const signing = signingKeyFromSeed(seed)
  return { nodeId: nodeIdOfKey(signing.publicKey), seed, signing }
}

async function readSeed(path: string): Promise<Uint8Array | null> {
  const content = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw new XcareError('FILE_UNREADABLE', `the key file ${path} cannot be read`, { cause: error })
  })
  if (content === null) return null
  if (content.length === SEED_BYTES) return new Uint8Array(content)
  throw new XcareError('INTEGRITY', `the key file ${path} is damaged`, {
    next: 'restore it from a copy: without it this node is another node to everybody else',
  })
}

/** The name appears only once the bytes are durable, so that a crash leaves a whole key or none. */
async function makeSeed(folder: string, path: string, seed: Uint8Array): Promise<Uint8Array> {
  const fresh = `${path}.new`
  await rm(fresh, { force: true })
  const file = await open(fresh, 'wx', 0o600)
  try {
    await file.writeFile(seed)
    await file.sync()
  } finally {
    await file.close()
  }
  await link(fresh, path)
  await rm(fresh)
  const directory = await open(folder, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
  return seed
}
