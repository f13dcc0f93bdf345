import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { FaultProxy } from '../../../src/cli/bench/proxy/fault-proxy.ts'
import { type NetworkProfile, networkProfileNamed } from '../../../src/cli/bench/proxy/profiles.ts'
import { ProxyProcess } from '../../../src/cli/bench/proxy/proxy-process.ts'
import { Line, Shaper } from '../../../src/cli/bench/proxy/shaper.ts'
import { endpointOf, proxiedPeer } from '../../../src/cli/bench/proxy/through-proxy.ts'
import type { NodeId } from '../../../src/ids.ts'

const PLAIN = networkProfileNamed('loopback')
const closers: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** A server that sends back what it gets, and ends when the other side does. */
async function echo(): Promise<number> {
  return listening(
    createServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => {}).pipe(socket)),
  )
}

async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => sockets.add(socket.on('error', () => {})))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as { port: number }).port
}

async function proxied(profile: Partial<NetworkProfile>, port: number, seed = 1) {
  const proxy = new FaultProxy({ ...PLAIN, ...profile }, seed)
  closers.push(() => proxy.close())
  return { proxy, ...(await proxy.open('127.0.0.1', port)) }
}

/** Sends `bytes`, ends, and returns all that comes back. */
async function roundTrip(port: number, bytes: Buffer): Promise<Buffer> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  const parts: Buffer[] = []
  const ended = new Promise<void>((resolve, reject) => {
    socket
      .on('data', (part) => parts.push(part))
      .on('end', resolve)
      .on('error', reject)
  })
  socket.end(bytes)
  await ended
  return Buffer.concat(parts)
}

function numbered(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE(at, at)
  return bytes
}

describe('a proxy without faults', () => {
  test('carries every byte in order both ways, and counts them', async () => {
    const { proxy, port } = await proxied({}, await echo())
    const bytes = numbered(3_000_000)
    expect((await roundTrip(port, bytes)).equals(bytes)).toBe(true)
    expect(proxy.counters()).toEqual([
      { connections: 1, upBytes: bytes.length, downBytes: bytes.length, stalls: 0, cuts: 0 },
    ])
  })

  test('passes the end on while the other direction still sends', async () => {
    const late = createServer({ allowHalfOpen: true }, (socket) => {
      socket.resume().on('end', () => socket.end('said after the end'))
    })
    const { port } = await proxied({}, await listening(late))
    expect(String(await roundTrip(port, Buffer.from('all I have')))).toBe('said after the end')
  })

  test('refuses nothing silently: a target that is not there resets the connection', async () => {
    const { port } = await proxied({}, 1)
    await expect(roundTrip(port, Buffer.from('anyone?'))).rejects.toThrow()
  })
})

describe('delay, jitter and losses', () => {
  test('keep the order and lose nothing', async () => {
    const { proxy, port } = await proxied({ delayMs: 2, jitterMs: 4, loss: 0.05, stallMs: 3 }, await echo())
    const bytes = numbered(400_000)
    expect((await roundTrip(port, bytes)).equals(bytes)).toBe(true)
    expect(proxy.counters()[0]!.stalls).toBeGreaterThan(0)
  })

  test('an answer takes at least the delay of both ways', async () => {
    const { port } = await proxied({ delayMs: 25 }, await echo())
    const start = performance.now()
    await roundTrip(port, Buffer.from('ping'))
    // Timers may fire a little early, never by a whole way.
    expect(performance.now() - start).toBeGreaterThan(48)
  })

  test('the same seed makes the same stalls', () => {
    const profile = { ...PLAIN, loss: 0.02, stallMs: 10, jitterMs: 5, delayMs: 1 }
    const arrivals = (seed: number) => {
      let state = seed
      const random = () => {
        state = (state * 16807) % 2147483647
        return state / 2147483647
      }
      const shaper = new Shaper(profile, new Line(null), random)
      return Array.from({ length: 100 }, (_, at) => shaper.arrival(1460, at))
    }
    expect(arrivals(5)).toEqual(arrivals(5))
    expect(arrivals(5)).not.toEqual(arrivals(6))
    const times = arrivals(7)
    expect(times).toEqual([...times].sort((a, b) => a - b))
  })
})

describe('the line', () => {
  test('lets bytes leave one after the other at its rate, and idles without saving up', () => {
    const line = new Line(8)
    expect(line.depart(1000, 0)).toBe(1)
    expect(line.depart(1000, 0)).toBe(2)
    expect(line.depart(1000, 10)).toBe(11)
    expect(new Line(null).depart(1e9, 5)).toBe(5)
  })

  test('is shared by all connections of a proxy', async () => {
    const { port } = await proxied({ upMbit: 80 }, await echo())
    const start = performance.now()
    await Promise.all([0, 1, 2, 3].map(() => roundTrip(port, numbered(100_000))))
    // 400,000 bytes at 10,000 bytes a ms; what was in flight at the begin may come a little early.
    expect(performance.now() - start).toBeGreaterThan(38)
  })

  test('a full way slows the sender down instead of filling memory', async () => {
    let taken = 0
    const sink = createServer((socket) => socket.on('data', (part) => (taken += part.length)))
    const { proxy, port } = await proxied({ upMbit: 8, delayMs: 1 }, await listening(sink))
    const socket = connect({ port, host: '127.0.0.1' }).on('error', () => {})
    closers.push(() => socket.destroy())
    socket.write(Buffer.alloc(32 * 1024 * 1024))
    while (taken === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    // A queue of 51 ms at 1,000 bytes a ms, at least 64 KiB, and one read beyond.
    expect(proxy.counters()[0]!.upBytes - taken).toBeLessThan(256 * 1024)
  })
})

describe('a cut', () => {
  test('resets connections after so many bytes, refuses new ones, and is mended', async () => {
    const { proxy, port, route } = await proxied({}, await echo())
    await roundTrip(port, numbered(1000))
    proxy.cut(route, 50_000)
    await expect(roundTrip(port, numbered(5_000_000))).rejects.toThrow()
    await expect(roundTrip(port, numbered(1000))).rejects.toThrow()
    expect(proxy.counters()[route]!.cuts).toBe(1)
    proxy.mend(route)
    expect((await roundTrip(port, numbered(1000))).length).toBe(1000)
  })

  test('leaves other routes alone', async () => {
    const proxy = new FaultProxy(PLAIN, 1)
    closers.push(() => proxy.close())
    const target = await echo()
    const [a, b] = [await proxy.open('127.0.0.1', target), await proxy.open('127.0.0.1', target)]
    proxy.cut(a.route, 0)
    await expect(roundTrip(a.port, numbered(1000))).rejects.toThrow()
    expect((await roundTrip(b.port, numbered(1000))).length).toBe(1000)
  })
})

describe('a proxy in a process of its own', () => {
  test('carries, counts, cuts and mends as asked, one route for each target', async () => {
    const proxy = await ProxyProcess.start(networkProfileNamed('lan'), 1)
    closers.push(() => proxy.stop())
    const target = await echo()
    const { route, port } = await proxy.route('127.0.0.1', target)
    expect(await proxy.route('127.0.0.1', target)).toEqual({ route, port })
    expect((await roundTrip(port, numbered(100_000))).length).toBe(100_000)
    expect(await proxy.total()).toMatchObject({ connections: 1, upBytes: 100_000, downBytes: 100_000 })
    await proxy.cut(route, 0)
    await expect(roundTrip(port, numbered(100))).rejects.toThrow()
    await proxy.mend(route)
    expect((await roundTrip(port, numbered(100))).length).toBe(100)
    await proxy.stop()
    expect(() => process.kill(proxy.pid, 0)).toThrow()
  })

  test('stands in for every address of a peer, whose name stays', async () => {
    const proxy = await ProxyProcess.start(PLAIN, 1)
    closers.push(() => proxy.stop())
    const target = await echo()
    const nodeId = 'any' as NodeId
    const peer = await proxiedPeer({ nodeId, addresses: [`/ip4/127.0.0.1/tcp/${target}`] }, proxy)
    expect(peer.nodeId).toBe(nodeId)
    const { ip, port } = endpointOf(peer.addresses[0]!)
    expect(ip).toBe('127.0.0.1')
    expect(port).not.toBe(target)
    expect((await roundTrip(port, numbered(100))).length).toBe(100)
  })

  test('an address no proxy can stand before is an error, not a way around', () => {
    expect(() => endpointOf('/ip6/::1/tcp/4001')).toThrow(/no proxy/)
    expect(() => endpointOf('/dns4/example/tcp/4001')).toThrow(/no proxy/)
  })
})
