import type { Command } from 'commander'
import { networkFolder, readNetworkFile } from '../../sdk/network/network-folder.ts'
import { createWallet, listWallets, readWalletFile } from '../../sdk/wallet.ts'
import { action, type Invocation } from '../invocation.ts'
import { newPassphrase } from '../passphrase.ts'

/** Adds `wallet create` and `wallet list`. */
export function addWalletCommands(program: Command): void {
  const wallet = program.command('wallet').description('your keys and the identities made of them')
  wallet
    .command('create')
    .description('make a new identity, kept under the name given with --as')
    .action(action(create))
  wallet.command('list').description('identities on this machine').action(action(list))
}

async function create(invocation: Invocation): Promise<Record<string, unknown>> {
  const { dir, wallet } = invocation
  const folder = networkFolder(dir)
  const network = await readNetworkFile(folder.root)
  const { did } = await createWallet(folder.wallet(wallet), network, await newPassphrase(invocation))
  return { wallet, did }
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
