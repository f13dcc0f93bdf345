import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import {
  PLAIN_WIRES,
  PlainWire,
  type PlainWirePlace,
  servePlainWire,
} from '../../../../src/cli/bench/limits/plain-wire.ts'
import { freshTlsIdentity, WRITE_BUFFER_BYTES } from '../../../../src/net/tls/raw-tls.ts'

const BLOCK = new Uint8Array(70_000).fill(7)
const opened: { close(): void }[] = []
afterEach(() => {
  for (const one of opened.splice(0)) one.close()
})

async function open(place: PlainWirePlace): Promise<PlainWire> {
  const wire = await PlainWire.open(place)
  opened.push(wire)
  return wire
}

/** A far end that does what `take` does. */
async function farEnd(take: (socket: Socket) => void): Promise<PlainWirePlace> {
  const sockets: Socket[] = []
  const server: Server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    take(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  opened.push({
    close: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  })
  return { port: (server.address() as AddressInfo).port, cert: null }
}

describe.each(PLAIN_WIRES)('plain %s', (kind) => {
  test('carries pass after pass on one connection, every byte counted at the other end', async () => {
    const wire = await open(await servePlainWire(kind, 40 * BLOCK.length))
    for (let pass = 0; pass < 3; pass++) expect(await wire.carry(BLOCK, 40)).toBe(40 * BLOCK.length)
  })

  test('tells when more came than was sent', async () => {
    const wire = await open(await servePlainWire(kind, BLOCK.length - 1))
    expect(await wire.carry(BLOCK, 1)).toBe(BLOCK.length)
  })

  test('says what the two ends agreed on', async () => {
    const wire = await open(await servePlainWire(kind, 1))
    if (kind === 'tcp') expect(wire.agreed).toBe('')
    else expect(wire.agreed).toMatch(/^TLSv1\.3, TLS_\w+$/)
  })
})

test('plain TLS shakes hands only with the far end that was started', async () => {
  const { port } = await servePlainWire('tls', 1)
  const { cert } = await freshTlsIdentity()
  await expect(PlainWire.open({ port, cert })).rejects.toMatchObject({ code: 'INTEGRITY' })
})

test('a plain wire gives up when nothing moves, and has not written more than may wait', async () => {
  let came = 0
  const place = await farEnd((socket) => {
    socket.on('data', ({ length }) => {
      came += length
      socket.pause()
    })
  })
  const wire = await open(place)
  const before = process.memoryUsage.rss()
  await expect(wire.carry(BLOCK.subarray(0, 100), 2_000_000, 300)).rejects.toMatchObject({ code: 'TIMEOUT' })
  expect(came).toBeGreaterThan(0)
  // Two million writes that wait would be more than 200 MB; those that may wait are 5,000.
  expect(process.memoryUsage.rss() - before).toBeLessThan(100 * WRITE_BUFFER_BYTES)
})

test('a plain wire says that the far end closed, while it writes and while it waits for the answer', async () => {
  const cut = await open(await farEnd((socket) => socket.once('data', () => socket.destroy())))
  await expect(cut.carry(BLOCK, 1000)).rejects.toMatchObject({ code: 'OFFLINE' })
  const mute = await open(
    await farEnd((socket) => {
      socket.resume()
      setTimeout(() => socket.end(), 50)
    }),
  )
  await expect(mute.carry(BLOCK, 1)).rejects.toMatchObject({ code: 'OFFLINE' })
})
