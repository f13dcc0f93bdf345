import { networkFolder, readNetworkFile } from '../sdk/network/network-folder.ts'
import { type LightNode, openLightNode } from '../sdk/open-light-node.ts'
import { type OpenWallet, openWallet } from '../sdk/wallet.ts'
import type { Invocation } from './invocation.ts'
import { passphraseOf } from './passphrase.ts'

/** Unlocks the wallet of this invocation; touches no network. */
export async function withWallet(invocation: Invocation): Promise<OpenWallet> {
  const folder = networkFolder(invocation.dir)
  const network = await readNetworkFile(folder.root)
  return openWallet(folder.wallet(invocation.wallet), network, await passphraseOf(invocation))
}

/** Opens a light node on the wallet of this invocation for as long as `use` runs. */
export async function withLightNode<T>(
  invocation: Invocation,
  use: (node: LightNode) => Promise<T>,
): Promise<T> {
  const folder = networkFolder(invocation.dir)
  const network = await readNetworkFile(folder.root)
  const wallet = await withWallet(invocation)
  const node = await openLightNode({
    network,
    wallet,
    cache: `${folder.wallet(invocation.wallet)}/cache`,
    progress: invocation.out.event,
  })
  try {
    return await use(node)
  } finally {
    await node.close()
  }
}
