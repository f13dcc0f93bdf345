import { LOCAL_SIZE } from '../../src/sdk/network/local-network.ts'
import { type NetworkFile, networkFolder } from '../../src/sdk/network/network-folder.ts'
import { startNetwork } from '../../src/sdk/network/start-network.ts'
import { type LightNode, openLightNode } from '../../src/sdk/open-light-node.ts'
import { keptWallet } from '../../src/sdk/wallet.ts'
import type { TestNetwork } from './network.ts'

/** Starts the local network of `net`. @returns it, and a light node of its owner in this process. */
export async function startWithLightNode(
  net: TestNetwork,
): Promise<{ network: NetworkFile; node: LightNode }> {
  const folder = networkFolder(net.root)
  const network = await startNetwork(folder, LOCAL_SIZE, () => {})
  const wallet = await keptWallet(folder.wallet('owner'), network)
  return {
    network,
    node: await openLightNode({ network, wallet, cache: net.path('cache'), progress: () => {} }),
  }
}
