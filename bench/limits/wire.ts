import type { ChildProcess } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import type { NodeId } from '../../src/ids.ts'
import { startPeer } from '../../src/net/peer.ts'
import type { PeerAddress } from '../../src/ports.ts'
import { selfSigned } from '../harness/certificate.ts'
import type { LimitRun } from './limits.ts'

const PROTOCOL = '/bench/wire/1'
/** Where all of it runs. */
export const LOOPBACK = '127.0.0.1'
const WRITE_BYTES = 256 * 1024
const CHECKED_BYTES = 16 << 20
const IDLE_MS = 20_000
const WARM_UP_BYTES = 32 << 20

/** Where the receiver listens, and what it takes to reach it. */
interface Place {
  port?: number
  certificate?: string
  peer?: PeerAddress
}

/** What came over one connection. */
interface Arrived {
  bytes: number
  /** SHA-256 of the first CHECKED_BYTES, hex. */
  digest: string
}

/** One way to move bytes from one process to another. */
export interface Wire {
  /** Receives over and over: tells its parent where, and what came each time. Never returns. */
  receive(): Promise<void>
  /** Sends so many times `block`, and ends the connection. */
  send(place: Place, block: Uint8Array, times: number): Promise<void>
}

/** @returns the wire called `name`: `tcp`, `tls` or `xcare`. @throws RangeError on any other. */
export function wireNamed(name: string): Wire {
  const wire = WIRES[name]
  if (!wire) throw new RangeError(`no wire is called ${name}`)
  return wire
}

/** Once to warm up and check, once for the clock, which stops when the receiver says that it has all. */
export async function measureWire(
  wire: Wire,
  receiver: ChildProcess,
  bytes: number,
  cpu: () => number,
): Promise<LimitRun> {
  const [place] = (await once(receiver, 'message')) as [Place]
  const block = randomBytes(WRITE_BYTES)
  const pass = async (amount: number) => {
    const arrived = once(receiver, 'message') as Promise<[Arrived]>
    await wire.send(place, block, amount / WRITE_BYTES)
    return (await arrived)[0]
  }
  const checked = await pass(WARM_UP_BYTES)
  const before = cpu()
  const start = performance.now()
  const counted = await pass(bytes)
  const seconds = (performance.now() - start) / 1000
  const isWhole = (arrived: Arrived, amount: number) =>
    arrived.bytes === amount && arrived.digest === digestOf(block, Math.min(amount, CHECKED_BYTES))
  const verified = isWhole(checked, WARM_UP_BYTES) && isWhole(counted, bytes)
  return { bytes, seconds, cpuSeconds: cpu() - before, verified }
}

function digestOf(block: Uint8Array, bytes: number): string {
  const hash = createHash('sha256')
  for (let at = 0; at < bytes; at += block.length) hash.update(block.subarray(0, bytes - at))
  return hash.digest('hex')
}

const WIRES: Record<string, Wire> = {
  tcp: {
    receive: async () => listen(net.createServer(take), {}),
    send: async ({ port }, block, times) => pour(net.connect(port!, LOOPBACK), block, times),
  },
  tls: {
    receive: async () => {
      const { key, certificate } = selfSigned()
      const options = { key, cert: certificate, minVersion: 'TLSv1.3' } as const
      await listen(tls.createServer(options, take), { certificate })
    },
    send: async ({ port, certificate }, block, times) =>
      pour(
        tls.connect({ port, host: LOOPBACK, ca: certificate, checkServerIdentity: () => undefined }),
        block,
        times,
      ),
  },
  xcare: { receive: receiveFrames, send: sendFrames },
}

async function listen(server: net.Server, place: Place): Promise<void> {
  server.listen(0, LOOPBACK)
  await once(server, 'listening')
  process.send?.({ ...place, port: (server.address() as net.AddressInfo).port })
  await once(server, 'close')
}

function take(socket: net.Socket): void {
  const tally = startTally()
  socket.on('data', tally.add)
  socket.on('end', () => {
    process.send?.(tally.arrived())
    socket.end()
  })
}

async function pour(socket: net.Socket, block: Uint8Array, times: number): Promise<void> {
  for (let at = 0; at < times; at++) if (!socket.write(block)) await once(socket, 'drain')
  socket.end()
}

async function receiveFrames(): Promise<void> {
  const peer = await startPeer({ seed: randomBytes(32), listen: [`/ip4/${LOOPBACK}/tcp/0`] })
  await peer.handle(
    PROTOCOL,
    async (stream) => {
      const tally = startTally()
      for (;;) {
        const frame = await stream.read(WRITE_BYTES, IDLE_MS)
        if (frame === null) break
        tally.add(frame)
      }
      process.send?.(tally.arrived())
    },
    { maxInboundStreams: 4 },
  )
  process.send?.({ peer: { nodeId: peer.nodeId, addresses: peer.addresses() } })
  await once(process, 'disconnect')
}

let ownPeer: ReturnType<typeof startPeer> | null = null

async function sendFrames({ peer }: Place, block: Uint8Array, times: number): Promise<void> {
  ownPeer ??= startPeer({ seed: randomBytes(32), listen: [] })
  const address = { ...peer!, nodeId: peer!.nodeId as NodeId }
  const stream = await (await ownPeer).open(address, PROTOCOL, AbortSignal.timeout(IDLE_MS))
  for (let at = 0; at < times; at++) await stream.write(block)
  await stream.close()
}

/** Counts what comes and hashes its beginning, so that hashing does not hold up the rest. */
function startTally(): { add: (bytes: Uint8Array) => void; arrived: () => Arrived } {
  const head: Uint8Array[] = []
  let bytes = 0
  return {
    add: (piece) => {
      if (bytes < CHECKED_BYTES) head.push(piece.subarray(0, CHECKED_BYTES - bytes))
      bytes += piece.length
    },
    arrived: () => ({ bytes, digest: createHash('sha256').update(Buffer.concat(head)).digest('hex') }),
  }
}
