import type { MultiaddrConnection, Stream, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { yamux } from '@libp2p/yamux'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat, u32be } from '../../src/bytes.ts'
import { Admission } from '../../src/net/admission.ts'
import { muxer } from '../../src/net/mux/muxer.ts'

const KIB = 1024
const WINDOW = 2048 * KIB
const FIRST_WINDOW = 256 * KIB
const SYN = 1
const ACK = 2
const [DATA, UPDATE, PING, GO_AWAY] = [0, 1, 2, 3]

const ours = muxer(
  new Admission(
    () => 'stranger',
    () => performance.now(),
  ),
)()
const stock = yamux()() as unknown as StreamMuxerFactory

const frame = (type: number, flags: number, stream: number, length: number, body = new Uint8Array(0)) =>
  concat(new Uint8Array([0, type, 0, flags]), u32be(stream), u32be(length), body)

interface Seen {
  type: number
  flags: number
  stream: number
  length: number
}

/** Our muxer at one end, plain bytes at the other. */
async function bare(): Promise<{
  mux: StreamMuxer
  far: MultiaddrConnection
  seen(): Seen[]
  streams: Stream[]
}> {
  const [near, far] = multiaddrConnectionPair()
  let bytes: Uint8Array = new Uint8Array(0)
  far.addEventListener('message', ({ data }) => {
    bytes = concat(bytes, data.subarray())
  })
  const mux = ours.createStreamMuxer(near)
  const streams: Stream[] = []
  mux.addEventListener('stream', ({ detail }) => streams.push(detail))
  const seen = () => {
    const found: Seen[] = []
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    for (let at = 0; at + 12 <= bytes.length; ) {
      const [type, length] = [bytes[at + 1]!, view.getUint32(at + 8)]
      found.push({ type, flags: bytes[at + 3]!, stream: view.getUint32(at + 4), length })
      at += 12 + (type === DATA ? length : 0)
    }
    return found
  }
  return { mux, far, seen, streams }
}

/** Number of a stream that the plain end may open: odd for the one that dialled. */
const theirId = (far: MultiaddrConnection) => (far.direction === 'outbound' ? 1 : 2)

const until = async (isTrue: () => boolean) => {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 1))
}

describe('the muxer', () => {
  test.each([
    ['the library', ours, stock],
    ['the library, called', stock, ours],
    ['itself', ours, ours],
  ])('carries many streams both ways, however the bytes are cut, with %s', async (_, one, two) => {
    const messages = fc.array(fc.integer({ min: 1, max: 700 * KIB }), { minLength: 1, maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(fc.array(messages, { minLength: 1, maxLength: 4 }), async (plan) => {
        const [near, far] = multiaddrConnectionPair()
        const left = one.createStreamMuxer(near)
        const right = two.createStreamMuxer(far)
        right.addEventListener('stream', ({ detail }) => {
          detail.addEventListener('message', ({ data }) => void detail.send(data))
          detail.addEventListener('remoteCloseWrite', () => void detail.close())
        })
        await Promise.all(
          plan.map(async (lengths, index) => {
            const stream = await left.createStream()
            let back = 0
            stream.addEventListener('message', ({ data }) => {
              back += data.byteLength
              expect(data.subarray().every((byte) => byte === index)).toBe(true)
            })
            const ended = Promise.withResolvers<void>()
            stream.addEventListener('remoteCloseWrite', () => ended.resolve())
            for (const length of lengths) stream.send(new Uint8Array(length).fill(index))
            await stream.close()
            await ended.promise
            expect(back).toBe(lengths.reduce((sum, length) => sum + length, 0))
          }),
        )
        await until(() => left.streams.length === 0 && right.streams.length === 0)
        left.abort(new Error('over'))
      }),
      { numRuns: 12 },
    )
  })

  test('opens the window once for a stream and then by halves, not for each frame', async () => {
    const { far, seen, streams } = await bare()
    const id = theirId(far)
    far.send(frame(UPDATE, SYN, id, 0))
    await until(() => seen().length > 0)
    expect(seen()).toEqual([{ type: UPDATE, flags: ACK, stream: id, length: WINDOW - FIRST_WINDOW }])
    let got = 0
    streams[0]!.addEventListener('message', ({ data }) => {
      got += data.byteLength
    })
    for (let sent = 0; sent < 32; sent++) far.send(frame(DATA, 0, id, 64 * KIB, new Uint8Array(64 * KIB)))
    await until(() => got === WINDOW)
    const updates = seen().slice(1)
    expect(updates.length).toBeLessThanOrEqual(2)
    expect(updates.every(({ type, length }) => type === UPDATE && length >= WINDOW / 2)).toBe(true)
  })

  test('sends no more than the window allows, and the rest when it opens', async () => {
    const { mux, far, seen } = await bare()
    const stream = await mux.createStream()
    expect(stream.send(new Uint8Array(FIRST_WINDOW + 5))).toBe(false)
    const sent = () => seen().reduce((sum, { type, length }) => sum + (type === DATA ? length : 0), 0)
    await until(() => sent() === FIRST_WINDOW)
    far.send(frame(UPDATE, ACK, seen()[0]!.stream, 100))
    await until(() => sent() === FIRST_WINDOW + 5)
  })

  test('answers a ping', async () => {
    const { far, seen } = await bare()
    far.send(frame(PING, SYN, 0, 77))
    await until(() => seen().length > 0)
    expect(seen()).toEqual([{ type: PING, flags: ACK, stream: 0, length: 77 }])
  })

  test.each([
    ['another version', (_: number) => new Uint8Array(12).fill(1)],
    ['an unknown type', (_: number) => frame(4, 0, 0, 0)],
    ['a stream under a number of ours', (id: number) => frame(UPDATE, SYN, id + 1, 0)],
    ['a stream without a number', (_: number) => frame(UPDATE, SYN, 0, 0)],
    [
      'more than the window',
      (id: number) => concat(frame(UPDATE, SYN, id, 0), frame(DATA, 0, id, WINDOW + 1)),
    ],
    ['the answer to no ping', (_: number) => frame(PING, ACK, 0, 1)],
  ])('cuts a remote off that sends %s', async (_, bytes) => {
    const { mux, far, seen } = await bare()
    far.send(bytes(theirId(far)))
    await until(() => mux.status === 'closed')
    await until(() => far.status !== 'open')
    expect(seen().filter(({ type }) => type === GO_AWAY).length).toBeLessThanOrEqual(1)
  })

  test('passes over frames of streams that are gone', async () => {
    const { mux, far, seen } = await bare()
    far.send(
      concat(frame(DATA, 0, 901, 3, new Uint8Array(3)), frame(UPDATE, 0, 903, 5), frame(PING, SYN, 0, 1)),
    )
    await until(() => seen().length > 0)
    expect(mux.status).toBe('open')
  })
})
