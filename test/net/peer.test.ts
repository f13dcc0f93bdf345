import { afterEach, describe, expect, test } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { nodeIdFromPublicKey, publicKeyOfNodeId } from '../../src/net/node-id.ts'
import { type Peer, type PeerOptions, startPeer } from '../../src/net/peer.ts'

const LOCAL = ['/ip4/127.0.0.1/tcp/0']
const peers: Peer[] = []

async function start(seedByte: number, options: Partial<PeerOptions> = {}): Promise<Peer> {
  const peer = await startPeer({ seed: new Uint8Array(32).fill(seedByte), listen: LOCAL, ...options })
  peers.push(peer)
  return peer
}

const address = (peer: Peer) => ({ nodeId: peer.nodeId, addresses: peer.addresses() })
const soon = (ms = 5000) => AbortSignal.timeout(ms)

afterEach(async () => {
  await Promise.all(peers.splice(0).map((peer) => peer.stop()))
})

describe('a peer', () => {
  test('keeps its id over a restart and tells its public key by it', async () => {
    const first = await start(1)
    await first.stop()
    const second = await start(1)
    expect(second.nodeId).toBe(first.nodeId)
    expect(nodeIdFromPublicKey(publicKeyOfNodeId(first.nodeId))).toBe(first.nodeId)
  })

  test('carries frames both ways, to the end', async () => {
    const server = await start(1)
    const client = await start(2, { listen: [] })
    await server.handle(
      '/test/echo/1',
      async (stream) => {
        expect(stream.remote).toBe(client.nodeId)
        for (let frame = await stream.read(1 << 20, 5000); frame; frame = await stream.read(1 << 20, 5000))
          await stream.write(utf8('echo '), frame)
      },
      { maxInboundStreams: 4 },
    )
    const stream = await client.open(address(server), '/test/echo/1', soon())
    const body = new Uint8Array(200_000).map((_, at) => at * 31)
    await stream.write(utf8('hello'))
    await stream.write(new Uint8Array(0))
    await stream.write(body.subarray(0, 10), body.subarray(10))
    expect(await stream.read(100, 5000)).toEqual(utf8('echo hello'))
    expect(await stream.read(100, 5000)).toEqual(utf8('echo '))
    const echoed = await stream.read(1 << 20, 5000)
    expect(echoed!.subarray(5)).toEqual(body)
    await stream.close()
    expect(await stream.read(100, 5000)).toBeNull()
  })

  test('names a taken port and what to do', async () => {
    const first = await start(1)
    const taken = start(2, { listen: first.addresses() })
    await expect(taken).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      next: expect.stringContaining('another port'),
    })
  })

  test('tells an unreachable node from one that runs out of time', async () => {
    const server = await start(1)
    const client = await start(2, { listen: [] })
    const gone = address(server)
    await server.stop()
    await expect(client.open(gone, '/test/none', soon())).rejects.toMatchObject({ code: 'OFFLINE' })
    await expect(client.open(gone, '/test/none', AbortSignal.abort())).rejects.toMatchObject({
      code: 'TIMEOUT',
    })
  })
})
