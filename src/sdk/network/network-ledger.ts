import { fromHex } from '../../bytes.ts'
import { APP_VERSION } from '../../chain-anchor/app/genesis.ts'
import { openLedger } from '../../chain-anchor/light/ledger.ts'
import { rpcProvider } from '../../chain-anchor/light/rpc-provider.ts'
import { ENDPOINT_PATIENCE_MS, RPC_DEADLINE_MS } from '../../limits.ts'
import type { Folder, Ledger } from '../../ports.ts'
import { systemClock } from '../clock.ts'
import type { NetworkFile } from './network-folder.ts'

/** Opens the ledger of `network` as a light client of its own sees it; `folder` keeps its headers. */
export async function openNetworkLedger(network: NetworkFile, folder: Folder): Promise<Ledger> {
  const patienceMs = network.rpc.length > 1 ? ENDPOINT_PATIENCE_MS : RPC_DEADLINE_MS
  const [first, ...others] = network.rpc.map((url) => rpcProvider(url, systemClock, patienceMs))
  return openLedger({
    provider: first!,
    witnesses: others,
    chainId: network.network,
    trust: { height: network.trust.height, hash: fromHex(network.trust.hash) },
    // The rules of this application version have no message that changes the validators.
    fixedSetVersion: APP_VERSION,
    store: folder,
    clock: systemClock,
  })
}
