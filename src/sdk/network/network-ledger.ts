import { fromHex } from '../../bytes.ts'
import { openLedger } from '../../chain-anchor/light/ledger.ts'
import { rpcProvider } from '../../chain-anchor/light/rpc-provider.ts'
import type { Folder, Ledger } from '../../ports.ts'
import { systemClock } from '../clock.ts'
import type { NetworkFile } from './network-folder.ts'

/** Opens the ledger of `network` as a light client of its own sees it; `folder` keeps its headers. */
export async function openNetworkLedger(network: NetworkFile, folder: Folder): Promise<Ledger> {
  const [first, ...others] = network.rpc.map((url) => rpcProvider(url, systemClock))
  return openLedger({
    provider: first!,
    witnesses: others,
    chainId: network.network,
    trust: { height: network.trust.height, hash: fromHex(network.trust.hash) },
    store: folder,
    clock: systemClock,
  })
}
