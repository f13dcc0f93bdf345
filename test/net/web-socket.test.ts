import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { afterEach, describe, expect, test } from 'vitest'
import { concat, u32be, utf8 } from '../../src/bytes.ts'
import type { NodeId } from '../../src/ids.ts'
import {
  ARRIVALS,
  FRAME_BYTES_MAX,
  WEB_SOCKET_MESSAGE_BYTES_MAX,
  WEB_SOCKET_UPGRADE_MS,
} from '../../src/limits.ts'
import { Admission } from '../../src/net/admission.ts'
import { frameStream } from '../../src/net/frames/frame-stream.ts'
import { links } from '../../src/net/links.browser.ts'
import type { Peer } from '../../src/net/peer.ts'
import type { WebCertificate } from '../../src/net/peer-options.ts'
import { freshTlsIdentity } from '../../src/net/tls/raw-tls.ts'
import type { FrameStream } from '../../src/ports.ts'
import { seededBytes } from '../storage-node/made-object.ts'
import { address, ourPeer, soon, stopAll } from './_stock.ts'

const PROTOCOL = '/test/echo/1'
const WEB = '/ip4/127.0.0.1/tcp/0/ws'
const SECURE = '/ip4/127.0.0.1/tcp/0/tls/ws'
const pages: Libp2p[] = []

afterEach(async () => {
  delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
  await Promise.all(pages.splice(0).map((page) => page.stop()))
  await stopAll()
})

async function echoAny(stream: FrameStream): Promise<void> {
  for (;;) {
    const frame = await stream.read(FRAME_BYTES_MAX, 20_000)
    if (frame === null) return
    await stream.write(frame)
  }
}

async function echoServer(listen: string[], certificate?: WebCertificate): Promise<Peer> {
  const server = await ourPeer(1, { listen, certificate })
  await server.handle(PROTOCOL, echoAny, { maxInboundStreams: 4 })
  return server
}

/** What a page has, in this process: its links, and the library's muxer. */
async function pageLike(): Promise<Libp2p> {
  const admission = new Admission(
    () => 'stranger',
    () => performance.now(),
  )
  const page = await createLibp2p({ ...(await links({ listen: [] }, admission)), streamMuxers: [yamux()] })
  pages.push(page)
  return page
}

const webAddress = (server: Peer) => server.addresses().find((one) => one.endsWith('/ws'))!
const webPort = (server: Peer) => Number(/\/tcp\/(\d+)/.exec(webAddress(server))![1])

async function streamOf(page: Libp2p, server: Peer) {
  const target = multiaddr(`${webAddress(server)}/p2p/${server.nodeId}`)
  return frameStream(
    await page.dialProtocol(target, PROTOCOL, { signal: soon() }),
    page.peerId.toString() as NodeId,
  )
}

async function rawSocket(server: Peer): Promise<Socket> {
  const socket = connect(webPort(server), '127.0.0.1')
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

const UPGRADE = [
  'GET / HTTP/1.1',
  'Host: localhost',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
  '\r\n',
].join('\r\n')

/** A socket that is a WebSocket already and then sends raw frames. */
async function upgraded(server: Peer): Promise<Socket> {
  const socket = await rawSocket(server)
  socket.write(UPGRADE)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  expect(answer.toString('latin1')).toMatch(/^HTTP\/1.1 101/)
  return socket
}

/** Head of a binary message of a client, masked with zeros. */
function headOf(length: number): Buffer {
  const head = Buffer.alloc(14)
  head[0] = 0x82
  head[1] = 0x80 | 127
  head.writeBigUInt64BE(BigInt(length), 2)
  return head
}

async function endOf(socket: Socket, withinMs: number): Promise<void> {
  socket.resume()
  await once(socket, 'close', { signal: AbortSignal.timeout(withinMs) })
}

describe('what browsers need', () => {
  test('frames of every size come back over a WebSocket, from a peer whose identity was proven', async () => {
    const server = await echoServer(['/ip4/127.0.0.1/tcp/0', WEB])
    const stream = await streamOf(await pageLike(), server)
    for (const size of [0, 1, 65_535, 65_536, 300_000, FRAME_BYTES_MAX]) {
      const frame = seededBytes(size + 1, size)
      await stream.write(frame)
      expect(Buffer.from((await stream.read(FRAME_BYTES_MAX, 20_000))!).equals(frame), `${size}`).toBe(true)
    }
    await stream.close()
  })

  test('the same peer serves TCP beside it, and another process takes that', async () => {
    const server = await echoServer([WEB, '/ip4/127.0.0.1/tcp/0'])
    expect(server.addresses()).toHaveLength(2)
    const client = await ourPeer(2, { listen: [] })
    const stream = await client.open(address(server), PROTOCOL, soon())
    await stream.write(utf8('over TCP'))
    expect(await stream.read(100, 5000)).toEqual(utf8('over TCP'))
  })

  test('a process does not call a WebSocket', async () => {
    const server = await echoServer([WEB])
    const client = await ourPeer(2, { listen: [WEB] })
    await expect(client.open(address(server), PROTOCOL, soon())).rejects.toMatchObject({ code: 'OFFLINE' })
  })

  test('who answers under another identity than the one called is refused', async () => {
    const server = await echoServer([WEB])
    const other = await ourPeer(5, { listen: [] })
    const page = await pageLike()
    const wrong = multiaddr(`${webAddress(server)}/p2p/${other.nodeId}`)
    await expect(page.dialProtocol(wrong, PROTOCOL, { signal: soon() })).rejects.toThrow()
    expect(page.getConnections()).toHaveLength(0)
    await expect.poll(() => server.connected()).toEqual([])
  })

  test('with a certificate the WebSocket is a secure one', async () => {
    const server = await echoServer([SECURE], await freshTlsIdentity())
    expect(webAddress(server)).toMatch(/\/tls\/ws$/)
    // Whether a browser trusts the certificate is not what is asked here.
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
    const stream = await streamOf(await pageLike(), server)
    await stream.write(utf8('within'))
    expect(await stream.read(100, 5000)).toEqual(utf8('within'))
  })

  test('without trust in the certificate there is no connection', async () => {
    const server = await echoServer([SECURE], await freshTlsIdentity())
    await expect(streamOf(await pageLike(), server)).rejects.toThrow()
  })
})

describe('a stranger', () => {
  test('who asks for a page is told what this is', async () => {
    const server = await echoServer([WEB])
    const response = await fetch(`http://127.0.0.1:${webPort(server)}/`)
    expect(response.status).toBe(400)
    expect(await response.text()).toMatch(/Only WebSocket/)
  })

  test('who sends a message above the cap, a head above the cap, or nonsense is cut off', async () => {
    const server = await echoServer([WEB])
    const large = await upgraded(server)
    // Its length is enough: nobody waits for the rest.
    large.write(headOf(WEB_SOCKET_MESSAGE_BYTES_MAX + 1))
    await endOf(large, 3000)
    const head = await rawSocket(server)
    head.write(`GET / HTTP/1.1\r\nX: ${'x'.repeat(9000)}\r\n\r\n`)
    await endOf(head, 3000)
    const nonsense = await upgraded(server)
    nonsense.write(Buffer.concat([headOf(1000), Buffer.alloc(1000, 7)]))
    await endOf(nonsense, 3000)
    const unmasked = await upgraded(server)
    unmasked.write(Uint8Array.of(0x82, 1, 7))
    await endOf(unmasked, 3000)
    const stream = await streamOf(await pageLike(), server)
    await stream.write(u32be(7))
    expect(await stream.read(4, 5000)).toEqual(u32be(7))
  })

  test('who said nothing for longest makes room for who comes when all places are taken', async () => {
    const arrivals = { ...ARRIVALS, total: 2 }
    const server = await ourPeer(1, { listen: [WEB], budgets: { arrivals } })
    const first = await rawSocket(server)
    const second = await rawSocket(server)
    const third = await rawSocket(server)
    await endOf(first, 3000)
    expect([second.destroyed, third.destroyed]).toEqual([false, false])
    second.destroy()
    third.destroy()
  })

  test('whose handshake fails holds no socket open', async () => {
    const server = await echoServer([WEB])
    const socket = await upgraded(server)
    const line = (text: string) => concat(Uint8Array.of(text.length + 1), utf8(`${text}\n`))
    const lines = concat(line('/multistream/1.0.0'), line('/noise'))
    const small = Buffer.concat([Buffer.from([0x82, 0x80 | lines.length, 0, 0, 0, 0]), lines])
    socket.write(small)
    // A noise message begins with a key of 32 bytes.
    socket.write(Buffer.from([0x82, 0x80 | 7, 0, 0, 0, 0, 0, 5, 1, 2, 3, 4, 5]))
    await endOf(socket, 5000)
  })

  test('who says nothing, or too little too slowly, is let go of', { timeout: 40_000 }, async () => {
    const server = await echoServer([WEB])
    const silent = await rawSocket(server)
    const slow = await rawSocket(server)
    slow.write('GET / HTTP/1.1\r\n')
    const dripping = setInterval(() => slow.write('X: y\r\n'), 1000)
    const quiet = await upgraded(server)
    try {
      await Promise.all([silent, slow, quiet].map((socket) => endOf(socket, WEB_SOCKET_UPGRADE_MS * 3)))
    } finally {
      clearInterval(dripping)
    }
  })
})
