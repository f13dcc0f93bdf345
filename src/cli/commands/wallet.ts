import type { Command } from 'commander'
import { asXcareError } from '../../errors.ts'
import { networkFolder, readNetworkFile } from '../../sdk/network/network-folder.ts'
import { changePassphrase, createWallet, listWallets, readWalletFile } from '../../sdk/wallet.ts'
import { backUpWallet, restoreWallet } from '../../sdk/wallet-backup.ts'
import { action, type Invocation } from '../invocation.ts'
import { withLightNode, withWallet } from '../light-node.ts'
import { chosenPassphrase, newPassphrase, passphraseOf } from '../passphrase.ts'

/** Adds `wallet create`, `list`, `passphrase`, `backup` and `restore`. */
export function addWalletCommands(program: Command): void {
  const wallet = program.command('wallet').description('your keys and the identities made of them')
  wallet
    .command('create')
    .description('make a new identity, kept under the name given with --as')
    .action(action(create))
  wallet.command('list').description('identities on this machine').action(action(list))
  wallet
    .command('passphrase')
    .description('change the passphrase of a wallet')
    .option('--new-passphrase-file <file>', 'file whose first line is the new one')
    .action(action(passphrase))
  wallet
    .command('backup')
    .description(
      'write a sealed copy of your keys and your list of records; the passphrase of today opens it',
    )
    .argument('<file>', 'a new file, best on another disk')
    .action(action(backup))
  wallet
    .command('restore')
    .description('make a wallet from a backup, under the name given with --as')
    .argument('<file>')
    .option('--merge', 'add to the wallet of that name what it lacks')
    .action(action(restore))
}

async function passphrase(
  invocation: Invocation,
  { newPassphraseFile }: { newPassphraseFile?: string },
): Promise<Record<string, unknown>> {
  const wallet = await withWallet(invocation)
  await changePassphrase(wallet, await chosenPassphrase(invocation, newPassphraseFile ?? null))
  await wallet.close()
  return { wallet: invocation.wallet, text: 'Changed. Backups made before open with the old passphrase.' }
}

async function backup(invocation: Invocation, file: string): Promise<Record<string, unknown>> {
  const network = await readNetworkFile(networkFolder(invocation.dir).root)
  const wallet = await withWallet(invocation)
  const { entries, bytes } = await backUpWallet(wallet, network, file)
  await wallet.close()
  const text = `Copied and read back: ${entries} entries in ${file}. Keep it on another disk, and the passphrase elsewhere.`
  return { file, did: wallet.did, entries, bytes, text }
}

async function restore(
  invocation: Invocation,
  file: string,
  { merge = false }: { merge?: boolean },
): Promise<Record<string, unknown>> {
  const folder = networkFolder(invocation.dir)
  const network = await readNetworkFile(folder.root)
  const secret = () => passphraseOf(invocation)
  const path = folder.wallet(invocation.wallet)
  const { did, entries, madeMs } = await restoreWallet(path, network, file, secret, merge)
  const made = new Date(madeMs).toISOString()
  const text = `Restored ${entries} entries from the backup of ${made.slice(0, 16)} UTC.`
  return { wallet: invocation.wallet, did, entries, made, text }
}

async function create(invocation: Invocation): Promise<Record<string, unknown>> {
  const { dir, wallet } = invocation
  const folder = networkFolder(dir)
  const network = await readNetworkFile(folder.root)
  const passphrase = await newPassphrase(invocation)
  const { did } = await createWallet(folder.wallet(wallet), network, passphrase)
  return { wallet, did, known: await introduced(invocation, passphrase) }
}

/** A wallet can be made while the network is away; then it introduces itself when it is first used. */
async function introduced(invocation: Invocation, passphrase: string): Promise<boolean> {
  try {
    return await withLightNode(invocation, async () => true, { passphrase })
  } catch (error) {
    // Whatever went wrong, the wallet is made.
    const { message, retryable } = asXcareError(error)
    if (!retryable)
      invocation.out.event({ type: 'warning', text: `the chain does not know this wallet yet: ${message}` })
    return false
  }
}

async function list({ dir, out }: Invocation): Promise<Record<string, unknown>> {
  const folder = networkFolder(dir)
  await readNetworkFile(folder.root)
  const wallets = await Promise.all(
    (await listWallets(folder)).map(async (name) => ({
      name,
      did: (await readWalletFile(folder.wallet(name))).did,
    })),
  )
  for (const entry of wallets) out.event({ type: 'wallet', ...entry })
  return { wallets }
}
