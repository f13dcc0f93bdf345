import { equalBytes, utf8 } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { type PassphraseCost, stretchPassphrase } from '../crypto/password.ts'
import { openSmall, sealSmall } from '../crypto/secretbox.ts'
import { XcareError } from '../errors.ts'
import { type Did, NETWORK_NAME } from '../ids.ts'
import { DID_TEXT_MAX } from '../limits.ts'
import type { Folder, Random } from '../ports.ts'
import { bytes, bytesMax, format, text, uint, z } from '../schema.ts'
import { identityOf, ROOT_BYTES } from './keypair.ts'

/** Cost of guessing a passphrase: 64 MiB and three passes of Argon2id. Tests pass less. */
const PASSPHRASE_COST: PassphraseCost = { memoryKiB: 64 * 1024, passes: 3 }

/** Name of its file. */
export const KEYRING_FILE = 'keyring'
const KEYRING_BYTES_MAX = 4096
/** The file of a keyring, at most. */
export const KEYRING_FILE_BYTES_MAX: number = KEYRING_BYTES_MAX + 128
const SALT_BYTES = 16
const NONCE_BYTES = 24
const SEALED_ROOT_BYTES = NONCE_BYTES + ROOT_BYTES + 16
const WRAPPERS_MAX = 8
/** A keyring that asks for more was made to exhaust memory. */
const MEMORY_KIB_MAX = 1024 * 1024
const PASSES_MAX = 64

const wrapper = z.strictObject({
  kind: z.enum(['passphrase', 'recovery']),
  salt: bytes(SALT_BYTES),
  memoryKiB: uint(MEMORY_KIB_MAX).min(8),
  passes: uint(PASSES_MAX).min(1),
  sealedRoot: bytes(SEALED_ROOT_BYTES),
})
const body = z.strictObject({
  /** 2: a vault was made before this file, so that none at all is a loss. */
  v: z.union([z.literal(1), z.literal(2)]),
  network: z.string().regex(NETWORK_NAME),
  did: text(DID_TEXT_MAX),
  wrappers: z.array(wrapper).min(1).max(WRAPPERS_MAX),
})
const file = z.strictObject({ body: bytesMax(KEYRING_BYTES_MAX), check: bytes(32) })

type Wrapper = z.infer<typeof wrapper>
type Keyring = z.infer<typeof body>
const bodyFormat = format<Keyring>('keyring', KEYRING_BYTES_MAX, body)
const fileFormat = format<z.infer<typeof file>>('keyring file', KEYRING_FILE_BYTES_MAX, file)

/** How the root is unlocked: each way opens it alone. */
export type WrapperKind = Wrapper['kind']

/** An unlocked wallet. */
export interface OpenKeyring {
  network: string
  did: Did
  /** 32 bytes; every key follows from it. */
  root: Uint8Array
}

/**
 * What `createKeyring` needs. `root` is given when the caller drew it, `hasVault` when the vault is there
 * already.
 */
export interface KeyringInput {
  network: string
  passphrase: string
  random: Random
  root?: Uint8Array
  hasVault?: boolean
  cost?: PassphraseCost
}

/** Makes a wallet in `folder`. @throws XcareError REFUSED when it has one, USAGE on an empty passphrase. Spec: docs/spec/identity.md 3. */
export async function createKeyring(folder: Folder, input: KeyringInput): Promise<OpenKeyring> {
  await refuseSecond(folder)
  const { network, random, cost = PASSPHRASE_COST } = input
  const root = input.root ?? random.bytes(ROOT_BYTES)
  const { did } = await identityOf(root, network)
  const wrapped = await wrapRoot('passphrase', root, input.passphrase, did, random, cost)
  await write(folder, { v: input.hasVault ? 2 : 1, network, did, wrappers: [wrapped] })
  return { network, did, root }
}

/** @throws XcareError REFUSED when there is a wallet in `folder`, whole or damaged. */
export async function refuseSecond(folder: Folder): Promise<void> {
  if ((await folder.read(KEYRING_FILE)) !== null)
    throw new XcareError('REFUSED', 'there is a wallet in this folder already', {
      next: 'open it, or choose another name with --as',
    })
}

/**
 * @returns network and DID of the wallet in `folder`, without unlocking, or null when there is none.
 * `hasVault`: one was made with it.
 * @throws XcareError INTEGRITY
 */
export async function readKeyring(
  folder: Folder,
): Promise<{ network: string; did: Did; kinds: WrapperKind[]; hasVault: boolean } | null> {
  const found = await read(folder)
  if (!found) return null
  const kinds = found.wrappers.map(({ kind }) => kind)
  return { network: found.network, did: found.did as Did, kinds, hasVault: found.v === 2 }
}

/**
 * Unlocks the wallet with any of its secrets.
 * @param secret one, or forms of one that are tried in their order.
 * @throws XcareError NOT_INITIALISED, WRONG_PASSPHRASE when the file is whole and no wrapper opens, INTEGRITY when it is damaged.
 */
export async function openKeyring(
  folder: Folder,
  secret: string | readonly string[],
  kind: WrapperKind = 'passphrase',
): Promise<OpenKeyring> {
  const found = await read(folder)
  if (!found) throw new XcareError('NOT_INITIALISED', 'there is no wallet in this folder')
  const fitting = found.wrappers.filter((wrapped) => wrapped.kind === kind)
  for (const form of typeof secret === 'string' ? [secret] : secret)
    for (const wrapped of fitting) {
      const root = await unwrapRoot(wrapped, form, found.did)
      if (root) return { network: found.network, did: found.did as Did, root }
    }
  throw new XcareError('WRONG_PASSPHRASE', 'that is not the passphrase of this wallet', {
    next: 'the wallet file is whole, so try again: mind capitals and the keyboard layout',
  })
}

/** Adds one more way to unlock, or replaces all of its kind. @param cost a recovery secret with full entropy needs little. */
export async function addWrapper(
  folder: Folder,
  opened: Pick<OpenKeyring, 'did' | 'root'>,
  kind: WrapperKind,
  secret: string,
  random: Random,
  cost: PassphraseCost = PASSPHRASE_COST,
): Promise<void> {
  const found = await read(folder)
  if (!found) throw new XcareError('NOT_INITIALISED', 'there is no wallet in this folder')
  if (found.did !== opened.did) throw new XcareError('REFUSED', 'the wallet in this folder is another one')
  const others = found.wrappers.filter((wrapped) => wrapped.kind !== kind)
  const added = await wrapRoot(kind, opened.root, secret, found.did, random, cost)
  await write(folder, { ...found, wrappers: [...others, added] })
}

/**
 * Puts a keyring's file from a backup into `folder`.
 * @throws XcareError MALFORMED, INTEGRITY when it is none
 */
export async function placeKeyring(folder: Folder, content: Uint8Array): Promise<void> {
  parse(content)
  await folder.replace(KEYRING_FILE, content)
}

async function wrapRoot(
  kind: WrapperKind,
  root: Uint8Array,
  secret: string,
  did: string,
  random: Random,
  cost: PassphraseCost,
): Promise<Wrapper> {
  if (secret.length === 0) throw new XcareError('USAGE', 'the passphrase is empty')
  const salt = random.bytes(SALT_BYTES)
  const key = await stretchPassphrase(secret, salt, cost)
  const sealedRoot = sealSmall(key, random.bytes(NONCE_BYTES), root, wrapperAad(kind, did))
  key.fill(0)
  return { kind, salt, memoryKiB: cost.memoryKiB, passes: cost.passes, sealedRoot }
}

async function unwrapRoot(wrapped: Wrapper, secret: string, did: string): Promise<Uint8Array | null> {
  const key = await stretchPassphrase(secret, wrapped.salt, wrapped)
  try {
    return openSmall(key, wrapped.sealedRoot, wrapperAad(wrapped.kind, did))
  } catch (error) {
    if (error instanceof XcareError && error.code === 'INTEGRITY') return null
    throw error
  } finally {
    key.fill(0)
  }
}

function wrapperAad(kind: WrapperKind, did: string): Uint8Array {
  return utf8(`xcare/keyring/v1 ${kind} ${did}`)
}

async function write(folder: Folder, keyring: Keyring): Promise<void> {
  const encoded = bodyFormat.encode(keyring)
  await folder.replace(KEYRING_FILE, fileFormat.encode({ body: encoded, check: sha256(encoded) }))
}

/** The check needs no secret, so that a damaged file is never blamed on the passphrase. */
async function read(folder: Folder): Promise<Keyring | null> {
  const content = await folder.read(KEYRING_FILE)
  return content && parse(content)
}

function parse(content: Uint8Array): Keyring {
  try {
    const { body: encoded, check } = fileFormat.decode(content)
    if (equalBytes(sha256(encoded), check)) return bodyFormat.decode(encoded)
  } catch (cause) {
    throw damaged(cause)
  }
  throw damaged(null)
}

function damaged(cause: unknown): XcareError {
  return new XcareError('INTEGRITY', 'the wallet file is damaged', {
    cause,
    next: 'bring it back from a backup: `npx xcare wallet restore FILE --merge`',
  })
}
