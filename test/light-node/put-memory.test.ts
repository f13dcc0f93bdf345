import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemRandom } from '../../src/crypto/random.ts'
import { plainRoom, type StripeRoom } from '../../src/fragment/erasure/stripe-room.ts'
import { PROFILES } from '../../src/fragment/profile.ts'
import { localCoder } from '../../src/light-node/coder-local.ts'
import { putRecord } from '../../src/light-node/put-record.ts'
import type { FrameStream, Transport } from '../../src/ports.ts'
import { seededBytes } from '../storage-node/made-object.ts'
import { MemoryNetwork, sourceOf } from './memory-network.ts'
import { HASTE } from './tapped-stream.ts'

// More than two bursts to each node, so that stripes come back while others are sent.
const BYTES = seededBytes(1, 48 * 6 * 65_000)
let net: MemoryNetwork
beforeAll(async () => {
  net = await MemoryNetwork.start()
})
afterAll(() => net.stop())

/** Room that tells which stripes came back, by the order in which they were made, and when it was closed. */
class WatchedRoom implements StripeRoom {
  readonly #plain = plainRoom()
  readonly #made: Uint8Array[] = []
  readonly back: number[] = []
  isClosed = false

  take(bytes: number): Uint8Array {
    // A new one each time, so that each stripe has a number.
    const stripe = new Uint8Array(bytes)
    this.#made.push(stripe)
    return stripe
  }

  recycle(stripe: Uint8Array): void {
    this.back.push(this.#made.indexOf(stripe))
  }

  close(): void {
    this.isClosed = true
    this.#plain.close()
  }
}

/** A put over streams whose bytes leave memory only when `flush` is called. */
function watchedPut() {
  const room = new WatchedRoom()
  const flushed = Promise.withResolvers<void>()
  const { transport } = net.ports
  const slow: Transport = {
    async open(peer, protocol, signal) {
      const stream: FrameStream = await transport.open(peer, protocol, signal)
      return Object.assign(stream, { flushed: () => flushed.promise })
    },
  }
  const coder = localCoder(systemRandom, () => room)
  const done = putRecord({ ...net.ports, transport: slow, coder }, sourceOf(BYTES), PROFILES.grid)
  done.catch(() => {})
  return { room, done, flush: flushed.resolve }
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 20))

describe('the memory of stripes that are sent', () => {
  test('is used again while a put goes on, and let go of when it is over', async () => {
    const { room, done } = watchedPut()
    await done
    expect(room.back.length).toBeGreaterThan(0)
    expect(room.back).toEqual([...room.back.keys()])
    await expect.poll(() => room.isClosed).toBe(true)
  })

  test('is not touched as long as a node that was left behind may still be sent what was there', async () => {
    net.haste = HASTE
    const behind = net.nodes[5]!
    behind.lie = (message) => (message.op === 'ACK' ? 'silence' : message)
    const { room, done, flush } = watchedPut()
    await done
    expect(net.events.filter(({ type }) => type === 'node-dropped')).toMatchObject([{ node: behind.nodeId }])
    // The first stripe was under way to it, and so were those behind it until it was dropped.
    expect(room.back).not.toContain(0)
    await turn()
    expect(room.isClosed).toBe(false)
    flush()
    await expect.poll(() => room.isClosed).toBe(true)
    net.reset()
  })

  test('nor after a put that failed', async () => {
    for (const node of net.nodes.slice(0, 6))
      node.lie = (message) => (message.op === 'ACK' ? 'hang up' : message)
    const { room, done, flush } = watchedPut()
    await expect(done).rejects.toMatchObject({ code: 'TOO_FEW_NODES' })
    await turn()
    expect(room.isClosed).toBe(false)
    flush()
    await expect.poll(() => room.isClosed).toBe(true)
    net.reset()
  })
})
