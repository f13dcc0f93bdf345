import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { connect as connectTls, TLSSocket } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { concat } from '../../src/bytes.ts'
import { readInPlace } from '../../src/net/tls/_in-place.ts'
import { freshTlsIdentity } from '../../src/net/tls/raw-tls.ts'

const MIB = 1024 * 1024
const BYTES = new Uint8Array(3 * MIB).map((_, at) => at * 31 + (at >> 11))

let server: Server
let sender: TLSSocket
let receiver: TLSSocket

/** A TLS connection over a socket that is there already, as ours are. */
beforeEach(async () => {
  const identity = await freshTlsIdentity()
  server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const raw = connect((server.address() as AddressInfo).port, '127.0.0.1')
  receiver = new TLSSocket((await accepted)[0], { isServer: true, ...identity })
  sender = connectTls({ socket: raw, rejectUnauthorized: false })
  for (const socket of [raw, sender, receiver]) socket.on('error', () => undefined)
  await Promise.all([once(receiver, 'secure'), once(sender, 'secureConnect')])
})

afterEach(() => {
  sender.destroy()
  receiver.destroy()
  server.close()
})

/** Collects what comes in either way. */
class Taken {
  readonly pieces: Uint8Array[] = []
  readonly memories = new Set<ArrayBufferLike>()
  length = 0

  readonly take = (chunk: Uint8Array) => {
    this.pieces.push(new Uint8Array(chunk))
    this.memories.add(chunk.buffer)
    this.length += chunk.length
  }

  async until(length: number): Promise<Uint8Array> {
    await expect.poll(() => this.length, { timeout: 10_000 }).toBe(length)
    return concat(...this.pieces)
  }
}

describe('a socket that is read in place', () => {
  test('brings all bytes in the same memory: else every record received is memory for the collector', async () => {
    const taken = new Taken()
    receiver.on('data', () => expect.unreachable('nothing waited'))
    expect(readInPlace(receiver, taken.take)).toBe(true)
    receiver.resume()
    sender.write(BYTES)
    expect(await taken.until(BYTES.length)).toEqual(BYTES)
    expect(taken.memories.size).toBe(1)
  })

  test.each([false, true])('brings first what came before, paused meanwhile: %s', async (isPaused) => {
    const taken = new Taken()
    receiver.read(0)
    sender.write(BYTES.subarray(0, 20_000))
    await expect.poll(() => receiver.readableLength).toBe(20_000)
    receiver.on('data', taken.take)
    expect(readInPlace(receiver, taken.take)).toBe(true)
    if (isPaused) {
      receiver.pause()
      sender.write(BYTES.subarray(20_000, MIB))
      await new Promise((resolve) => setTimeout(resolve, 50))
      receiver.resume()
      sender.write(BYTES.subarray(MIB))
    } else sender.write(BYTES.subarray(20_000))
    expect(await taken.until(BYTES.length)).toEqual(BYTES)
  })

  test('stops when it is paused, and loses nothing', async () => {
    const taken = new Taken()
    receiver.on('data', taken.take)
    readInPlace(receiver, (chunk) => {
      taken.take(chunk)
      if (taken.length < MIB) return
      receiver.pause()
    })
    sender.write(BYTES)
    await expect.poll(() => taken.length).toBeGreaterThanOrEqual(MIB)
    await new Promise((resolve) => setTimeout(resolve, 100))
    // What was decrypted already comes all the same.
    expect(taken.length).toBeLessThan(MIB + 128 * 1024)
    for (; taken.length < BYTES.length; await new Promise(setImmediate)) receiver.resume()
    expect(await taken.until(BYTES.length)).toEqual(BYTES)
  })

  test('ends as others do', async () => {
    const taken = new Taken()
    receiver.on('data', taken.take)
    readInPlace(receiver, taken.take)
    const ended = once(receiver, 'end')
    sender.end(BYTES)
    await ended
    expect(concat(...taken.pieces)).toEqual(BYTES)
  })

  test('is read by events where Node has no such way', async () => {
    const taken = new Taken()
    const { _handle: handle } = receiver as unknown as { _handle: { useUserBuffer: unknown } }
    handle.useUserBuffer = undefined
    receiver.on('data', taken.take)
    expect(readInPlace(receiver, taken.take)).toBe(false)
    sender.write(BYTES)
    expect(await taken.until(BYTES.length)).toEqual(BYTES)
    expect(taken.memories.size).toBeGreaterThan(1)
  })
})
