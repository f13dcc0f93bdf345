import { existsSync } from 'node:fs'
import { toHex } from '../bytes.ts'
import { systemRandom } from '../crypto/random.ts'
import { asXcareError, XcareError } from '../errors.ts'
import { entriesOf, makeBackup, openBackup, readBackup } from '../identity/backup.ts'
import { vaultKeyOf } from '../identity/keypair.ts'
import { KEYRING_FILE, placeKeyring, readKeyring } from '../identity/keyring.ts'
import { beginVault, openVault } from '../identity/vault.ts'
import type { Did } from '../ids.ts'
import type { Folder } from '../ports.ts'
import { systemClock } from './clock.ts'
import { writeWhole } from './file-target.ts'
import { openFolder, readOrNull } from './folder.ts'
import type { NetworkFile } from './network/network-folder.ts'
import type { OpenWallet } from './wallet.ts'

/**
 * Writes a sealed copy of an open wallet to the new file `file`, and reads it back from there, entry by
 * entry.
 * @returns how many entries it has.
 * @throws XcareError USAGE when there is something already; of the disk; INTEGRITY when it did not keep it
 */
export async function backUpWallet(
  { did, root, vault, folder }: OpenWallet,
  { network }: NetworkFile,
  file: string,
): Promise<{ entries: number; bytes: number }> {
  await vault.refresh()
  const backup = await makeBackup(folder, { network, did, root }, vault, systemRandom, systemClock.nowMs())
  await writeWhole(
    file,
    (async function* () {
      yield backup
    })(),
  )
  const entries = await entriesOf((await readOrNull(file)) ?? new Uint8Array(0), root, systemRandom)
  return { entries: entries.length, bytes: backup.length }
}

/**
 * Makes the wallet at `path` from the backup in `file`.
 * @param passphrase asked for when everything else fits.
 * @param merge adds to a wallet of the same identity what it lacks, and brings a damaged keyring back.
 * @returns how many entries came from it.
 * @throws XcareError REFUSED when there is a wallet, or another one; WRONG_PASSPHRASE; FILE_UNREADABLE;
 * INTEGRITY when the backup is not whole
 */
export async function restoreWallet(
  path: string,
  { network }: NetworkFile,
  file: string,
  passphrase: () => Promise<string | readonly string[]>,
  merge: boolean,
): Promise<{ did: Did; entries: number; madeMs: number }> {
  const backup = await readOrNull(file)
  if (!backup) throw new XcareError('FILE_UNREADABLE', `there is no file ${file}`, { next: 'check the path' })
  const facts = readBackup(backup)
  if (facts.network !== network)
    throw new XcareError('REFUSED', `this backup belongs to network "${facts.network}", not "${network}"`, {
      next: 'name the right folder with --dir',
    })
  if (!merge) await refuseWallet(path)
  const { keyring, keyringFile, entries } = await openBackup(backup, await passphrase(), systemRandom)
  const { did, madeMs } = facts
  const folder = await openFolder(path)
  const key = vaultKeyOf(keyring.root)
  const found = await didOf(folder)
  if (found !== null && found !== 'damaged' && found !== did)
    throw new XcareError('REFUSED', 'the wallet of this name is another identity than the backup', {
      next: 'name the right one with --as',
    })
  if (found !== null) {
    const vault = await openVault(folder, key, systemRandom, { mustExist: true })
    const added = await vault.merge(entries)
    await vault.close()
    if (found === 'damaged') await bringBack(folder, keyringFile)
    return { did, entries: added, madeMs }
  }
  // The keyring last: with it the wallet exists.
  await beginVault(folder, key, systemRandom, entries)
  await placeKeyring(folder, keyringFile)
  return { did, entries: entries.length, madeMs }
}

async function refuseWallet(path: string): Promise<void> {
  // Looking must not leave an empty folder behind.
  if (!existsSync(path) || (await (await openFolder(path)).read(KEYRING_FILE)) === null) return
  throw new XcareError('REFUSED', 'there is a wallet of this name already', {
    next: 'choose another name with --as, or add --merge to bring back what it lacks',
  })
}

async function didOf(folder: Folder): Promise<Did | 'damaged' | null> {
  try {
    return (await readKeyring(folder))?.did ?? null
  } catch (error) {
    if (asXcareError(error).code === 'INTEGRITY') return 'damaged'
    throw error
  }
}

async function bringBack(folder: Folder, keyringFile: Uint8Array): Promise<void> {
  const damaged = await folder.read(KEYRING_FILE)
  if (damaged) await folder.replace(`${KEYRING_FILE}.damaged-${toHex(systemRandom.bytes(4))}`, damaged)
  await placeKeyring(folder, keyringFile)
}
