import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { toHex } from '../bytes.ts'
import { systemRandom } from '../crypto/random.ts'
import { XcareError } from '../errors.ts'
import { type IdentityKeys, identityOf, ROOT_BYTES, vaultKeyOf } from '../identity/keypair.ts'
import {
  addWrapper,
  createKeyring,
  KEYRING_FILE,
  openKeyring,
  readKeyring,
  refuseSecond,
} from '../identity/keyring.ts'
import { passphrasesIn } from '../identity/passphrase.ts'
import { beginVault, openVault, type Vault } from '../identity/vault.ts'
import type { Did } from '../ids.ts'
import type { Shelf } from '../light-node/unfinished/shelf.ts'
import type { Folder } from '../ports.ts'
import { isSystemError, openFolder, readOrNull, replaceFile } from './folder.ts'
import type { NetworkFile, NetworkFolder } from './network/network-folder.ts'
import { openPutShelf } from './put-shelf.ts'

/** Where `up` leaves the passphrase of a wallet that it makes. */
export const PASSPHRASE_FILE = 'passphrase'

/** An unlocked wallet: who we are, our keys, and our own list of records. */
export interface OpenWallet {
  did: Did
  /** 32 bytes. */
  root: Uint8Array
  keys: IdentityKeys
  /** Signed event that makes the DID known to the chain. */
  inception: Uint8Array
  vault: Vault
  /** Where the wallet keeps headers and notices. */
  folder: Folder
  /** What is noted of puts under way. */
  puts: Shelf
  /** Ends its use; without it the newest entries are watched over less well. */
  close(): Promise<void>
}

/** Makes a wallet at `path`. @throws XcareError REFUSED when there is one already. */
export async function createWallet(
  path: string,
  { network }: NetworkFile,
  passphrase: string,
): Promise<{ did: Did }> {
  const folder = await openFolder(path)
  const root = systemRandom.bytes(ROOT_BYTES)
  await refuseSecond(folder)
  // The keyring last: with it the wallet exists, and a wallet without its list is one that lost it.
  await beginVault(folder, vaultKeyOf(root), systemRandom)
  const { did } = await createKeyring(folder, {
    network,
    passphrase,
    random: systemRandom,
    root,
    hasVault: true,
  })
  return { did }
}

/** @returns the identity of the wallet at `path`, without unlocking it. @throws XcareError NOT_INITIALISED when there is none. */
export async function readWalletFile(
  path: string,
): Promise<{ did: Did; network: string; hasVault: boolean }> {
  // Looking must not leave an empty folder behind.
  const found = existsSync(path) ? await readKeyring(await openFolder(path)) : null
  if (found) return found
  throw new XcareError('NOT_INITIALISED', `there is no wallet in ${path}`, {
    next: 'make one with `npx xcare wallet create --as NAME`, or name another with --as',
  })
}

/**
 * Unlocks the wallet at `path` with its passphrase, or with forms of it that are tried in their order.
 * Several processes may have it open: each write takes its turn.
 * @throws XcareError NOT_INITIALISED, WRONG_PASSPHRASE, INTEGRITY; REFUSED when it belongs to another
 * network.
 */
export async function openWallet(
  path: string,
  { network }: NetworkFile,
  passphrase: string | readonly string[],
): Promise<OpenWallet> {
  const found = await readWalletFile(path)
  if (found.network !== network)
    throw new XcareError('REFUSED', `this wallet belongs to network "${found.network}", not "${network}"`, {
      next: 'name the right folder with --dir',
    })
  const folder = await openFolder(path)
  const { did, root } = await openKeyring(folder, passphrase)
  const { keys, inception } = await identityOf(root, network)
  const vault = await openVault(folder, vaultKeyOf(root), systemRandom, { mustExist: found.hasVault })
  const puts = openPutShelf(join(path, 'puts'))
  return { did, root, keys, inception, vault, folder, puts, close: () => vault.close() }
}

/** @returns the names of the wallets of a network's folder, sorted. */
export async function listWallets(folder: NetworkFolder): Promise<string[]> {
  try {
    const entries = await readdir(join(folder.root, 'wallets'), { withFileTypes: true })
    return entries
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .sort()
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return []
    throw error
  }
}

/**
 * Opens the wallet at `path`, or makes it, with a passphrase that lies beside it in a file of mode 0600: for wallets of a
 * local network, whose folder protects them. @throws XcareError as openWallet
 */
export async function keptWallet(path: string, network: NetworkFile): Promise<OpenWallet> {
  const file = join(path, PASSPHRASE_FILE)
  const kept = await readOrNull(file)
  const isMade = existsSync(join(path, KEYRING_FILE))
  if (isMade && !kept)
    throw new XcareError(
      'WRONG_PASSPHRASE',
      `the wallet in ${path} has a passphrase that only its owner knows`,
      {
        next: 'use another folder with --dir',
      },
    )
  const passphrase = kept ? passphrasesIn(kept).at(-1)! : toHex(systemRandom.bytes(16))
  // The passphrase first: a wallet without it would be lost.
  await openFolder(path)
  if (!kept) await replaceFile(file, `${passphrase}\n`)
  if (!isMade) await createWallet(path, network, passphrase)
  return openWallet(path, network, passphrase)
}

/**
 * Gives an open wallet another passphrase. One that lies beside it is of no use then, and goes.
 * @throws XcareError of the disk
 */
export async function changePassphrase(wallet: OpenWallet, passphrase: string): Promise<void> {
  const { did, root, folder } = wallet
  await addWrapper(folder, { did, root }, 'passphrase', passphrase, systemRandom)
  await folder.remove(PASSPHRASE_FILE)
}
