import { fromHex } from '../../bytes.ts'
import { APP_VERSION } from '../../chain-anchor/app/genesis.ts'
import type { Endpoint } from '../../chain-anchor/light/endpoint.ts'
import { openLedger } from '../../chain-anchor/light/ledger.ts'
import { rpcProvider } from '../../chain-anchor/light/rpc-provider.ts'
import { XcareError } from '../../errors.ts'
import { ENDPOINT_PATIENCE_MS, RPC_DEADLINE_MS } from '../../limits.ts'
import type { Folder, Ledger } from '../../ports.ts'
import { systemClock } from '../clock.ts'
import type { NetworkFile } from './network-folder.ts'

/** What a started chain says of itself. */
export interface StartedChain {
  chainId: string
  rpcUrl: string
  trust: NetworkFile['trust']
  nodeId: string
  addresses: string[]
}

/**
 * @param kept what the folder knew before, or null.
 * @returns what it knows now: the trust root stays the first one, whatever the chain says today, and so do
 * endpoints that were added by hand.
 * @throws XcareError REFUSED when it is another chain
 */
export function networkOf(kept: NetworkFile | null, started: StartedChain): NetworkFile {
  const { chainId, rpcUrl, trust, nodeId, addresses } = started
  if (kept && kept.network !== chainId)
    throw new XcareError(
      'REFUSED',
      `this folder belongs to network "${kept.network}", and the chain is "${chainId}"`,
      {
        next: 'start the chain in a folder of its own, named with --dir',
      },
    )
  // The first endpoint is the folder's own chain, at whatever port it has now.
  const others = kept?.rpc.slice(1).filter((url) => url !== rpcUrl) ?? []
  return {
    network: chainId,
    rpc: [rpcUrl, ...others],
    trust: kept?.trust ?? trust,
    bootstrap: [{ nodeId, addresses }],
  }
}

/**
 * Opens the ledger of `network` as a light client of its own sees it; `folder` keeps its headers.
 * @param reread the network as it is written down now: looked at when no endpoint answers, since the chain
 * may have moved.
 */
export async function openNetworkLedger(
  network: NetworkFile,
  folder: Folder,
  reread: (() => Promise<NetworkFile>) | null = null,
): Promise<Ledger> {
  const [first, ...others] = endpointsOf(network.rpc)
  return openLedger({
    provider: first!,
    witnesses: others,
    chainId: network.network,
    trust: { height: network.trust.height, hash: fromHex(network.trust.hash) },
    // The rules of this application, in all its versions, have no message that changes the validators.
    fixedSetVersion: APP_VERSION,
    store: folder,
    clock: systemClock,
    ...(reread && { renew: async () => endpointsOf(sameNetwork(network, await reread())) }),
  })
}

function endpointsOf(rpc: string[]): Endpoint[] {
  const patienceMs = rpc.length > 1 ? ENDPOINT_PATIENCE_MS : RPC_DEADLINE_MS
  return rpc.map((url) => rpcProvider(url, systemClock, patienceMs))
}

/** @returns where another reading of the same network's file says that its chain is. */
function sameNetwork({ network }: NetworkFile, now: NetworkFile): string[] {
  return now.network === network ? now.rpc : []
}
