import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, describe, expect, test } from 'vitest'
import { OneATurn } from '../../src/net/one-a-turn.ts'
import { address, echo, ourPeer, soon, stopAll } from './_stock.ts'
import { countTurns } from './_turns.ts'

const PROTOCOL = '/test/echo/1'
/** Node tells of every TCP client socket that is made. */
const SOCKETS = 'net.client.socket'

afterEach(stopAll)

describe('one a turn', () => {
  test('those who come together go on in their order, each in a turn of its own', async () => {
    const gate = new OneATurn()
    const turns = countTurns()
    const order: number[] = []
    await Promise.all(
      Array.from({ length: 20 }, async (_, at) => {
        await gate.pass()
        turns.happened()
        order.push(at)
      }),
    )
    expect(Math.max(...turns.end())).toBe(1)
    expect(order).toEqual([...order.keys()])
    expect(order).toHaveLength(20)
  })

  test('who comes alone later does not wait for earlier ones', async () => {
    const gate = new OneATurn()
    await gate.pass()
    const turns = countTurns()
    await gate.pass()
    expect(turns.end().length).toBeLessThanOrEqual(3)
  })
})

test('a peer that is asked for a dozen others at once begins with one of them a turn', async () => {
  const servers = await Promise.all(Array.from({ length: 12 }, (_, at) => ourPeer(at + 1)))
  for (const server of servers) await server.handle(PROTOCOL, echo, { maxInboundStreams: 4 })
  const client = await ourPeer(99, { listen: [] })
  const turns = countTurns()
  const onSocket = () => turns.happened()
  subscribe(SOCKETS, onSocket)
  try {
    await Promise.all(
      servers.map(async (server) => {
        const stream = await client.open(address(server), PROTOCOL, soon())
        await stream.write(Uint8Array.of(7))
        expect(await stream.read(1, 5000)).toEqual(Uint8Array.of(7))
      }),
    )
  } finally {
    unsubscribe(SOCKETS, onSocket)
  }
  const counts = turns.end()
  expect(counts.reduce((sum, count) => sum + count)).toBe(12)
  expect(Math.max(...counts)).toBe(1)
})
