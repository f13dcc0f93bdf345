import { afterEach, describe, expect, test } from 'vitest'
import { concat } from '../../src/bytes.ts'
import { MUX_ANSWERS_MAX, MUX_ANSWERS_PAUSE, MUXED_STREAMS } from '../../src/limits.ts'
import { type AnswerLink, Answers } from '../../src/net/mux/_answers.ts'
import { ourPeer, stopAll } from '../net/_stock.ts'
import { ACK, muxFrame, PING, RawConnection, RST, SYN, WINDOW } from './raw-connection.ts'

afterEach(stopAll)

function repeated(count: number, frame: (at: number) => Uint8Array): Uint8Array {
  const bytes = new Uint8Array(count * 12)
  for (let at = 0; at < count; at++) bytes.set(frame(at), at * 12)
  return bytes
}

describe('a remote that asks for answers', () => {
  test('by pings without end gets a pong now and then, the last one for its last ping', async () => {
    const connection = await RawConnection.open(await ourPeer(1))
    const pings = 200_000
    connection.deafen()
    connection.say(repeated(pings, (at) => muxFrame(PING, SYN, 0, at)))
    connection.listen()
    const pongs = () => connection.frames.filter(({ type, flags }) => type === PING && flags === ACK)
    await connection.hears(() => pongs().at(-1)?.length === pings - 1)
    expect(pongs().at(-1)?.length).toBe(pings - 1)
    expect(pongs().length).toBeLessThan(pings / 20)
    await connection.close()
  })

  test('by opening streams without end has as many as one stranger may, and hears that the rest is refused', async () => {
    const connection = await RawConnection.open(await ourPeer(1))
    const streams = 2000
    connection.say(repeated(streams, (at) => muxFrame(WINDOW, SYN, 2 * at + 1, 0)))
    const told = (flag: number) =>
      connection.frames.filter(({ type, flags }) => type === WINDOW && flags & flag).length
    await connection.hears(() => told(RST) + told(ACK) >= streams)
    expect(told(RST)).toBeGreaterThanOrEqual(streams - MUXED_STREAMS.perStranger)
    expect(connection.isOpen).toBe(true)
    await connection.close()
  })
})

test('a remote that floods and cuts the connection ends nothing but that', async () => {
  const server = await ourPeer(1)
  for (let round = 0; round < 5; round++) {
    const connection = await RawConnection.open(server)
    connection.deafen()
    for (const type of [PING, WINDOW])
      connection.say(repeated(20_000, (at) => muxFrame(type, SYN, type === PING ? 0 : 2 * at + 1, at)))
    await connection.close()
  }
  await expect.poll(() => server.connected()).toEqual([])
})

describe('answers that are not taken', () => {
  class StuckLink implements AnswerLink {
    readonly sent: Uint8Array[] = []
    reading = true
    #taken = Promise.withResolvers<void>()

    sendAnswers(bytes: Uint8Array): void {
      this.sent.push(bytes)
    }

    flushed(): Promise<void> {
      return this.#taken.promise
    }

    stopReading(): void {
      this.reading = false
    }

    readOn(): void {
      this.reading = true
    }

    /** The remote takes all there is. */
    async takes(): Promise<void> {
      this.#taken.resolve()
      this.#taken = Promise.withResolvers<void>()
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const frame = (at: number) => muxFrame(WINDOW, RST, at, 0)

  test('are one pong, however many pings came', async () => {
    const link = new StuckLink()
    const answers = new Answers(link)
    for (let at = 0; at < 100_000; at++) answers.pong(muxFrame(PING, ACK, 0, at))
    expect(link.sent).toEqual([muxFrame(PING, ACK, 0, 0)])
    await link.takes()
    expect(link.sent.at(-1)).toEqual(muxFrame(PING, ACK, 0, 99_999))
    expect(link.reading).toBe(true)
  })

  test('stop the reading above a mark, and it goes on when they are taken', async () => {
    const link = new StuckLink()
    const answers = new Answers(link)
    for (let at = 0; at <= MUX_ANSWERS_PAUSE; at++) answers.refuse(frame(at))
    expect(link.reading).toBe(false)
    await link.takes()
    expect(link.reading).toBe(true)
    expect(concat(...link.sent).length).toBe((MUX_ANSWERS_PAUSE + 1) * 12)
  })

  test('cut the connection where reading cannot be stopped', () => {
    const answers = new Answers(new StuckLink())
    const flood = () => {
      for (let at = 0; at <= MUX_ANSWERS_MAX; at++) answers.sent()
    }
    expect(flood).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
  })

  test('are forgotten when the connection ends meanwhile', async () => {
    const link = new StuckLink()
    const answers = new Answers(link)
    answers.pong(muxFrame(PING, ACK, 0, 1))
    answers.pong(muxFrame(PING, ACK, 0, 2))
    for (let at = 0; at <= MUX_ANSWERS_PAUSE; at++) answers.refuse(frame(at))
    link.sendAnswers = () => {
      throw new Error('closed')
    }
    link.readOn = link.sendAnswers as () => void
    // A rejection that nobody handles would end a node, and fails this run.
    await link.takes()
  })

  test('are noticed when nothing was taken from one look to the next', async () => {
    const link = new StuckLink()
    const answers = new Answers(link)
    expect(answers.isStalled()).toBe(false)
    answers.pong(muxFrame(PING, ACK, 0, 1))
    expect([answers.isStalled(), answers.isStalled()]).toEqual([false, true])
    await link.takes()
    expect(answers.isStalled()).toBe(false)
  })
})
