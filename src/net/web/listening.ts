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
import type { Admission } from '../admission.ts'
import type { LinkOptions } from '../peer-options.ts'
import { mayUpgrade } from './_origin.ts'
import { type WebSocketComponents, webSocketTransport } from './web-socket.ts'

/** The library's listener, as far as we look into it. */
interface WebSocketListener extends Listener {
  server?: Server
  wsServer?: EventEmitter & {
    options: { maxPayload?: number; autoPong?: boolean }
    handleUpgrade(request: IncomingMessage, socket: Socket, head: Uint8Array, done: Upgraded): void
  }
}

/** Takes over a WebSocket that came to be. */
type Upgraded = (
  socket: EventEmitter & { bufferedAmount: number; pong(data: Uint8Array): void },
  request: IncomingMessage,
) => void

/**
 * Takes connections of browsers, and dials nobody: between nodes TCP is faster. What a stranger may send before it has proven
 * who it is has caps and deadlines, which the library's listener has not. Spec: docs/spec/transport.md section 7.
 */
export function webSocketListening(
  { certificate, webNames = [] }: LinkOptions,
  admission: Admission,
): (components: WebSocketComponents) => Transport {
  const http = { maxHeaderSize: WEB_SOCKET_HEAD_BYTES_MAX }
  const https = { ...http, ...certificate, minVersion: 'TLSv1.2' as const }
  return (components) => {
    const transport = webSocketTransport({ http, https }, components)
    const createListener = transport.createListener.bind(transport)
    transport.createListener = (init) => bounded(createListener(init), admission, webNames)
    transport.dialFilter = () => []
    return transport
  }
}

function bounded(listener: WebSocketListener, admission: Admission, webNames: readonly string[]): Listener {
  const { server, wsServer } = listener
  assert(server !== undefined && wsServer !== undefined, 'the library listens as it did')
  Object.assign(wsServer.options, { maxPayload: WEB_SOCKET_MESSAGE_BYTES_MAX, autoPong: false })
  const handleUpgrade = wsServer.handleUpgrade.bind(wsServer)
  wsServer.handleUpgrade = (request, socket, head, done) => {
    if (!mayUpgrade(request, webNames)) return refuse(socket)
    handleUpgrade(request, socket, head, (web, from) => {
      // Who does not take its pongs gets no more.
      web.on('ping', (data: Uint8Array) => web.bufferedAmount === 0 && web.pong(data))
      done(web, from)
    })
  }
  /** What ends the wait for each connection that is no WebSocket yet. */
  const unmet = new Map<string, () => void>()
  server.on('connection', (socket) => {
    const name = endOf(socket)
    const end = () => socket.destroy()
    const deadline = setTimeout(end, WEB_SOCKET_UPGRADE_MS)
    unmet.set(name, () => {
      clearTimeout(deadline)
      admission.leave(socket)
      unmet.delete(name)
    })
    socket.once('close', () => unmet.get(name)?.())
    if (!admission.arrive(socket, socket.remoteAddress ?? '', end)) end()
  })
  // It is a WebSocket now. With TLS this is another object than the socket above, with the same end.
  wsServer.on('headers', (_, { socket }: IncomingMessage) => unmet.get(endOf(socket))?.())
  return listener
}

function refuse(socket: Socket): void {
  socket.end('HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
}

function endOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}
