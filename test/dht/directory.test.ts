import type { PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { concat, u32be } from '../../src/bytes.ts'
import { openDirectory } from '../../src/dht/directory.ts'
import { kadService } from '../../src/dht/service.ts'
import { objectIdFromBytes } from '../../src/ids.ts'
import { DIAL_MS } from '../../src/limits.ts'
import { type Peer, startPeer } from '../../src/net/peer.ts'
import type { PeerAddress } from '../../src/ports.ts'

const NODES = 12
const LOCAL = ['/ip4/127.0.0.1/tcp/0']
const object = (at: number) => objectIdFromBytes(concat(new Uint8Array(28), u32be(at)))
const address = (peer: Peer): PeerAddress => ({ nodeId: peer.nodeId, addresses: peer.addresses() })
const soon = (ms = 50_000) => AbortSignal.timeout(ms)

let nodes: Peer[] = []
const extra: Peer[] = []

async function startNode(at: number, serverMode = true, listen: readonly string[] = LOCAL): Promise<Peer> {
  const seed = new Uint8Array(32).fill(at + 1)
  return startPeer({ seed, listen, topics: ['notices'], services: { kad: kadService({ serverMode }) } })
}

/** What the library's DHT was built from. */
const libraryOf = (peer: Peer) =>
  (peer.service('kad') as { components: { peerStore: { delete(id: PeerId): Promise<void> } } }).components

async function until(condition: () => boolean | Promise<boolean>, ms = 50_000): Promise<void> {
  const end = performance.now() + ms
  while (!(await condition())) {
    if (performance.now() > end) throw new Error('the condition did not come true')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function client(at: number): Promise<Peer> {
  const peer = await startNode(at, false, [])
  extra.push(peer)
  return peer
}

beforeAll(async () => {
  nodes = await Promise.all(Array.from({ length: NODES }, (_, at) => startNode(at)))
  for (const node of nodes.slice(1)) await node.connect(address(nodes[0]!), soon())
  await until(() => nodes.every((node) => node.connected().length >= NODES - 1))
}, 60_000)

afterAll(async () => {
  await Promise.all([...nodes, ...extra].map((peer) => peer.stop()))
})

describe('twelve nodes', () => {
  test('a notice reaches all others once', async () => {
    const heard = new Map<string, number>()
    for (const node of nodes)
      node.broadcast.subscribe('notices', (payload) => {
        heard.set(node.nodeId, (heard.get(node.nodeId) ?? 0) + payload.length)
        return true
      })
    const sender = nodes[5]!
    await until(async () => {
      await sender.broadcast.publish('notices', new Uint8Array(100).fill(heard.size))
      return heard.size >= NODES - 1
    })
    expect(heard.has(sender.nodeId)).toBe(false)
  })

  test('an announced object is found by a node and by a client that knows one node', async () => {
    await openDirectory(nodes[3]!).announce(object(1), soon())
    await openDirectory(nodes[4]!).announce(object(1), soon())
    const wanted = [nodes[3]!.nodeId, nodes[4]!.nodeId].sort()
    await until(async () => (await openDirectory(nodes[9]!).find(object(1), 8, soon())).length === 2)
    const fresh = await client(50)
    await fresh.connect(address(nodes[0]!), soon())
    const hints = await openDirectory(fresh).find(object(1), 8, soon())
    expect(hints.map((hint) => hint.nodeId).sort()).toEqual(wanted)
    expect(hints[0]!.addresses[0]).toMatch(/^\/ip4\/127\.0\.0\.1\/tcp\/\d+$/)
  })

  test('a provider whose addresses are forgotten does not hide the others', async () => {
    const [forgotten, known] = [nodes[6]!, nodes[7]!]
    for (const node of [forgotten, known]) await openDirectory(node).announce(object(4), soon())
    await until(async () => (await openDirectory(nodes[9]!).find(object(4), 8, soon())).length === 2)
    for (const node of nodes)
      if (node !== forgotten) await libraryOf(node).peerStore.delete(peerIdFromString(forgotten.nodeId))
    const fresh = await client(53)
    await fresh.connect(address(nodes[0]!), soon())
    const ids = (await openDirectory(fresh).find(object(4), 8, soon())).map((hint) => hint.nodeId)
    expect(ids).toContain(known.nodeId)
  })

  test('many objects announced at once are all found', async () => {
    const directory = openDirectory(nodes[8]!)
    const objects = Array.from({ length: 300 }, (_, at) => object(300 + at))
    const start = performance.now()
    await Promise.all(objects.map((each) => directory.announce(each, soon())))
    // Eight holders or more, told one after the other: at once they would all be busy with it in the same moment.
    expect(performance.now() - start).toBeGreaterThan(7 * 20)
    await until(async () => (await openDirectory(nodes[2]!).find(objects[299]!, 1, soon())).length === 1)
    for (const each of objects.filter((_, at) => at % 37 === 0))
      expect((await openDirectory(nodes[2]!).find(each, 1, soon()))[0]?.nodeId).toBe(nodes[8]!.nodeId)
  })

  test('an unknown object is nothing, soon', async () => {
    const start = performance.now()
    expect(await openDirectory(nodes[2]!).find(object(99), 8, soon())).toEqual([])
    // Nobody who is gone was waited for.
    expect(performance.now() - start).toBeLessThan(DIAL_MS)
  })

  test('a peer is located by its id alone', async () => {
    const fresh = await client(51)
    await fresh.connect(address(nodes[0]!), soon())
    const found = await openDirectory(fresh).locate(nodes[7]!.nodeId, soon())
    expect(found?.addresses).toEqual(nodes[7]!.addresses())
    expect(await openDirectory(fresh).locate(extra[0]!.nodeId, soon())).toBeNull()
  })

  test('a client that hears no topics asks nobody what it speaks before it has a question', async () => {
    await openDirectory(nodes[4]!).announce(object(6), soon())
    const quiet = await startPeer({
      ...{ seed: new Uint8Array(32).fill(53), listen: [] },
      services: { kad: kadService({ serverMode: false }) },
    })
    extra.push(quiet)
    await quiet.connect(address(nodes[0]!), soon())
    await quiet.connect(address(nodes[1]!), soon())
    await new Promise((resolve) => setTimeout(resolve, 500))
    const { routingTable } = quiet.service('kad') as { routingTable: { size: number } }
    expect(routingTable.size).toBe(0)
    const hints = await openDirectory(quiet).find(object(6), 8, soon())
    expect(hints).toEqual([address(nodes[4]!)])
    await until(() => routingTable.size >= 2)
    // It never asked for the addresses of those it is connected to, and is told all the same.
    expect((await openDirectory(quiet).locate(nodes[1]!.nodeId, soon()))?.addresses).toEqual(
      nodes[1]!.addresses(),
    )
    // Whom it meets later it asks with its next question.
    await quiet.connect(address(nodes[2]!), soon())
    expect((await openDirectory(quiet).locate(nodes[7]!.nodeId, soon()))?.addresses).toEqual(
      nodes[7]!.addresses(),
    )
    await until(() => routingTable.size >= 3)
  })

  test('half of the nodes gone, two announcers among them: the others are found, the dead are only hints', async () => {
    const announcers = [nodes[1]!, nodes[2]!, nodes[8]!, nodes[9]!]
    for (const node of announcers) await openDirectory(node).announce(object(2), soon())
    await until(async () => (await openDirectory(nodes[10]!).find(object(2), 8, soon())).length === 4)
    await Promise.all(nodes.slice(0, 6).map((node) => node.stop()))
    const fresh = await client(52)
    await fresh.connect(address(nodes[11]!), soon())
    const start = performance.now()
    const hints = await openDirectory(fresh).find(object(2), 8, soon())
    // Nobody who is gone was waited for.
    expect(performance.now() - start).toBeLessThan(DIAL_MS)
    const ids = hints.map((hint) => hint.nodeId)
    expect(ids).toContain(nodes[8]!.nodeId)
    expect(ids).toContain(nodes[9]!.nodeId)
    expect(await openDirectory(fresh).find(object(98), 8, soon())).toEqual([])
  })

  test('a node that comes back under its id is found again after it announces', async () => {
    const again = await startNode(1)
    extra.push(again)
    expect(again.nodeId).toBe(nodes[1]!.nodeId)
    await again.connect(address(nodes[11]!), soon())
    await openDirectory(again).announce(object(3), soon())
    await until(async () => (await openDirectory(nodes[8]!).find(object(3), 1, soon())).length === 1)
    const [hint] = await openDirectory(nodes[8]!).find(object(3), 1, soon())
    expect(hint).toEqual(address(again))
  })
})

describe('a peer alone', () => {
  test('finds nothing and says that nobody was told', async () => {
    const alone = await startNode(70)
    extra.push(alone)
    const directory = openDirectory(alone)
    expect(await directory.find(object(5), 4, soon())).toEqual([])
    await expect(directory.announce(object(5), soon())).rejects.toMatchObject({ code: 'OFFLINE' })
    await expect(directory.announce(object(5), AbortSignal.abort())).rejects.toMatchObject({
      code: 'TIMEOUT',
    })
  })
})
