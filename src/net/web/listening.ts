import type { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Server, Socket } from 'node:net'
import type { Listener, Transport } from '@libp2p/interface'
import { assert } from '../../assert.ts'
import {
  WEB_SOCKET_HEAD_BYTES_MAX,
  WEB_SOCKET_MESSAGE_BYTES_MAX,
  WEB_SOCKET_UPGRADE_MS,
} from '../../limits.ts'
import type { LinkOptions } from '../peer-options.ts'
import { type WebSocketComponents, webSocketTransport } from './web-socket.ts'

/** The library's listener, as far as we look into it. */
interface WebSocketListener extends Listener {
  server?: Server
  wsServer?: EventEmitter & { options: { maxPayload?: number } }
}

/**
 * Takes connections of browsers, and dials nobody: between nodes TCP is faster. What a stranger may send before it has proven
 * who it is has caps and deadlines, which the library's listener has not. Spec: docs/spec/transport.md section 7.
 */
export function webSocketListening({
  certificate,
  limits,
}: LinkOptions): (components: WebSocketComponents) => Transport {
  const http = { maxHeaderSize: WEB_SOCKET_HEAD_BYTES_MAX }
  const https = { ...http, ...certificate, minVersion: 'TLSv1.2' as const }
  return (components) => {
    const transport = webSocketTransport({ http, https }, components)
    const createListener = transport.createListener.bind(transport)
    transport.createListener = (init) => bounded(createListener(init), limits.connections)
    transport.dialFilter = () => []
    return transport
  }
}

function bounded(listener: WebSocketListener, connections: number): Listener {
  const { server, wsServer } = listener
  assert(server !== undefined && wsServer !== undefined, 'the library listens as it did')
  wsServer.options.maxPayload = WEB_SOCKET_MESSAGE_BYTES_MAX
  server.maxConnections = connections
  const deadlines = new Map<string, NodeJS.Timeout>()
  const meet = (name: string) => {
    clearTimeout(deadlines.get(name))
    deadlines.delete(name)
  }
  server.on('connection', (socket) => {
    const name = endOf(socket)
    deadlines.set(
      name,
      setTimeout(() => socket.destroy(), WEB_SOCKET_UPGRADE_MS),
    )
    socket.once('close', () => meet(name))
  })
  // It is a WebSocket now. With TLS this is another object than the socket above, with the same end.
  wsServer.on('headers', (_, { socket }: IncomingMessage) => meet(endOf(socket)))
  return listener
}

function endOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}
