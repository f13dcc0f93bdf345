import type { Stream } from '@libp2p/interface'
import { afterEach, describe, expect, test } from 'vitest'
import type { Standing } from '../../src/budget.ts'
import { concat, u32be } from '../../src/bytes.ts'
import type { NodeId } from '../../src/ids.ts'
import {
  CONNECTIONS,
  MUXED_STREAMS,
  NODE_STREAMS,
  READ_BYTES,
  READ_WAIT_MS,
  RECEIVED_BYTES,
} from '../../src/limits.ts'
import type { Peer } from '../../src/net/peer.ts'
import type { Clock, FrameStream } from '../../src/ports.ts'
import { StreamGate } from '../../src/storage-node/stream-gate.ts'
import { address, echo, ourPeer, portOf, soon, stopAll } from '../net/_stock.ts'
import { rawPeer, rawStream } from './raw-connection.ts'
import { Stranger } from './stranger.ts'

const stranger = new Stranger()
afterEach(async () => {
  await stranger.leave()
  await stopAll()
})

const none = { node: 0, guardian: 0, owner: 0 }
const ECHO = '/test/echo/1'

async function answers(client: Peer, server: Peer): Promise<void> {
  const stream = await client.open(address(server), ECHO, soon())
  await stream.write(Uint8Array.of(7))
  expect(await stream.read(10, 5000)).toEqual(Uint8Array.of(7))
}

describe('connections', () => {
  test('more bare ones than there are places: who comes after them is served, and the first of them are cut', async () => {
    const server = await ourPeer(1)
    await server.handle(ECHO, echo, { maxInboundStreams: 4 })
    const first = (await stranger.bareConnections(portOf(server), 1))[0]!
    const isCut = new Promise<void>((resolve) => first.once('close', () => resolve()))
    await stranger.bareConnections(portOf(server), 400)
    await answers(await ourPeer(2, { listen: [] }), server)
    await isCut
  })

  test('strangers with all the places leave a registered node its own, and a newcomer that of the idlest', async () => {
    const registered = new Set<NodeId>()
    const standingOf = (peer: NodeId): Standing => (registered.has(peer) ? 'node' : 'stranger')
    const connections = {
      ...CONNECTIONS,
      total: 4,
      reserved: { ...none, node: 1 },
      perStranger: 3,
      graceMs: 0,
    }
    const server = await ourPeer(1, { standingOf, budgets: { connections } })
    await server.handle(ECHO, echo, { maxInboundStreams: 4 })
    const idle = await stranger.peer()
    await answers(idle, server)
    for (let at = 0; at < 2; at++) await answers(await stranger.peer(), server)
    const node = await ourPeer(2, { listen: [] })
    registered.add(node.nodeId)
    await answers(node, server)
    expect(server.connected()).toHaveLength(4)
    await answers(await ourPeer(3, { listen: [] }), server)
    await expect.poll(() => server.connected()).not.toContain(idle.nodeId)
    expect(server.connected()).toContain(node.nodeId)
  })

  test('what is proven later holds for the connection that is there', async () => {
    const proven = new Set<NodeId>()
    const standingOf = (peer: NodeId): Standing => (proven.has(peer) ? 'owner' : 'stranger')
    const connections = { ...CONNECTIONS, total: 3, reserved: { ...none, owner: 1 }, graceMs: 0 }
    const server = await ourPeer(1, { standingOf, budgets: { connections } })
    await server.handle(ECHO, echo, { maxInboundStreams: 4 })
    const owner = await ourPeer(2, { listen: [] })
    await answers(owner, server)
    proven.add(owner.nodeId)
    server.promote(owner.nodeId)
    for (let at = 0; at < 4; at++) await answers(await stranger.peer(), server)
    expect(server.connected()).toContain(owner.nodeId)
  })

  test('streams that say nothing make room for those of others', async () => {
    const streams = { ...MUXED_STREAMS, total: 4, reserved: none, perStranger: 4, graceMs: 0 }
    const server = await ourPeer(1, { budgets: { streams } })
    await server.handle(ECHO, echo, { maxInboundStreams: 8 })
    const greedy = await stranger.peer()
    const held: FrameStream[] = []
    for (let at = 0; at < 4; at++) held.push(await greedy.open(address(server), ECHO, soon()))
    await answers(await ourPeer(2, { listen: [] }), server)
    const ends = held.map((stream) =>
      stream.read(10, 5000).then(
        () => 'served',
        ({ code }) => code,
      ),
    )
    expect(await Promise.race(ends)).toBe('OFFLINE')
  })
})

describe('memory', () => {
  const MIB = 1024 * 1024
  const received = { ...RECEIVED_BYTES, total: 4 * MIB, reserved: none, perStranger: 3 * MIB, graceMs: 0 }
  /** The length of a frame and most of it. */
  const begun = concat(u32be(MIB), new Uint8Array(MIB - 1000))

  test('of frames that are never ended is bounded; whoever ends its own is heard', async () => {
    const server = await ourPeer(1, { budgets: { received } })
    await server.handle(ECHO, echo, { maxInboundStreams: 32 })
    const greedy = await Promise.all([rawPeer(), rawPeer(), rawPeer()])
    const held: Stream[] = []
    for (const one of greedy)
      for (let at = 0; at < 3; at++) {
        const stream = await rawStream(one, server, ECHO)
        stream.send(begun)
        held.push(stream)
      }
    await expect.poll(() => held.filter(({ status }) => status === 'open').length).toBeLessThanOrEqual(4)
    const honest = await ourPeer(2, { listen: [] })
    const stream = await honest.open(address(server), ECHO, soon())
    const frame = new Uint8Array(MIB).fill(3)
    await stream.write(frame)
    expect(Buffer.from((await stream.read(MIB, 10_000))!).equals(frame)).toBe(true)
    await Promise.all(greedy.map((one) => one.stop()))
  })
})

/** A clock that goes when it is told to, and a stream that only knows how it ended. */
class TestTime implements Clock {
  now = 0
  readonly #sleepers: { untilMs: number; wake: () => void }[] = []

  nowMs(): number {
    return this.now
  }

  sleep(durationMs: number): Promise<void> {
    return new Promise((wake) => this.#sleepers.push({ untilMs: this.now + durationMs, wake }))
  }

  async pass(ms: number): Promise<void> {
    for (const endMs = this.now + ms; this.now < endMs; ) {
      this.now = Math.min(endMs, this.now + 50)
      const due = this.#sleepers.filter(({ untilMs }) => untilMs <= this.now)
      for (const sleeper of due) this.#sleepers.splice(this.#sleepers.indexOf(sleeper), 1)
      for (const { wake } of due) wake()
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

function streamOf(remote: string, ended: string[] = []): FrameStream {
  const unused = () => Promise.reject(new Error('nothing is said here'))
  const abort = () => void ended.push(remote)
  return { remote: remote as NodeId, write: unused, read: unused, close: unused, release: () => {}, abort }
}

describe('a storage node', () => {
  test('eight that open all the streams they may leave others theirs, and lose their own first', () => {
    const clock = new TestTime()
    const gate = new StreamGate({ clock, standingOf: (peer) => (peer === 'owner' ? 'owner' : 'stranger') })
    const ended: string[] = []
    const most = NODE_STREAMS.total - NODE_STREAMS.reserved.node - NODE_STREAMS.reserved.owner
    for (let at = 0; at < 9 * 64; at++) gate.enter(streamOf(`greedy ${at % 9}`, ended))
    clock.now = 1000
    expect(gate.enter(streamOf('owner'))).not.toBeNull()
    expect(ended).toEqual([])
    const reader = gate.enter(streamOf('reader', ended))
    expect(reader).not.toBeNull()
    clock.now = 2000
    gate.touch(reader!)
    for (let at = 0; at < most; at++) gate.enter(streamOf(`later ${at}`, ended))
    expect(ended).not.toContain('reader')
    expect(ended.slice(0, 50).every((remote) => remote.startsWith('greedy'))).toBe(true)
  })

  test('readers that take nothing pin no more than there is for all, and another reads after a moment', async () => {
    const clock = new TestTime()
    const gate = new StreamGate({ clock })
    const ended: string[] = []
    const size = 2 * 1024 * 1024
    let granted = 0
    const refused: string[] = []
    for (let at = 0; at < 558; at++)
      gate.room(streamOf(`greedy ${at % 9}`, ended), size).then(
        () => granted++,
        ({ code }) => refused.push(code),
      )
    await clock.pass(50)
    const { node, owner } = READ_BYTES.reserved
    expect(granted * size).toBeLessThanOrEqual(READ_BYTES.total - node - owner)
    const read = gate.room(streamOf('reader', ended), size)
    await clock.pass(700)
    gate.leave(await read)
    expect(ended).not.toContain('reader')
    expect(ended.length).toBeGreaterThan(0)
    await clock.pass(READ_WAIT_MS + 1000)
    expect(new Set(refused)).toEqual(new Set(['BUSY']))
  })
})
