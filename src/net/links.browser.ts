import { noise } from '@libp2p/noise'
import type { Libp2pOptions } from 'libp2p'
import type { LinkOptions } from './peer-options.ts'
import { webSocketTransport } from './web/web-socket.ts'

/** @returns how a page makes connections: WebSockets, which it can only open, and noise inside, as it cannot speak TLS itself. */
export async function links(
  _options: LinkOptions,
): Promise<Required<Pick<Libp2pOptions, 'transports' | 'connectionEncrypters'>>> {
  return {
    transports: [(components) => webSocketTransport({}, components)],
    connectionEncrypters: [noise()],
  }
}
