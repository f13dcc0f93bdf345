import { XcareError } from '../errors.ts'
import { CreditWindow, creditBytes, type MessageOf, type NodeMessage } from '../wire/fragment-protocol.ts'
import type { Conversation } from './serve-parts.ts'

/** Sends whole fragments of a column in order, read ahead in large runs; damaged ones are left out. */
export async function serveFragmentsOf(session: Conversation, message: MessageOf<'GET'>): Promise<void> {
  const { store } = session.parts
  const { to, ...key } = message
  if (message.hashes) await sendHashes(session, message)
  const answer = new CreditedAnswer(session)
  const read = (from: number) => (from < to ? store.call('fragments', columnOf(key), from, to) : null)
  let ahead = read(message.from)
  while (ahead !== null) {
    const { bytes, parts, next } = await ahead
    ahead = read(next)
    // A failure of the run ahead is met when it is awaited.
    ahead?.catch(() => null)
    for (const { stripe, at, length } of parts)
      await answer.send({ op: 'FRAG', stripe, body: bytes.subarray(at, at + length) })
  }
  await session.send({ op: 'END' })
}

/** Sends the key shares of a column without touching its fragments. */
export async function serveHeads(session: Conversation, message: MessageOf<'GET_HEADS'>): Promise<void> {
  const runs = await session.parts.store.call('shares', columnOf(message), message.from, message.to)
  const answer = new CreditedAnswer(session)
  for (const { from, shares } of runs) await answer.send({ op: 'HEADS', from, body: shares })
  await session.send({ op: 'END' })
}

/** Sends ranges of leaves, each with its proof; ranges of damaged fragments are left out. */
export async function serveLeaves(session: Conversation, message: MessageOf<'GET_LEAVES'>): Promise<void> {
  const { store } = session.parts
  if (message.hashes) await sendHashes(session, message)
  const answer = new CreditedAnswer(session)
  for (const range of message.ranges) {
    const run = await store.call('leaves', columnOf(message), range)
    if (run === null) continue
    const { stripe, first, count, proofBytes, bytes } = run
    await answer.send({ op: 'LEAVES', stripe, first, count, proofBytes, body: bytes })
  }
  await session.send({ op: 'END' })
}

/** Sends the newest manifest of an object. */
export async function serveManifest(
  session: Conversation,
  { objectId }: MessageOf<'GET_MANIFEST'>,
): Promise<void> {
  const body = await session.parts.store.call('manifest', objectId)
  await session.send({ op: 'MANIFEST', body })
}

async function sendHashes(session: Conversation, message: MessageOf<'GET' | 'GET_LEAVES'>): Promise<void> {
  const key = columnOf(message)
  await session.send({ op: 'HASHES', ...key, body: await session.parts.store.call('hashes', key) })
}

function columnOf({ objectId, version, column }: { objectId: Uint8Array; version: number; column: number }) {
  return { objectId, version, column }
}

/** Sends messages that use credit, and waits for the client's ACKs where it runs out. */
class CreditedAnswer {
  readonly #session: Conversation
  readonly #window = new CreditWindow()

  constructor(session: Conversation) {
    this.#session = session
  }

  async send(message: NodeMessage): Promise<void> {
    const size = creditBytes(message)
    while (!this.#window.hasRoom(size)) await this.#ack()
    this.#window.take(size)
    await this.#session.send(message)
  }

  async #ack(): Promise<void> {
    const message = await this.#session.next()
    if (message === null) throw new XcareError('OFFLINE', 'the client left before the answer ended')
    if (message.op !== 'ACK') throw new XcareError('MALFORMED', `${message.op} while an answer is under way`)
    this.#window.settle(message.count)
  }
}
