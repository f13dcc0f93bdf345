import type { Lease } from '../budget.ts'
import { cutText, equalBytes } from '../bytes.ts'
import { asXcareError, XcareError } from '../errors.ts'
import { isBoundTo } from '../identity/bound-id.ts'
import { FRAME_IDLE_MS, MANIFEST_BYTES_MAX } from '../limits.ts'
import type { FrameStream } from '../ports.ts'
import {
  BATCH_BYTES_MAX,
  type ClientMessage,
  decodeClientFrame,
  encodeFrame,
  type MessageOf,
  type NodeMessage,
} from '../wire/fragment-protocol.ts'
import type { Conversation, ServeParts } from './serve-parts.ts'
import { ServedPut } from './serve-put.ts'
import { serveFragmentsOf, serveHeads, serveLeaves, serveManifest } from './serve-read.ts'

/** What a client may send in one frame, at most: a manifest or a batch of fragments, and a header. */
const CLIENT_FRAME_BYTES_MAX = Math.max(MANIFEST_BYTES_MAX, BATCH_BYTES_MAX) + 128 * 1024
/** Frames of a refused put that are read and forgotten, so that the refusal arrives before the stream ends. */
const FORGOTTEN_FRAMES_MAX = 4096

/**
 * Serves one stream of the fragment protocol until the client ends it: read, validate, admit, act, reply.
 * Spec: docs/spec/fragment-protocol.md.
 */
export async function serveFragments(stream: FrameStream, parts: ServeParts): Promise<void> {
  const place = parts.gate.enter(stream)
  const session = new Session(stream, parts, place)
  if (place === null) {
    await session.send(errorMessage(new XcareError('BUSY', 'too many streams are open on this node')))
    return
  }
  try {
    await session.run()
  } finally {
    place.release()
    await session.end()
  }
}

class Session implements Conversation {
  readonly parts: ServeParts
  readonly #stream: FrameStream
  readonly #place: Lease | null
  /** What is read for the answer under way. */
  #room: Lease | null = null
  #put: ServedPut | null = null
  #isRefused = false

  constructor(stream: FrameStream, parts: ServeParts, place: Lease | null) {
    this.#stream = stream
    this.#place = place
    this.parts = parts
  }

  async send(message: NodeMessage): Promise<void> {
    await this.write(...encodeFrame(message))
  }

  async write(...parts: Uint8Array[]): Promise<void> {
    await this.#stream.write(...parts)
    this.#touch()
  }

  async withRoom(bytes: number, answer: (keep: (bytes: number) => void) => Promise<void>): Promise<void> {
    const { gate } = this.parts
    const room = await gate.room(this.#stream, bytes)
    this.#room = room
    try {
      await answer((needed) => gate.keep(room, needed))
    } finally {
      this.#room = null
      void this.flushed().finally(() => gate.leave(room))
    }
  }

  async flushed(): Promise<void> {
    await this.#stream.flushed?.()
  }

  recycle(frame: ArrayBuffer): void {
    this.#stream.recycle?.(frame)
  }

  async #next(): Promise<ClientMessage | null> {
    try {
      const frame = await this.#stream.read(CLIENT_FRAME_BYTES_MAX, FRAME_IDLE_MS)
      this.#touch()
      return frame === null ? null : decodeClientFrame(frame)
    } catch (error) {
      if (error instanceof XcareError && error.code === 'TIMEOUT') return null
      throw error
    }
  }

  #touch(): void {
    for (const lease of [this.#place, this.#room]) if (lease) this.parts.gate.touch(lease)
  }

  proven(order: { objectId: Uint8Array; ownerKey: Uint8Array }): void {
    this.parts.onOrder?.(this.#stream.remote, order)
  }

  interrupt(problem: XcareError): void {
    if (this.#isRefused) return
    this.#isRefused = true
    // Whoever cannot hear it any more is met by the next read.
    this.send(errorMessage(problem)).catch(() => null)
  }

  /** Handles requests until the client ends the stream or breaks the rules. */
  async run(): Promise<void> {
    try {
      for (;;) {
        const message = await this.#next()
        if (message === null) return
        await this.#handle(message)
      }
    } catch (error) {
      const problem = asXcareError(error)
      if (problem.code === 'OFFLINE') return
      await this.#refuse(problem)
    }
  }

  /** Ends what the stream had under way. */
  async end(): Promise<void> {
    await this.#put?.close()
  }

  async #handle(message: ClientMessage): Promise<void> {
    switch (message.op) {
      case 'OPEN_PUT':
        await this.#put?.close()
        await this.#requireName(message)
        this.#put = new ServedPut(this, message)
        return
      case 'GET_HAVE':
        return this.#openPut(message).tellHave()
      case 'VERIFY':
        return this.#openPut(message).verify(message)
      case 'PUT':
        return this.#openPut(message).take(message)
      case 'DONE':
        await this.#openPut(message).finish(message.body)
        this.#put = null
        return
      default:
        return this.#answered(() => this.#read(message))
    }
  }

  /** A name follows from its owner's key, or is on the chain under that key since before names did. */
  async #requireName({ objectId, ownerKey }: MessageOf<'OPEN_PUT'>): Promise<void> {
    if (isBoundTo('object', objectId, ownerKey)) return
    const owner = await this.parts.anchoredOwner(objectId)
    if (owner && equalBytes(owner, ownerKey)) return
    throw new XcareError('REFUSED', 'the name of the object does not follow from its owner key')
  }

  async #read(message: Exclude<ClientMessage, { op: PutOp }>): Promise<void> {
    switch (message.op) {
      case 'GET':
        return serveFragmentsOf(this, message)
      case 'GET_HEADS':
        return serveHeads(this, message)
      case 'GET_LEAVES':
        return serveLeaves(this, message)
      case 'GET_MANIFEST':
        return serveManifest(this, message)
      case 'DELETE':
        await this.parts.store.call('delete', message)
        this.proven(message)
        return this.send({ op: 'END' })
      case 'GET_STATUS':
        return this.#tellStatus()
      case 'GET_HEALTH':
        return this.#tellHealth()
    }
  }

  async #tellStatus(): Promise<void> {
    const { fragments, usedBytes, quotaBytes, readOnly } = await this.parts.store.call('status')
    await this.send({ op: 'STATUS', fragments, usedBytes, quotaBytes, readOnly, version: this.parts.version })
  }

  async #tellHealth(): Promise<void> {
    const { store, chain } = this.parts
    const { damaged, unanchored, lostVolumes, unreadSinceMs } = await store.health()
    const told = { damaged, unanchored, lostVolumes, unreadSinceMs: unreadSinceMs ?? 0 }
    await this.send({ op: 'HEALTH', ...told, ...chain() })
  }

  /** Answers a request; a refusal leaves the stream open for the next one, unless the client broke the rules. */
  async #answered(request: () => Promise<void>): Promise<void> {
    try {
      await request()
    } catch (error) {
      const problem = asXcareError(error)
      if (problem.code === 'MALFORMED' || problem.code === 'OFFLINE') throw problem
      await this.send(errorMessage(problem))
    }
  }

  #openPut(message: MessageOf<'GET_HAVE' | 'VERIFY' | 'PUT' | 'DONE'>): ServedPut {
    if (this.#put === null) throw new XcareError('MALFORMED', `${message.op} without OPEN_PUT`)
    return this.#put
  }

  /** Says why the stream ends, and lets the client finish its sentence so that it can hear it. */
  async #refuse(problem: XcareError): Promise<void> {
    await this.#put?.close()
    this.#put = null
    this.interrupt(problem)
    await this.#stream.close()
    for (let frames = 0; frames < FORGOTTEN_FRAMES_MAX; frames++) {
      const frame = await this.#stream.read(CLIENT_FRAME_BYTES_MAX, FRAME_IDLE_MS)
      if (frame === null) return
    }
    throw problem
  }
}

type PutOp = 'OPEN_PUT' | 'GET_HAVE' | 'VERIFY' | 'PUT' | 'DONE'

/** What broke inside stays inside. */
function errorMessage(error: XcareError): MessageOf<'ERR'> {
  const sentence = error.code === 'INTERNAL' ? 'the node failed' : error.message
  const message = cutText(sentence.replace(/\p{Cc}/gu, ' '), 300) || 'refused'
  return { op: 'ERR', code: error.code, message }
}
