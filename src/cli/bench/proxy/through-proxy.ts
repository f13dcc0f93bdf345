import { XcareError } from '../../../errors.ts'
import type { PeerAddress, Transport } from '../../../ports.ts'
import type { NetworkFile } from '../../../sdk/network/network-folder.ts'
import type { ProxyProcess } from './proxy-process.ts'

/** @returns `transport` so that every address it dials is one of the proxy; who answers is proven by the handshake all the same. */
export function throughProxy(transport: Transport, proxy: ProxyProcess): Transport {
  return {
    async open(peer, protocol, signal) {
      return transport.open(await proxiedPeer(peer, proxy), protocol, signal)
    },
  }
}

/** @returns where `peer` is reached through the proxy. */
export async function proxiedPeer(
  { nodeId, addresses }: PeerAddress,
  proxy: ProxyProcess,
): Promise<PeerAddress> {
  const proxied = await Promise.all(
    addresses.filter(isTcp).map(async (address) => {
      const { ip, port } = endpointOf(address)
      return `/ip4/127.0.0.1/tcp/${(await proxy.route(ip, port)).port}`
    }),
  )
  return { nodeId, addresses: proxied }
}

/** @returns `network` so that the chain, too, is reached through the proxy. */
export async function proxiedNetwork(network: NetworkFile, proxy: ProxyProcess): Promise<NetworkFile> {
  const rpc = await Promise.all(
    network.rpc.map(async (text) => {
      const url = new URL(text)
      const { port } = await proxy.route(url.hostname, Number(url.port))
      url.port = String(port)
      return url.origin
    }),
  )
  return { ...network, rpc }
}

/** @returns whether a process can use the address; those of browsers it cannot. */
export const isTcp = (address: string): boolean => !address.endsWith('/ws')

/** @returns address and port of a multiaddr of the kind a local network has. */
export function endpointOf(address: string): { ip: string; port: number } {
  const [, ip, port] = /^\/ip4\/([\d.]+)\/tcp\/(\d+)$/.exec(address) ?? []
  if (ip === undefined) throw new XcareError('INTERNAL', `no proxy can stand before ${address}`)
  return { ip, port: Number(port) }
}
