import { afterEach, expect, test } from 'vitest'
import type { FrameStream } from '../../src/ports.ts'
import { address, ourPeer, soon, stopAll } from './_stock.ts'
import { countTurns } from './_turns.ts'

const PROTOCOL = '/test/pour/1'
const MIB = 1024 * 1024
const FRAME = 64 * 1024
const FRAMES = 24
const PEERS = 12

afterEach(stopAll)

/** Sends FRAMES frames at once when it is asked to. */
async function pour(stream: FrameStream): Promise<void> {
  await stream.read(10, 20_000)
  for (let at = 0; at < FRAMES; at++) await stream.write(new Uint8Array(FRAME).fill(at))
}

test('what a dozen peers sent meanwhile is taken in turns of a few MiB, and all of it', async () => {
  const servers = await Promise.all(Array.from({ length: PEERS }, (_, at) => ourPeer(at + 1)))
  for (const server of servers) await server.handle(PROTOCOL, pour, { maxInboundStreams: 4 })
  const client = await ourPeer(99, { listen: [] })
  const streams = await Promise.all(servers.map((server) => client.open(address(server), PROTOCOL, soon())))
  const turns = countTurns()
  await Promise.all(
    streams.map(async (stream, peer) => {
      await stream.write(Uint8Array.of(1))
      for (let at = 0; at < FRAMES; at++) {
        const frame = await stream.read(FRAME, 20_000)
        if (frame?.length !== FRAME || frame[0] !== at || frame[FRAME - 1] !== at)
          throw new Error(`frame ${at} of peer ${peer} is another`)
        turns.happened(FRAME)
      }
    }),
  )
  const counts = turns.end()
  expect(counts.reduce((sum, bytes) => sum + bytes)).toBe(PEERS * FRAMES * FRAME)
  // Beyond the bound lies what one read of each socket brings.
  expect(Math.max(...counts)).toBeLessThan(5 * MIB)
})
