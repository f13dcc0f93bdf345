import { afterEach, describe, expect, test } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import type { NodeId } from '../../src/ids.ts'
import { nodeIdFromPublicKey, publicKeyOfNodeId } from '../../src/net/node-id.ts'
import { startPeer } from '../../src/net/peer.ts'
import { address, echo, LOCAL, ourPeer, soon, stopAll } from './_stock.ts'

afterEach(stopAll)

describe('a peer', () => {
  test('keeps its id over a restart and tells its public key by it', async () => {
    const first = await ourPeer(1)
    await first.stop()
    const second = await ourPeer(1)
    expect(second.nodeId).toBe(first.nodeId)
    expect(nodeIdFromPublicKey(publicKeyOfNodeId(first.nodeId))).toBe(first.nodeId)
  })

  test('carries frames both ways, to the end', async () => {
    const server = await ourPeer(1)
    const client = await ourPeer(2, { listen: [] })
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
    const first = await ourPeer(1)
    const taken = ourPeer(2, { listen: first.addresses() })
    await expect(taken).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      next: expect.stringContaining('another port'),
    })
  })

  test('tells an unreachable node from one that runs out of time', async () => {
    const server = await ourPeer(1)
    const client = await ourPeer(2, { listen: [] })
    const gone = address(server)
    await server.stop()
    await expect(client.open(gone, '/test/none', soon())).rejects.toMatchObject({ code: 'OFFLINE' })
    await expect(client.open(gone, '/test/none', AbortSignal.abort())).rejects.toMatchObject({
      code: 'TIMEOUT',
    })
  })

  test('cannot listen on an address that is none of its own', async () => {
    const peer = startPeer({ seed: new Uint8Array(32), listen: ['/ip4/203.0.113.7/tcp/4001'] })
    await expect(peer).rejects.toMatchObject({ code: 'USAGE' })
  })

  test('refuses what is no node id', async () => {
    const client = await ourPeer(2, { listen: [] })
    for (const text of ['', 'x', '12D3KooW', 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N'])
      await expect(
        client.open({ nodeId: text as NodeId, addresses: LOCAL }, '/test/echo/1', soon()),
      ).rejects.toMatchObject({ code: 'MALFORMED' })
  })

  test('takes bad addresses for an unreachable node', async () => {
    const [server, client] = [await ourPeer(1), await ourPeer(2, { listen: [] })]
    for (const addresses of [[], ['nonsense'], ['/ip4/127.0.0.1/udp/1'], ['/ip4/127.0.0.1/tcp/1']])
      await expect(
        client.open({ nodeId: server.nodeId, addresses }, '/test/echo/1', soon()),
      ).rejects.toMatchObject({ code: 'OFFLINE' })
    await expect(client.open(address(server), '/test/unknown/1', soon())).rejects.toMatchObject({
      code: 'OFFLINE',
    })
  })

  test('serves twenty new peers from one address at once', async () => {
    const server = await ourPeer(1)
    await server.handle('/test/echo/1', echo, { maxInboundStreams: 1 })
    const clients = await Promise.all(Array.from({ length: 20 }, (_, at) => ourPeer(10 + at, { listen: [] })))
    const answers = await Promise.all(
      clients.map(async (client, at) => {
        const stream = await client.open(address(server), '/test/echo/1', soon())
        await stream.write(Uint8Array.of(at))
        return (await stream.read(1, 5000))![0]
      }),
    )
    expect(answers).toEqual(clients.map((_, at) => at))
    expect(server.connected()).toHaveLength(20)
  })

  test('keeps to the number of streams a protocol allows', async () => {
    const [server, client] = [await ourPeer(1), await ourPeer(2, { listen: [] })]
    await server.handle('/test/echo/1', echo, { maxInboundStreams: 2 })
    const open = () => client.open(address(server), '/test/echo/1', soon())
    const streams = [await open(), await open()]
    const third = await open()
    await expect(third.read(1, 5000)).rejects.toMatchObject({ code: 'OFFLINE' })
    await streams[0]!.write(Uint8Array.of(1))
    expect(await streams[0]!.read(1, 5000)).toEqual(Uint8Array.of(1))
  })

  test('stops in time with streams open and data under way', async () => {
    const [server, client] = [await ourPeer(1), await ourPeer(2, { listen: [] })]
    await server.handle('/test/sink/1', () => new Promise(() => undefined), { maxInboundStreams: 4 })
    const stream = await client.open(address(server), '/test/sink/1', soon())
    const writing = (async () => {
      for (;;) await stream.write(new Uint8Array(100_000))
    })()
    const failed = expect(writing).rejects.toMatchObject({ code: 'OFFLINE' })
    await new Promise((resolve) => setTimeout(resolve, 50))
    const start = performance.now()
    await Promise.all([server.stop(), client.stop()])
    expect(performance.now() - start).toBeLessThan(10_000)
    await failed
  })
})
