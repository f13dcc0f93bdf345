import { type ChildProcess, fork } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import * as fs from 'node:fs'
import { join } from 'node:path'
import tls from 'node:tls'
import { pageAligned } from '../../src/storage-node/disk/volume/page-aligned.ts'
import { selfSigned } from '../harness/certificate.ts'
import { cpuSecondsOf } from '../harness/processes.ts'
import type { LimitRun } from './limits.ts'
import { LOOPBACK } from './wire.ts'

const KEEPERS = 12
const BLOCK_BYTES = 64 * 1024
/** Written and synced at once, and acknowledged by one byte. */
const COMMIT_BYTES = 1 << 20
/** Sent to a keeper and not acknowledged, at most. */
const CREDIT_BYTES = 2 * COMMIT_BYTES
const WARM_UP_BYTES = 4 * COMMIT_BYTES

interface Place {
  port: number
  certificate: string
}

interface Stored {
  bytes: number
  /** SHA-256 of what the file holds, hex. */
  digest: string
}

/**
 * The floor under a put to twelve processes: TLS of Node alone to each of them, every MiB written past the page cache and
 * synced before it is acknowledged. Nothing is sealed, coded, hashed or indexed.
 */
export async function measureFanOut(bytes: number, scratch: string): Promise<LimitRun> {
  const each = Math.ceil(bytes / KEEPERS / COMMIT_BYTES) * COMMIT_BYTES
  const keepers = Array.from({ length: KEEPERS }, (_, at) => {
    const path = join(scratch, `limit-fan-out-${at}`)
    return fork(new URL('./limits.ts', import.meta.url), ['keep', path], { execArgv: [] })
  })
  try {
    const blocks = keepers.map(() => randomBytes(BLOCK_BYTES))
    const sockets = await Promise.all(keepers.map((keeper) => reached(keeper)))
    await Promise.all(sockets.map((socket, at) => pour(socket, blocks[at]!, WARM_UP_BYTES)))
    const cpu = () => cpuSecondsOf([process.pid])
    const before = cpu()
    const start = performance.now()
    await Promise.all(sockets.map((socket, at) => pour(socket, blocks[at]!, each)))
    const seconds = (performance.now() - start) / 1000
    const cpuSeconds = cpu() - before
    const stored = Promise.all(keepers.map(async (keeper) => (await once(keeper, 'message'))[0] as Stored))
    for (const socket of sockets) socket.end()
    const expected = blocks.map((block) => digestOf(block, WARM_UP_BYTES + each))
    const verified = (await stored).every(({ digest }, at) => digest === expected[at])
    return { bytes: each * KEEPERS, seconds, cpuSeconds, verified }
  } finally {
    for (const keeper of keepers) keeper.kill()
  }
}

/** Keeps what comes over one connection in the file at `path`, tells its parent what it has, and ends. */
export async function keep(path: string): Promise<void> {
  const { key, certificate } = selfSigned()
  const server = tls.createServer({ key, cert: certificate, minVersion: 'TLSv1.3' })
  server.listen(0, LOOPBACK)
  await once(server, 'listening')
  process.send?.({ port: (server.address() as { port: number }).port, certificate } satisfies Place)
  const [socket] = (await once(server, 'secureConnection')) as [tls.TLSSocket]
  const file = fs.openSync(path, fs.constants.O_CREAT | fs.constants.O_RDWR | directFlag(path), 0o600)
  const commit = pageAligned(COMMIT_BYTES)
  let filled = 0
  let bytes = 0
  for await (const chunk of socket as AsyncIterable<Uint8Array>)
    for (let at = 0; at < chunk.length; ) {
      const size = Math.min(chunk.length - at, COMMIT_BYTES - filled)
      commit.set(chunk.subarray(at, at + size), filled)
      at += size
      filled += size
      if (filled < COMMIT_BYTES) continue
      fs.writeSync(file, commit, 0, COMMIT_BYTES, bytes)
      fs.fdatasyncSync(file)
      bytes += filled
      filled = 0
      socket.write('.')
    }
  const digest = createHash('sha256').update(fs.readFileSync(path)).digest('hex')
  fs.rmSync(path)
  process.send?.({ bytes, digest } satisfies Stored)
}

/** File systems in memory know no way past the page cache. */
function directFlag(path: string): number {
  const flag = fs.constants.O_DIRECT ?? 0
  try {
    fs.closeSync(fs.openSync(path, fs.constants.O_CREAT | fs.constants.O_RDWR | flag, 0o600))
    return flag
  } catch {
    return 0
  }
}

async function reached(keeper: ChildProcess): Promise<tls.TLSSocket> {
  const [{ port, certificate }] = (await once(keeper, 'message')) as [Place]
  const host = { port, host: LOOPBACK, ca: certificate, checkServerIdentity: () => undefined }
  const socket = tls.connect(host)
  await once(socket, 'secureConnect')
  return socket
}

/** Sends `bytes` of repeated blocks; resolves when all of it is acknowledged. */
async function pour(socket: tls.TLSSocket, block: Uint8Array, bytes: number): Promise<void> {
  let sent = 0
  let acknowledged = 0
  const onAck = (acks: Uint8Array) => {
    acknowledged += acks.length * COMMIT_BYTES
  }
  socket.on('data', onAck)
  while (acknowledged < bytes) {
    while (sent < bytes && sent - acknowledged < CREDIT_BYTES) {
      socket.write(block)
      sent += block.length
    }
    await once(socket, 'data')
  }
  socket.off('data', onAck)
}

function digestOf(block: Uint8Array, bytes: number): string {
  const hash = createHash('sha256')
  for (let at = 0; at < bytes; at += block.length) hash.update(block)
  return hash.digest('hex')
}
