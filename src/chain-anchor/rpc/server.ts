import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { XcareError } from '../../errors.ts'
import { RPC_BODY_BYTES_MAX, RPC_DEADLINE_MS } from '../../limits.ts'
import type { Engine } from '../engine/engine.ts'
import { Callers, isLoopback } from './callers.ts'
import { answerBody, answerGet, type Caller, type Methods } from './json-rpc.ts'
import { rpcMethods } from './methods.ts'

const LOOPBACK_HOSTS = ['localhost', '127.0.0.1', '[::1]']

/** Where and for whom to serve. */
export interface RpcOptions {
  engine: Engine
  /** 0 takes a free port. */
  port: number
  /** Address to listen on; loopback unless told otherwise. */
  address?: string
  /** Names under which callers may address this server, besides loopback's. */
  hosts?: readonly string[]
  /** Web origins whose pages may call. */
  origins?: readonly string[]
}

/** A serving RPC. */
export interface RpcServer {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string
  readonly port: number
  /** Stops listening and cuts what is open. */
  close(): Promise<void>
}

/** Starts to serve. @throws XcareError PORT_IN_USE */
export async function startRpc(options: RpcOptions): Promise<RpcServer> {
  const address = options.address ?? '127.0.0.1'
  let url = ''
  const methods = rpcMethods(options.engine, () => url.replace('http:', 'tcp:'))
  const server = createServer({
    requestTimeout: RPC_DEADLINE_MS,
    headersTimeout: RPC_DEADLINE_MS,
    keepAliveTimeout: 60_000,
  })
  const callers = new Callers(server, () => performance.now())
  const guard = {
    hosts: new Set([...LOOPBACK_HOSTS, ...(options.hosts ?? [])]),
    origins: new Set(options.origins ?? []),
  }
  server.on('request', (request, response) => {
    serve(methods, guard, callers, request, response).catch(() => response.destroy())
  })
  const { port } = await listen(server, address, options.port)
  url = `http://${address.includes(':') ? `[${address}]` : address}:${port}`
  return { url, port, close: () => close(server) }
}

interface Guard {
  hosts: ReadonlySet<string>
  origins: ReadonlySet<string>
}

async function serve(
  methods: Methods,
  guard: Guard,
  callers: Callers,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const refusal = refusalOf(guard, request)
  if (refusal) return send(response, 403, JSON.stringify({ error: refusal }))
  const { origin } = request.headers
  if (origin !== undefined) {
    response.setHeader('access-control-allow-origin', origin)
    response.setHeader('vary', 'origin')
  }
  const deadline = new AbortController()
  const timer = setTimeout(() => deadline.abort(), RPC_DEADLINE_MS)
  response.on('close', () => {
    clearTimeout(timer)
    deadline.abort()
  })
  await route(methods, callers, request, response, { sender: senderOf(request), signal: deadline.signal })
}

// A page on the web must not reach this server by giving its own name our address.
function refusalOf({ hosts, origins }: Guard, { headers }: IncomingMessage): string | null {
  const host = (headers.host ?? '').toLowerCase().replace(/:\d+$/, '')
  if (!hosts.has(host)) return 'this server is not known by that name'
  const { origin } = headers
  if (origin !== undefined) return origins.has(origin) ? null : 'pages of that origin may not call'
  // An image or a form of a page comes without an origin; its browser says where it is from all the same.
  const site = headers['sec-fetch-site']
  return site === undefined || site === 'none' || site === 'same-origin' ? null : 'other pages may not call'
}

/** Where an address tells nobody apart, a connection does. */
function senderOf({ socket }: IncomingMessage): string {
  const address = socket.remoteAddress ?? ''
  return isLoopback(address) ? `rpc ${address} ${socket.remotePort}` : `rpc ${address}`
}

async function route(
  methods: Methods,
  callers: Callers,
  request: IncomingMessage,
  response: ServerResponse,
  caller: Caller,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://rpc.invalid')
  if (request.method === 'OPTIONS') {
    response.setHeader('access-control-allow-headers', 'content-type')
    return send(response, 204, null)
  }
  if (request.method === 'GET') {
    return callers.during(request.socket, async () => {
      const { status, text } = await answerGet(methods, url.pathname.slice(1), url.searchParams, caller)
      send(response, status, text)
    })
  }
  if (request.method !== 'POST')
    return send(response, 405, JSON.stringify({ error: 'only GET and POST are served' }))
  const body = await readBody(request)
  if (body === null)
    return send(response, 413, JSON.stringify({ error: `a request has at most ${RPC_BODY_BYTES_MAX} bytes` }))
  await callers.during(request.socket, async () => {
    const { status, text } = await answerBody(methods, body, caller)
    send(response, text === null ? 204 : status, text)
  })
}

async function readBody(request: IncomingMessage): Promise<Uint8Array | null> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of request as AsyncIterable<Uint8Array>) {
    length += part.length
    if (length > RPC_BODY_BYTES_MAX) return null
    parts.push(part)
  }
  return Buffer.concat(parts)
}

function send(response: ServerResponse, status: number, text: string | null): void {
  response.statusCode = status
  if (status === 413) response.setHeader('connection', 'close')
  if (text === null) response.end()
  else response.setHeader('content-type', 'application/json').end(text)
}

function listen(server: Server, address: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'EADDRINUSE') return reject(cause)
      reject(
        new XcareError('PORT_IN_USE', `port ${port} is taken by another program`, {
          cause,
          next: 'stop the program that uses it, then run the command again',
        }),
      )
    })
    server.listen(port, address, () => resolve(server.address() as AddressInfo))
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
