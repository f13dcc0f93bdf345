import { describe, expect, test } from 'vitest'
import { XcareError } from '../../src/errors.ts'
import { PROFILES } from '../../src/fragment/profile.ts'
import type { NodeId } from '../../src/ids.ts'
import { FirstAnswers } from '../../src/light-node/columns/first-answers.ts'
import { NodeUploads, type UploadTarget } from '../../src/light-node/columns/node-uploads.ts'
import { HEDGE_MS, STRAGGLER_MS_MAX } from '../../src/limits.ts'
import type { FrameStream, XcareEvent } from '../../src/ports.ts'
import { decodeClientFrame, encodeFrame, type NodeMessage } from '../../src/wire/fragment-protocol.ts'
import { TestClock } from '../guardian-node/ports.ts'
import { framePair } from '../storage-node/frame-pair.ts'
import { makeObject, openPutOf } from '../storage-node/made-object.ts'

/** Lets everything run that can run. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 5))

/** A clock whose every sleep ends only when it is told. */
class StillClock extends TestClock {
  readonly asked: number[] = []
  override sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    this.asked.push(durationMs)
    return super.sleep(durationMs + 10_000, signal)
  }
  pass(durationMs: number): void {
    this.advance(durationMs + 10_000)
  }
}

describe('first answers', () => {
  const late = () => Promise.withResolvers<string>()

  test('come in order, no more is tried than is waited for', async () => {
    const tried: string[] = []
    const candidates = ['a', 'b', 'c', 'd'].map((name) => async () => {
      tried.push(name)
      return name
    })
    const answers = new FirstAnswers(candidates, new StillClock(), () => {})
    expect(await Promise.all([answers.next(), answers.next()])).toEqual(['a', 'b'])
    expect(tried).toEqual(['a', 'b'])
    expect(await answers.next()).toBe('c')
    expect(await answers.next()).toBe('d')
    expect(await answers.next()).toBeNull()
  })

  test('one that fails is followed by the next; when all failed there is null', async () => {
    const bad = () => Promise.reject(new Error('no'))
    const answers = new FirstAnswers([bad, bad, async () => 'good', bad], new StillClock(), () => {})
    expect(await answers.next()).toBe('good')
    expect(await answers.next()).toBeNull()
  })

  test('one that takes long gets company, and its late answer goes to the next who asks', async () => {
    const clock = new StillClock()
    const slow = late()
    const answers = new FirstAnswers([() => slow.promise, async () => 'quick'], clock, () => {})
    const first = answers.next()
    await settle()
    expect(clock.asked).toEqual([HEDGE_MS])
    clock.pass(HEDGE_MS)
    expect(await first).toBe('quick')
    slow.resolve('slow')
    await settle()
    expect(await answers.next()).toBe('slow')
  })

  test('whoever waits is not told that there is none while an attempt is under way', async () => {
    const slow = late()
    const answers = new FirstAnswers([() => slow.promise], new StillClock(), () => {})
    const both = Promise.all([answers.next(), answers.next()])
    await settle()
    slow.resolve('only')
    expect(await both).toEqual(['only', null])
  })

  test('after close late answers are dropped and who waits gets null', async () => {
    const dropped: string[] = []
    const slow = late()
    const answers = new FirstAnswers(
      [() => slow.promise, async () => 'b'],
      new StillClock(),
      (answer) => void dropped.push(answer),
    )
    const waiting = answers.next()
    answers.close()
    expect(await waiting).toBeNull()
    slow.resolve('late')
    await settle()
    expect(dropped).toEqual(['late'])
    expect(await answers.next()).toBeNull()
  })
})

/** Of the object that is sent; more than any test sends. */
const STRIPES = 64

/** A storage node of which the test decides when it acknowledges. */
class SlowNode {
  readonly target: UploadTarget
  #stream: FrameStream | null = null
  #acked = 0
  #puts = 0
  isAborted = false
  /** Whether every fragment is acknowledged at once. */
  isQuick = true

  constructor(target: UploadTarget) {
    this.target = target
  }

  connect(): FrameStream {
    const [client, node] = framePair('client' as NodeId, this.target.peer.nodeId)
    this.#stream = node
    void this.#serve(node).catch(() => {
      this.isAborted = true
    })
    return client
  }

  get puts(): number {
    return this.#puts
  }

  async ack(count = this.#puts): Promise<void> {
    this.#acked = count
    await this.#send({ op: 'ACK', count: this.#acked })
  }

  async #serve(node: FrameStream): Promise<void> {
    for (;;) {
      const frame = await node.read(1e7, 1e5)
      if (!frame) return
      const message = decodeClientFrame(frame)
      if (message.op === 'GET_HAVE')
        await this.#send({ op: 'HAVE', objectKnown: false, body: new Uint8Array(STRIPES / 8) })
      if (message.op === 'PUT') this.#puts++
      if (message.op === 'PUT' && this.isQuick) await this.ack()
    }
  }

  #send(message: NodeMessage): Promise<void> {
    return this.#stream!.write(...encodeFrame(message))
  }
}

describe('uploads and stragglers', () => {
  const columns = Array.from({ length: 12 }, (_, column) => column)
  const object = makeObject({ seed: 1, k: 6, n: 12, length: 100_000, shardBytesMax: 65_536, columns: [0] })
  const stripe = new Uint8Array(12 * (1024 + 65_536))

  async function begun() {
    const clock = new StillClock()
    const events: XcareEvent[] = []
    const nodes = columns.map((column) => {
      const { op: _, ...order } = openPutOf(object, 0)
      const peer = { nodeId: `node-${column}` as NodeId, addresses: [] }
      return new SlowNode({
        peer,
        columns: [column],
        signOrder: () => ({ ...order, shardBytes: 65_536, stripes: STRIPES, columns: [column] }),
      })
    })
    const byId = new Map(nodes.map((node) => [node.target.peer.nodeId, node]))
    const open = async ({ nodeId }: { nodeId: NodeId }) => {
      const node = byId.get(nodeId)
      if (!node) throw new XcareError('OFFLINE', 'away')
      return node.connect()
    }
    const ports = { transport: { open }, clock, progress: (event: XcareEvent) => void events.push(event) }
    const targets = nodes.map(({ target }) => target)
    const uploads = await NodeUploads.open(ports, PROFILES.grid, targets, false)
    return { uploads, nodes, clock, events }
  }

  /** Fills the window of those that do not acknowledge, 31 fragments of 65 KiB, and sends one stripe more. */
  async function sendTooMuch({ uploads, clock }: Awaited<ReturnType<typeof begun>>, fill = 31) {
    for (let at = 0; at < fill; at++) await uploads.send([{ stripe: at, bytes: stripe, hashes: stripe }])
    await settle()
    clock.asked.length = 0
    const sending = uploads.send([{ stripe: 31, bytes: stripe, hashes: stripe }])
    await settle()
    return { sending }
  }

  test('two stragglers are waited for, and then left behind', async () => {
    const put = await begun()
    for (const node of put.nodes.slice(0, 2)) node.isQuick = false
    const { sending } = await sendTooMuch(put)
    expect(put.clock.asked.at(-1)).toBe(STRAGGLER_MS_MAX)
    expect(put.events).toEqual([])
    put.clock.pass(STRAGGLER_MS_MAX)
    await sending
    expect(put.events.map(({ columns, code }) => [columns, code])).toEqual([
      [[0], 'TIMEOUT'],
      [[1], 'TIMEOUT'],
    ])
    await expect.poll(() => put.nodes.map(({ isAborted }) => isAborted)).toEqual(columns.map((at) => at < 2))
    put.uploads.abort(new Error('over'))
  })

  test('with three of them nobody is left behind as long as they give signs of life', async () => {
    const put = await begun()
    const slow = put.nodes.slice(0, 3)
    for (const node of slow) node.isQuick = false
    const { sending } = await sendTooMuch(put)
    expect(put.clock.asked).toEqual([STRAGGLER_MS_MAX])
    // Half a window at a time is no reason to give them up.
    for (const node of slow) await node.ack(node.puts - 10)
    await settle()
    put.clock.pass(STRAGGLER_MS_MAX)
    await sending
    expect(put.events).toEqual([])
    put.uploads.abort(new Error('over'))
  })

  test('three that freeze: refused after the patience for stragglers, with all three named', async () => {
    const put = await begun()
    for (const node of put.nodes.slice(0, 3)) node.isQuick = false
    const { sending } = await sendTooMuch(put)
    expect(put.clock.asked).toEqual([STRAGGLER_MS_MAX])
    put.clock.pass(STRAGGLER_MS_MAX)
    await expect(sending).rejects.toMatchObject({ code: 'TOO_FEW_NODES' })
    await expect(sending).rejects.toThrow(/only 9 of 12 .*node-0: says nothing; node-1: .*; node-2: /)
  })

  test('patience is spent: who is late again and again is waited for less each time', async () => {
    const put = await begun()
    for (const node of put.nodes.slice(0, 2)) node.isQuick = false
    const first = await sendTooMuch(put)
    put.clock.advance(6_000)
    for (const node of put.nodes.slice(0, 2)) await node.ack()
    await first.sending
    // The last stripe is still under way.
    const again = await sendTooMuch(put, 30)
    expect(put.clock.asked.at(-1)).toBe(STRAGGLER_MS_MAX + 6_000 / 4 - 6_000)
    put.clock.pass(STRAGGLER_MS_MAX)
    await again.sending
    expect(put.events).toHaveLength(2)
    put.uploads.abort(new Error('over'))
  })

  test('buffers are given back once they are durable on every live node', async () => {
    const put = await begun()
    put.nodes[5]!.isQuick = false
    const given: number[] = []
    for (let at = 0; at < 4; at++) {
      given.push((await put.uploads.send([{ stripe: at, bytes: stripe, hashes: stripe }])).length)
      await settle()
    }
    expect(given).toEqual([0, 0, 0, 0])
    await put.nodes[5]!.ack()
    await settle()
    expect((await put.uploads.send([{ stripe: 4, bytes: stripe, hashes: stripe }])).length).toBe(4)
    put.uploads.abort(new Error('over'))
  })
})
