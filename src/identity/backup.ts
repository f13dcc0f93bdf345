import { concat, equalBytes, u32be, utf8 } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { XcareError } from '../errors.ts'
import { type Did, NETWORK_NAME } from '../ids.ts'
import { DID_TEXT_MAX } from '../limits.ts'
import type { Folder, Random } from '../ports.ts'
import { bytesMax, format, text, uint, z } from '../schema.ts'
import { vaultKeyOf } from './keypair.ts'
import { KEYRING_FILE, KEYRING_FILE_BYTES_MAX, type OpenKeyring, openKeyring } from './keyring.ts'
import { openVault, VAULT_FILE, type Vault } from './vault.ts'
import type { VaultEntry } from './vault-entry.ts'

const MAGIC = utf8('xcarewb1')
const LENGTH_BYTES = 4
const CHECK_BYTES = 32
const HEAD_BYTES_MAX = KEYRING_FILE_BYTES_MAX + 1024

const head = z.strictObject({
  v: z.literal(1),
  network: z.string().regex(NETWORK_NAME),
  did: text(DID_TEXT_MAX),
  madeMs: uint(),
  entries: uint(),
  keyring: bytesMax(KEYRING_FILE_BYTES_MAX),
})
const headFormat = format<z.infer<typeof head>>('wallet backup', HEAD_BYTES_MAX, head)

/** What a backup says without being unlocked. */
export interface BackupFacts {
  network: string
  did: Did
  madeMs: number
  /** Entries of the vault. */
  entries: number
}

interface Parts extends BackupFacts {
  keyring: Uint8Array
  vault: Uint8Array
}

/**
 * Makes a sealed copy of a wallet: its keyring as it is, so that the same passphrase opens it, and what
 * counts of its vault.
 * @param nowMs when. @returns the file. Spec: docs/spec/identity.md 5.
 */
export async function makeBackup(
  folder: Folder,
  { network, did, root }: OpenKeyring,
  vault: Vault,
  random: Random,
  nowMs: number,
): Promise<Uint8Array> {
  const keyring = await folder.read(KEYRING_FILE)
  if (!keyring) throw new XcareError('NOT_INITIALISED', 'there is no wallet in this folder')
  const copy = folderOf({})
  const entries = vault.entries()
  await (await openVault(copy, vaultKeyOf(root), random)).merge(entries)
  const facts = headFormat.encode({ v: 1, network, did, madeMs: nowMs, entries: entries.length, keyring })
  const content = concat(MAGIC, u32be(facts.length), facts, copy.files[VAULT_FILE]!)
  return concat(content, sha256(content))
}

/**
 * @returns what a backup says of itself.
 * @throws XcareError MALFORMED, INTEGRITY when it is none, cut or damaged.
 */
export function readBackup(backup: Uint8Array): BackupFacts {
  const { keyring: _keyring, vault: _vault, ...facts } = partsOf(backup)
  return facts
}

/**
 * Unlocks a backup and reads every entry in it.
 * @param unlock what opens its keyring: its passphrase, or forms of it.
 * @returns the entries, and the keyring's bytes.
 * @throws XcareError WRONG_PASSPHRASE; INTEGRITY, MALFORMED when it is not whole.
 */
export async function openBackup(
  backup: Uint8Array,
  unlock: string | readonly string[],
  random: Random,
): Promise<{ keyring: OpenKeyring; keyringFile: Uint8Array; entries: VaultEntry[] }> {
  const { keyring: keyringFile } = partsOf(backup)
  const keyring = await openKeyring(folderOf({ [KEYRING_FILE]: keyringFile }), unlock)
  return { keyring, keyringFile, entries: await entriesOf(backup, keyring.root, random) }
}

/**
 * @param root of the wallet that it is a copy of.
 * @returns all its entries.
 * @throws XcareError INTEGRITY when one is missing.
 */
export async function entriesOf(backup: Uint8Array, root: Uint8Array, random: Random): Promise<VaultEntry[]> {
  const { vault: log, entries: count } = partsOf(backup)
  const vault = await openVault(folderOf({ [VAULT_FILE]: log }), vaultKeyOf(root), random)
  const entries = vault.entries()
  if (vault.loss() || entries.length !== count)
    throw new XcareError('INTEGRITY', 'the backup is not whole', { next: 'use another copy of it' })
  return entries
}

function partsOf(backup: Uint8Array): Parts {
  const isOne = equalBytes(backup.subarray(0, MAGIC.length), MAGIC)
  if (!isOne || backup.length < MAGIC.length + LENGTH_BYTES + CHECK_BYTES)
    throw new XcareError('MALFORMED', 'that file is no backup of a wallet')
  const end = backup.length - CHECK_BYTES
  if (!equalBytes(sha256(backup.subarray(0, end)), backup.subarray(end)))
    throw new XcareError('INTEGRITY', 'the backup is cut or damaged', { next: 'use another copy of it' })
  const from = MAGIC.length + LENGTH_BYTES
  const length = new DataView(backup.buffer, backup.byteOffset).getUint32(MAGIC.length)
  if (length > HEAD_BYTES_MAX || from + length > end)
    throw new XcareError('MALFORMED', 'that file is no backup of a wallet')
  const { network, did, madeMs, entries, keyring } = headFormat.decode(backup.slice(from, from + length))
  return { network, did: did as Did, madeMs, entries, keyring, vault: backup.slice(from + length, end) }
}

/** A folder in memory. */
function folderOf(files: Record<string, Uint8Array>): Folder & { files: Record<string, Uint8Array> } {
  return {
    files,
    read: async (name) => files[name] ?? null,
    replace: async (name, content) => {
      files[name] = content
    },
    append: async (name, content) => {
      files[name] = concat(files[name] ?? new Uint8Array(0), content)
    },
    remove: async (name) => {
      delete files[name]
    },
    list: async () => Object.keys(files).sort(),
  }
}
