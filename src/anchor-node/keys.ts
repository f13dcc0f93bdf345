import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type SigningKey, signingKeyFromSeed } from '../crypto/sign.ts'
import { XcareError } from '../errors.ts'
import type { Random } from '../ports.ts'

const SEED_BYTES = 32

/** @returns the validator keys in `folder`, numbered from 1; those missing up to `count` are made. Files of mode 0600. */
export async function keepValidatorKeys(
  folder: string,
  count: number,
  random: Random,
): Promise<SigningKey[]> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const keys: SigningKey[] = []
  for (let number = 1; number <= count; number++)
    keys.push(await keepKey(join(folder, `validator-${number}`), random))
  return keys
}

/** @returns the content of the file, or null when there is none. */
export async function readOrNull(path: string): Promise<Uint8Array | null> {
  try {
    return new Uint8Array(await readFile(path))
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw new XcareError('FILE_UNREADABLE', `${path} cannot be read`, { cause })
  }
}

/** Replaces a file whole and durably; only its owner can read it. */
export async function writeWhole(path: string, content: Uint8Array): Promise<void> {
  const draft = `${path}.new`
  const file = await open(draft, 'w', 0o600)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(draft, path)
  const folder = await open(dirname(path), 'r')
  await folder.sync().finally(() => folder.close())
}

async function keepKey(path: string, random: Random): Promise<SigningKey> {
  const kept = await readOrNull(path)
  const seed = kept ?? random.bytes(SEED_BYTES)
  if (seed.length !== SEED_BYTES)
    throw new XcareError('MALFORMED', `${path} is damaged: a key has ${SEED_BYTES} bytes`)
  if (!kept) await writeWhole(path, seed)
  return signingKeyFromSeed(seed)
}
