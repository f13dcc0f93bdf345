import { afterEach, expect, test } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import type { FrameStream } from '../../src/ports.ts'
import { address, ourPeer, soon, stopAll } from './_stock.ts'

afterEach(stopAll)

/** A server that answers each frame with the number of the stream it came on. */
async function numbered() {
  const server = await ourPeer(1)
  const client = await ourPeer(2, { listen: [] })
  const streams: FrameStream[] = []
  await server.handle(
    '/test/numbered/1',
    async (stream) => {
      streams.push(stream)
      const name = utf8(String(streams.length))
      while (await stream.read(100, 5000)) await stream.write(name)
    },
    { maxInboundStreams: 64 },
  )
  const open = () => client.open(address(server), '/test/numbered/1', soon())
  const ask = async (stream: FrameStream) => {
    await stream.write(utf8('?'))
    return Number(Buffer.from((await stream.read(100, 5000))!).toString())
  }
  return { open, ask, streams, client }
}

test('a released stream serves the next exchange; a closed one does not, and two at once have one each', async () => {
  const { open, ask } = await numbered()
  const first = await open()
  expect(await ask(first)).toBe(1)
  first.release()
  const again = await open()
  const beside = await open()
  expect([await ask(again), await ask(beside)]).toEqual([1, 2])
  await again.close()
  beside.release()
  const last = await open()
  expect(await ask(last)).toBe(2)
  expect(await ask(await open())).toBe(3)
})

test('who released a stream can neither use nor break it any more', async () => {
  const { open, ask } = await numbered()
  const first = await open()
  await ask(first)
  first.release()
  first.release()
  const second = await open()
  first.abort(new Error('too late'))
  await first.close()
  expect(() => first.write(utf8('?'))).toThrow('has ended')
  expect(await ask(second)).toBe(1)
})

test('a stream that the other side ended, or that has an answer nobody read, is not used again', async () => {
  const { open, ask, streams } = await numbered()
  const ended = await open()
  await ask(ended)
  ended.release()
  streams[0]!.abort(new Error('gone'))
  await new Promise((resolve) => setTimeout(resolve, 100))
  const unread = await open()
  expect(await ask(unread)).toBe(2)
  await unread.write(utf8('?'))
  await new Promise((resolve) => setTimeout(resolve, 100))
  unread.release()
  expect(await ask(await open())).toBe(3)
})

test('an idle stream is let go after some seconds, so that nodes do not keep streams of those who left', async () => {
  const { open, ask, streams } = await numbered()
  const stream = await open()
  await ask(stream)
  let ended = false
  const watched = streams[0]!.read
  streams[0]!.read = async (...args) => {
    const frame = await watched.apply(streams[0]!, args)
    ended = frame === null
    return frame
  }
  await ask(stream)
  stream.release()
  while (!ended) await new Promise((resolve) => setTimeout(resolve, 10))
  expect(await ask(await open())).toBe(2)
}, 60_000)
