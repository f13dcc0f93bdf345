import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import * as tls from 'node:tls'
import type { ConnectionEncrypter, MessageStream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { concat, u32be, utf8 } from '../../src/bytes.ts'
import { CONNECTION_SILENT_MS } from '../../src/limits.ts'
import type { Peer } from '../../src/net/peer.ts'
import { rawTls, type TlsComponents } from '../../src/net/tls/raw-tls.ts'
import { TlsMessageStream } from '../../src/net/tls/tls-stream.ts'
import { address, echo, LOCAL, ourPeer, portOf, soon, stockAddress, stockPeer, stopAll } from './_stock.ts'

const PROTOCOL = '/test/echo/1'

afterEach(stopAll)

async function echoServer(): Promise<Peer> {
  const server = await ourPeer(1)
  await server.handle(PROTOCOL, echo, { maxInboundStreams: 4 })
  return server
}

async function expectServing(server: Peer): Promise<void> {
  const client = await ourPeer(9, { listen: [] })
  const stream = await client.open(address(server), PROTOCOL, soon())
  await stream.write(Uint8Array.of(1, 2, 3))
  expect(await stream.read(3, 5000)).toEqual(Uint8Array.of(1, 2, 3))
  await client.stop()
}

/** One multistream-select message. */
const line = (text: string) => concat(Uint8Array.of(text.length + 1), utf8(`${text}\n`))

/** A TCP connection to `server` whose next byte belongs to TLS. */
async function upToTls(server: Peer): Promise<Socket> {
  const socket = connect(portOf(server), '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(concat(line('/multistream/1.0.0'), line('/tls/1.0.0')))
  let answer = 0
  while (answer < 32) answer += ((await once(socket, 'data')) as [Buffer])[0].length
  return socket
}

/** The same connection for one that looks for its socket. */
function withoutSocket(connection: MessageStream): MessageStream {
  return new Proxy(connection, {
    get(target, name) {
      if (name === 'socket') return undefined
      const value = Reflect.get(target, name, target)
      return typeof value === 'function' && name !== 'log' ? value.bind(target) : value
    },
    set: (target, name, value) => Reflect.set(target, name, value, target),
  })
}

async function closed(socket: Socket): Promise<void> {
  if (!socket.destroyed) await once(socket.resume(), 'close')
}

describe('TLS on the raw socket speaks with', () => {
  test('itself, choosing the muxer during the handshake', async () => {
    const server = await echoServer()
    await expectServing(server)
  })

  test.each([
    ['runs on the socket itself', false],
    ['leaves connections without a socket to the library', true],
  ])('%s', async (_, hidesSocket) => {
    const results: MessageStream[] = []
    const watched = (components: TlsComponents): ConnectionEncrypter => {
      const inner = rawTls()(components)
      return {
        protocol: inner.protocol,
        secureOutbound: (connection, options) => inner.secureOutbound(connection, options),
        async secureInbound(connection, options) {
          const secured = await inner.secureInbound(
            hidesSocket ? withoutSocket(connection) : connection,
            options,
          )
          results.push(secured.connection)
          return secured
        },
      }
    }
    const node = await createLibp2p({
      addresses: { listen: LOCAL },
      transports: [tcp()],
      connectionEncrypters: [watched],
      streamMuxers: [yamux()],
    })
    await node.handle(PROTOCOL, (stream) => {
      stream.addEventListener('message', ({ data }) => stream.send(data))
    })
    const client = await ourPeer(2, { listen: [] })
    const stream = await client.open(stockAddress(node), PROTOCOL, soon())
    await stream.write(Uint8Array.of(5))
    expect(await stream.read(1, 5000)).toEqual(Uint8Array.of(5))
    expect(results.map((result) => result instanceof TlsMessageStream)).toEqual([!hidesSocket])
    await node.stop()
  })

  test('the library dialling us', async () => {
    const server = await echoServer()
    const stock = await stockPeer('tls')
    const stream = await stock.dialProtocol(multiaddr(server.addresses()[0]), PROTOCOL)
    const body = new Uint8Array(300_000).map((_, at) => at * 7)
    stream.send(concat(u32be(body.length), body))
    const got: Uint8Array[] = []
    let length = 0
    for await (const chunk of stream) {
      got.push(chunk.subarray())
      length += chunk.byteLength
      if (length >= body.length + 4) break
    }
    expect(concat(...got).subarray(4)).toEqual(body)
    expect(stock.getConnections()[0]!.encryption).toBe('/tls/1.0.0')
    expect(stock.getConnections()[0]!.remotePeer.toString()).toBe(server.nodeId)
  })

  test.each(['tls', 'noise'] as const)('the library serving us %s', async (encrypter) => {
    const stock = await stockPeer(encrypter)
    await stock.handle(PROTOCOL, (stream) => {
      stream.addEventListener('message', ({ data }) => stream.send(data))
    })
    const client = await ourPeer(2, { listen: [] })
    const stream = await client.open(stockAddress(stock), PROTOCOL, soon())
    const body = new Uint8Array(200_000).map((_, at) => at * 13)
    await stream.write(body)
    expect(await stream.read(body.length, 5000)).toEqual(body)
    expect(stock.getConnections()[0]!.encryption).toBe(encrypter === 'tls' ? '/tls/1.0.0' : '/noise')
    expect(stock.getConnections()[0]!.remotePeer.toString()).toBe(client.nodeId)
  })

  test('the library dialling us by noise', async () => {
    const server = await echoServer()
    const stock = await stockPeer('noise')
    const connection = await stock.dial(multiaddr(server.addresses()[0]))
    expect(connection.encryption).toBe('/noise')
    expect(connection.remotePeer.toString()).toBe(server.nodeId)
  })
})

describe('TLS on the raw socket refuses', () => {
  test('another node than the one that was called', async () => {
    const server = await echoServer()
    const other = await ourPeer(3)
    const client = await ourPeer(2, { listen: [] })
    const wrong = { nodeId: other.nodeId, addresses: server.addresses() }
    await expect(client.open(wrong, PROTOCOL, soon())).rejects.toMatchObject({ code: 'OFFLINE' })
    await expectServing(server)
  })

  test('garbage instead of a handshake', async () => {
    const server = await echoServer()
    const socket = await upToTls(server)
    socket.write(new Uint8Array(5000).fill(0x41))
    await closed(socket)
    await expectServing(server)
  })

  test('a connection cut in the middle of the handshake', async () => {
    const server = await echoServer()
    for (let round = 0; round < 3; round++) {
      const socket = await upToTls(server)
      // The start of a ClientHello that promises more than it brings.
      socket.write(Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3))
      if (round === 1) socket.resetAndDestroy()
      else socket.destroy()
    }
    await expectServing(server)
  })

  test('a remote that shows no certificate', async () => {
    const server = await echoServer()
    const socket = await upToTls(server)
    const secure = tls.connect({ socket, rejectUnauthorized: false, ALPNProtocols: ['libp2p'] })
    secure.on('error', () => undefined)
    await closed(secure)
    await expectServing(server)
  })

  test('a remote that goes silent in the handshake, without holding up others', async () => {
    const server = await echoServer()
    const socket = await upToTls(server)
    await expectServing(server)
    socket.destroy()
  })

  test('connections cut at any moment of a transfer, in either direction', async () => {
    const server = await echoServer()
    const client = await ourPeer(2, { listen: [] })
    for (let round = 0; round < 6; round++) {
      const stream = await client.open(address(server), PROTOCOL, soon())
      const writing = (async () => {
        for (let index = 0; index < 200; index++) await stream.write(new Uint8Array(100_000))
      })()
      const reading = (async () => {
        while (await stream.read(1 << 20, 5000));
      })()
      await new Promise((resolve) => setTimeout(resolve, round * 7))
      stream.abort(new Error('cut'))
      await Promise.allSettled([writing, reading])
      if (round === 3) await client.stop()
      if (round === 3) break
    }
    await expectServing(server)
  })
})

/** A way to `server` that can be stopped: then nothing passes, and nothing is lost. */
async function stoppable(server: Peer): Promise<{ port: number; way: () => Socket }> {
  let way: Socket | null = null
  const proxy = createServer((near) => {
    const far = connect(portOf(server), '127.0.0.1')
    way = near
    near.pipe(far).pipe(near)
    for (const end of [near, far]) end.on('error', () => near.destroy())
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  proxy.unref()
  return { port: (proxy.address() as AddressInfo).port, way: () => way! }
}

describe('what was written is flushed', () => {
  const isFlushed = async (flushed: Promise<void>) => {
    const later = new Promise<'later'>((resolve) => setTimeout(() => resolve('later'), 100))
    return (await Promise.race([flushed, later])) !== 'later'
  }

  test.each(['takes it after all', 'hangs up'])(
    'when a remote that took nothing %s, also if the stream was torn down',
    async (ending) => {
      const server = await echoServer()
      const { port, way } = await stoppable(server)
      const client = await ourPeer(2, { listen: [] })
      const addresses = [`/ip4/127.0.0.1/tcp/${port}`]
      const open = () => client.open({ nodeId: server.nodeId, addresses }, PROTOCOL, soon())
      const streams = await Promise.all([open(), open(), open(), open()])
      expect(await isFlushed(streams[0]!.flushed!())).toBe(true)
      way().pause()
      // More than the buffers of the system take.
      const bytes = new Uint8Array(new SharedArrayBuffer(1 << 20))
      const writing = streams.flatMap((stream) => [1, 2, 3, 4].map(() => stream.write(bytes)))
      for (const write of writing) write.catch(() => {})
      await new Promise((resolve) => setTimeout(resolve, 200))
      for (const stream of streams) stream.abort(new Error('left behind'))
      const flushed = streams[3]!.flushed!()
      expect(await isFlushed(flushed)).toBe(false)
      if (ending === 'hangs up') way().destroy()
      else way().resume()
      await flushed
    },
  )
})

describe('a connection', () => {
  test('that says nothing for too long is ended, one that speaks is not', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    try {
      const server = await echoServer()
      const client = await ourPeer(2, { listen: [] })
      const stream = await client.open(address(server), PROTOCOL, soon())
      for (let round = 0; round < 3; round++) {
        await stream.write(Uint8Array.of(round))
        expect(await stream.read(1, 5000)).toEqual(Uint8Array.of(round))
        vi.advanceTimersByTime(CONNECTION_SILENT_MS)
      }
      const pending = expect(stream.read(1, 5000)).rejects.toMatchObject({ code: 'OFFLINE' })
      vi.advanceTimersByTime(CONNECTION_SILENT_MS)
      await pending
    } finally {
      vi.useRealTimers()
    }
  })
})
