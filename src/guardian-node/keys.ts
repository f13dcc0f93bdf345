import { link, mkdir, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type KemKey, kemKeyFromSeed } from '../crypto/envelope.ts'
import { deriveKey } from '../crypto/kdf.ts'
import { type SigningKey, signingKeyFromSeed } from '../crypto/sign.ts'
import { XcareError } from '../errors.ts'
import { type NodeId, nodeIdOfKey } from '../ids.ts'
import type { Random } from '../ports.ts'

const SEED_BYTES = 32
const KEYS_FOLDER = 'keys'
const SEED_FILE = 'guardian.seed'

/** Everything secret a guardian has, but the shares. */
export interface GuardianKeys {
  /** Peer id text; follows from the sign key. */
  guardianId: NodeId
  /** Seed of the libp2p peer: the same key pair as `signing`. */
  peerSeed: Uint8Array
  signing: SigningKey
  kem: KemKey
  /** Seals share rows on disk, 32 bytes. */
  storeKey: Uint8Array
}

/** Reads the keys of the guardian in `dir`, or makes them (mode 0600, durable). @throws XcareError INTEGRITY when the file is damaged. */
export async function loadGuardianKeys(dir: string, random: Random): Promise<GuardianKeys> {
  const folder = join(dir, KEYS_FOLDER)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, SEED_FILE)
  const seed = (await readSeed(path)) ?? (await makeSeed(folder, path, random.bytes(SEED_BYTES)))
  return guardianKeysOf(seed)
}

/** @param seed 32 bytes. @returns all keys that follow from it. */
export async function guardianKeysOf(seed: Uint8Array): Promise<GuardianKeys> {
  const peerSeed = deriveKey(seed, 'xcare/guardian-sign/v1')
  const signing = signingKeyFromSeed(peerSeed)
  return {
    guardianId: nodeIdOfKey(signing.publicKey),
    peerSeed,
    signing,
    kem: await kemKeyFromSeed(deriveKey(seed, 'xcare/guardian-kem/v1')),
    storeKey: deriveKey(seed, 'xcare/guardian-store/v1'),
  }
}

async function readSeed(path: string): Promise<Uint8Array | null> {
  const content = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw new XcareError('FILE_UNREADABLE', `the key file ${path} cannot be read`, { cause: error })
  })
  if (!content) return null
  if (content.length === SEED_BYTES) return new Uint8Array(content)
  throw new XcareError('INTEGRITY', `the key file ${path} is damaged`, {
    next: 'restore it from a copy: without it the shares this guardian holds cannot be opened',
  })
}

async function makeSeed(folder: string, path: string, seed: Uint8Array): Promise<Uint8Array> {
  // An empty file after a crash would read as damage, so the name appears only once the bytes are there.
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
