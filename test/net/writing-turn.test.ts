import { afterEach, describe, expect, test } from 'vitest'
import { laterTurn } from '../../src/net/one-a-turn.ts'
import { writingTurn } from '../../src/net/tls/_writing-turn.ts'
import type { FrameStream } from '../../src/ports.ts'
import { address, ourPeer, soon, stopAll } from './_stock.ts'
import { countTurns } from './_turns.ts'

const PROTOCOL = '/test/drink/1'
const MIB = 1024 * 1024
const PEERS = 12

afterEach(stopAll)

/** Takes one MiB and says so. */
async function drink(stream: FrameStream): Promise<void> {
  const frame = await stream.read(MIB, 20_000)
  await stream.write(Uint8Array.of(frame?.at(-1) ?? 0))
}

describe('a writing turn', () => {
  test('takes what is small at once', () => {
    let count = 0
    for (let at = 0; at < 100; at++) writingTurn.take(100, () => count++)
    expect(count).toBe(100)
  })

  test('does not wait for a turn with what is small, right after much was written', async () => {
    await laterTurn()
    const order: string[] = []
    writingTurn.take(4 * MIB, () => order.push('much'))
    writingTurn.take(10, () => order.push('little'))
    expect(order).toEqual(['much', 'little'])
  })

  test('spreads twelve MiB over turns, in their order, none more than the bound and one share', async () => {
    await laterTurn()
    const turns = countTurns()
    const order: number[] = []
    await Promise.all(
      Array.from(
        { length: 24 },
        (_, at) =>
          new Promise<void>((resolve) =>
            writingTurn.take(MIB / 2, () => {
              order.push(at)
              turns.happened(MIB / 2)
              resolve()
            }),
          ),
      ),
    )
    const counts = turns.end()
    expect(order).toEqual([...order.keys()])
    expect(order).toHaveLength(24)
    expect(Math.max(...counts)).toBeLessThanOrEqual(3.5 * MIB)
  })

  test('what waits is not overtaken by what comes later', async () => {
    await laterTurn()
    const order: string[] = []
    const done = Promise.withResolvers<void>()
    writingTurn.take(4 * MIB, () => order.push('much'))
    writingTurn.take(MIB, () => order.push('next'))
    await Promise.resolve()
    writingTurn.take(10, () => {
      order.push('little')
      done.resolve()
    })
    expect(order).toEqual(['much'])
    await done.promise
    expect(order).toEqual(['much', 'next', 'little'])
  })
})

test('a MiB for each of a dozen peers, written in one go, arrives whole; one that hangs up meanwhile keeps none of it back', async () => {
  const servers = await Promise.all(Array.from({ length: PEERS }, (_, at) => ourPeer(at + 1)))
  for (const server of servers) await server.handle(PROTOCOL, drink, { maxInboundStreams: 4 })
  const client = await ourPeer(99, { listen: [] })
  const streams = await Promise.all(servers.map((server) => client.open(address(server), PROTOCOL, soon())))
  const writing = streams.map((stream, at) => stream.write(new Uint8Array(MIB).fill(at + 1)))
  streams[0]!.abort(new Error('given up'))
  await Promise.allSettled(writing)
  const answers = await Promise.all(streams.slice(1).map((stream) => stream.read(1, 20_000)))
  expect(answers.map((answer) => answer?.[0])).toEqual(streams.slice(1).map((_, at) => at + 2))
})
