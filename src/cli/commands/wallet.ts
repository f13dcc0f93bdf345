import type { Command } from 'commander'
import { asXcareError } from '../../errors.ts'
import { networkFolder, readNetworkFile } from '../../sdk/network/network-folder.ts'
import { createWallet, listWallets, readWalletFile } from '../../sdk/wallet.ts'
import { action, type Invocation } from '../invocation.ts'
import { withLightNode } from '../light-node.ts'
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
