import type { MultiaddrConnection, Transport, Upgrader } from '@libp2p/interface'
import { webSockets } from '@libp2p/websockets'

/** Bytes that may wait in a socket before the writer is told to stop. */
const WAITING_BYTES = 1024 * 1024

/** What the transport takes from the peer it runs in. */
export type WebSocketComponents = Parameters<ReturnType<typeof webSockets>>[0]
type Options = Parameters<typeof webSockets>[0]

/** The library's connection, as far as we look into it. */
interface WebSocketConnection extends MultiaddrConnection {
  websocket?: Pick<WebSocket, 'addEventListener' | 'close'> & { terminate?(): void }
}

/**
 * The library's WebSocket transport, made safe against the other end. The library asks for a close code that no socket takes when
 * it tears a connection down, and so leaves it open; and nobody hears of a broken message, which ends a process.
 * Spec: docs/spec/transport.md section 7.
 */
export function webSocketTransport(options: Options, components: WebSocketComponents): Transport {
  const transport = webSockets({ maxBufferedAmount: WAITING_BYTES, ...options })(components)
  const dial = transport.dial.bind(transport)
  const createListener = transport.createListener.bind(transport)
  transport.dial = (address, init) => dial(address, { ...init, upgrader: guarded(init.upgrader) })
  transport.createListener = (init) => createListener({ ...init, upgrader: guarded(init.upgrader) })
  return transport
}

function guarded(upgrader: Upgrader): Upgrader {
  const guard = async <T>(connection: WebSocketConnection, upgrade: Promise<T>): Promise<T> => {
    // A close event follows, which says the same.
    connection.websocket?.addEventListener('error', () => {})
    connection.addEventListener('close', ({ error }) => {
      if (error) cut(connection)
    })
    try {
      return await upgrade
    } catch (error) {
      cut(connection)
      throw error
    }
  }
  return {
    upgradeInbound: (connection, options) => guard(connection, upgrader.upgradeInbound(connection, options)),
    upgradeOutbound: (connection, options) =>
      guard(connection, upgrader.upgradeOutbound(connection, options)),
    createInboundAbortSignal: (signal) => upgrader.createInboundAbortSignal(signal),
    getConnectionEncrypters: () => upgrader.getConnectionEncrypters(),
    getStreamMuxers: () => upgrader.getStreamMuxers(),
  }
}

/** Without waiting for the other end to say that it closes, too; a page cannot help waiting. */
function cut({ websocket }: WebSocketConnection): void {
  if (websocket?.terminate) websocket.terminate()
  else websocket?.close()
}
