import { noise } from '@libp2p/noise'
import type { Libp2pOptions } from 'libp2p'
import type { Admission } from './admission.ts'
import type { LinkOptions } from './peer-options.ts'
import { webSocketTransport } from './web/web-socket.ts'

/** @returns how a page makes connections: WebSockets, which it can only open, and noise inside, as it cannot speak TLS itself. */
export async function links(
  _options: LinkOptions,
  _admission: Admission,
): Promise<Required<Pick<Libp2pOptions, 'transports' | 'connectionEncrypters'>>> {
  return {
    transports: [(components) => webSocketTransport({}, components)],
    connectionEncrypters: [noise()],
  }
}
