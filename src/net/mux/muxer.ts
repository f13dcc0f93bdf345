import type { AbortOptions, MessageStream, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import { AbstractStreamMuxer } from '@libp2p/utils'
import { Uint8ArrayList } from 'uint8arraylist'
import { concat } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import { inBackground } from '../_background.ts'
import { type Admission, leavePlace, type StreamPlace, type StreamPlaces } from '../admission.ts'
import { TlsMessageStream } from '../tls/tls-stream.ts'
import { type AnswerLink, Answers } from './_answers.ts'
import { decodeFrameHeader, encodeFrameHeader, FLAG, FRAME, FRAME_HEADER_BYTES } from './_frame.ts'
import { MuxedStream, type MuxLink } from './_stream.ts'

const PROTOCOL = '/yamux/1.0.0'
/** Streams that we open on one connection, at most. */
const STREAMS_MAX = 1024
/** Streams the remote may open before we listen. */
const EARLY_STREAMS_MAX = 10
const KEEP_ALIVE_MS = 30_000
const GO_AWAY = { normal: 0, protocolError: 1, internalError: 2 } as const
/** A frame up to this size is one piece: copying it is cheaper than writing it in two. */
const SHORT_BYTES = 1024
const NOTHING: readonly Uint8Array[] = []

/**
 * Many streams over one connection by the yamux protocol. It speaks what the library's muxer speaks, with a tenth of its work for
 * each fragment: bytes are handed on as they come, and the window is opened again by halves.
 * Spec: docs/spec/transport.md section 3; why: docs/adr/0064-own-muxer.md.
 */
export function muxer(admission: Admission): () => StreamMuxerFactory {
  return () => ({
    protocol: PROTOCOL,
    createStreamMuxer(connection: MessageStream): StreamMuxer {
      const counted = connection instanceof TlsMessageStream ? connection.transport : connection
      return new Muxer(connection, admission.streamsOf(counted))
    },
  })
}

class Muxer extends AbstractStreamMuxer<MuxedStream> implements MuxLink, AnswerLink {
  declare log: MuxLink['log']
  readonly #byId = new Map<number, MuxedStream>()
  readonly #connection: MessageStream
  readonly #isClient: boolean
  readonly #keepAlive: NodeJS.Timeout
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES)
  #headerFill = 0
  /** Body of the data frame under way: bytes still to come, whom they are for, and the flags that follow them. */
  #bodyLeft = 0
  #bodyOf: MuxedStream | null = null
  #bodyFlags = 0
  #nextId: number
  #pings = 0
  /** Pings that were sent and not answered. */
  readonly #pinged = new Set<number>()

  readonly #answers = new Answers(this)
  readonly #places: StreamPlaces
  #opened = 0

  constructor(connection: MessageStream, places: StreamPlaces) {
    super(connection, { protocol: PROTOCOL, name: 'yamux', maxEarlyStreams: EARLY_STREAMS_MAX })
    this.#connection = connection
    this.#places = places
    this.#isClient = connection.direction === 'outbound'
    this.#nextId = this.#isClient ? 1 : 2
    this.#keepAlive = inBackground(setInterval(() => this.#ping(), KEEP_ALIVE_MS))
    if (connection instanceof TlsMessageStream) connection.readDirectly((chunk) => this.#takeSafely(chunk))
  }

  sendFrame(
    type: number,
    flags: number,
    stream: number,
    length: number,
    body: readonly Uint8Array[],
  ): boolean {
    const header = encodeFrameHeader(type, flags, stream, length)
    const isShort = type === FRAME.data && length <= SHORT_BYTES
    const parts = isShort ? [concat(header, ...body)] : [header, ...body]
    if (!(this.#connection instanceof TlsMessageStream)) return this.send(copyOf(parts))
    const canSendMore = this.#connection.sendParts(parts)
    if (!canSendMore) for (const each of this.streams) each.onMuxerNeedsDrain()
    return canSendMore
  }

  async flushed(): Promise<void> {
    if (this.#connection instanceof TlsMessageStream) await this.#connection.flushed()
    // Nobody hears from a connection that was closed.
    else await this.#connection.onDrain().catch(() => null)
  }

  sendAnswers(bytes: Uint8Array): void {
    if (this.#connection instanceof TlsMessageStream) this.#connection.sendParts([bytes])
    else this.send(new Uint8ArrayList(bytes))
  }

  stopReading(): void {
    if (this.#connection instanceof TlsMessageStream) this.#connection.hold()
    else if (this.#connection.status === 'open') this.#connection.pause()
  }

  readOn(): void {
    if (this.#connection instanceof TlsMessageStream) this.#connection.letGo()
    else if (this.#connection.status === 'open') this.#connection.resume()
  }

  touch(place: StreamPlace | null): void {
    this.#places.touch(place)
  }

  hold(place: StreamPlace, bytes: number): boolean {
    return this.#places.hold(place, bytes)
  }

  override onData(data: Uint8Array | Uint8ArrayList): void {
    if (data instanceof Uint8Array) this.#take(data)
    else for (const chunk of data) this.#take(chunk)
  }

  override onCreateStream(): MuxedStream {
    if (this.#opened >= STREAMS_MAX)
      throw new XcareError('BUSY', 'too many streams are open on this connection')
    const stream = this.#newStream(this.#nextId, 'outbound')
    this.#opened++
    stream.addEventListener('close', () => this.#opened--, { once: true })
    this.#nextId += 2
    // First the library notes the stream, then the remote may answer.
    queueMicrotask(() => stream.announce())
    return stream
  }

  override async close(options: AbortOptions = {}): Promise<void> {
    if (this.status !== 'open') return
    try {
      await super.close(options)
      this.#goAway(GO_AWAY.normal)
    } finally {
      clearInterval(this.#keepAlive)
    }
  }

  override abort(error: Error): void {
    if (this.status === 'closed') return
    clearInterval(this.#keepAlive)
    super.abort(error)
    const isTheirs = error instanceof XcareError && error.code === 'MALFORMED'
    this.#goAway(isTheirs ? GO_AWAY.protocolError : GO_AWAY.internalError)
  }

  override onTransportClosed(error?: Error): void {
    clearInterval(this.#keepAlive)
    super.onTransportClosed(error)
  }

  #takeSafely(chunk: Uint8Array): void {
    try {
      this.#take(chunk)
    } catch (error) {
      this.abort(error as Error)
      this.#connection.abort(error as Error)
    }
  }

  #take(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#bodyLeft > 0) at = this.#takeBody(chunk, at)
      else if (this.#headerFill === 0 && chunk.length - at >= FRAME_HEADER_BYTES) {
        this.#takeHeader(chunk, at)
        at += FRAME_HEADER_BYTES
      } else at = this.#gatherHeader(chunk, at)
    }
  }

  #takeBody(chunk: Uint8Array, at: number): number {
    const length = Math.min(chunk.length - at, this.#bodyLeft)
    this.#bodyLeft -= length
    const isAll = length === chunk.length
    this.#bodyOf?.take(isAll ? chunk : new Uint8Array(chunk.buffer, chunk.byteOffset + at, length))
    if (this.#bodyLeft === 0) this.#bodyOf?.takeFlags(this.#bodyFlags)
    return at + length
  }

  #gatherHeader(chunk: Uint8Array, at: number): number {
    const length = Math.min(chunk.length - at, FRAME_HEADER_BYTES - this.#headerFill)
    this.#header.set(chunk.subarray(at, at + length), this.#headerFill)
    this.#headerFill += length
    if (this.#headerFill === FRAME_HEADER_BYTES) {
      this.#headerFill = 0
      this.#takeHeader(this.#header, 0)
    }
    return at + length
  }

  #takeHeader(bytes: Uint8Array, at: number): void {
    const header = decodeFrameHeader(bytes, at)
    if (header === null) throw new XcareError('MALFORMED', 'the remote does not speak yamux')
    const { type, flags, stream, length } = header
    if (type === FRAME.ping) this.#takePing(flags, length)
    else if (type === FRAME.goAway) this.#takeGoAway(length)
    else this.#takeStreamFrame(type, flags, stream, length)
  }

  #takeStreamFrame(type: number, flags: number, id: number, length: number): void {
    if (flags & FLAG.syn) this.#accept(id)
    // Frames for streams that are gone are passed over.
    const stream = this.#byId.get(id) ?? null
    if (type === FRAME.window) {
      stream?.widen(length)
      stream?.takeFlags(flags)
      return
    }
    stream?.expect(length)
    this.#bodyLeft = length
    this.#bodyOf = stream
    this.#bodyFlags = flags
    if (length === 0) stream?.takeFlags(flags)
  }

  #accept(id: number): void {
    if (this.#isClient !== (id % 2 === 0) || id === 0)
      throw new XcareError('MALFORMED', 'the remote opened a stream under a number of ours')
    if (this.#byId.has(id)) return
    const end = () =>
      this.#byId.get(id)?.abort(new XcareError('BUSY', 'others need the place of this stream'))
    const place = this.status === 'open' ? this.#places.take(end) : null
    if (place === null) {
      this.#answers.refuse(encodeFrameHeader(FRAME.window, FLAG.rst, id, 0))
      return
    }
    const stream = this.#newStream(id, 'inbound')
    stream.place = place
    stream.addEventListener('close', () => leavePlace(place), { once: true })
    stream.announce()
    this.#answers.sent()
    this.onRemoteStream(stream)
  }

  #newStream(id: number, direction: 'inbound' | 'outbound'): MuxedStream {
    const stream = new MuxedStream(this, id, direction)
    this.#byId.set(id, stream)
    stream.addEventListener('close', () => this.#byId.delete(id), { once: true })
    return stream
  }

  /** Shows a live remote at rest, and keeps what lies between from forgetting the connection. */
  #ping(): void {
    if (this.#answers.isStalled()) {
      const error = new XcareError('OFFLINE', 'the remote takes nothing')
      this.abort(error)
      this.#connection.abort(error)
      return
    }
    if (this.#pinged.size > 0) return
    this.#pinged.add(this.#pings)
    this.sendFrame(FRAME.ping, FLAG.syn, 0, this.#pings++, NOTHING)
  }

  #takePing(flags: number, id: number): void {
    if (flags & FLAG.syn) this.#answers.pong(encodeFrameHeader(FRAME.ping, FLAG.ack, 0, id))
    else if (!this.#pinged.delete(id))
      throw new XcareError('MALFORMED', 'the remote answered a ping that was not sent')
  }

  #takeGoAway(reason: number): void {
    if (reason === GO_AWAY.normal) this.onTransportClosed()
    else this.abort(new XcareError('OFFLINE', 'the remote gave up the connection'))
  }

  #goAway(reason: number): void {
    try {
      this.sendFrame(FRAME.goAway, 0, 0, reason, NOTHING)
    } catch {
      // The connection is closed already.
    }
  }
}

/** How long the library reads from the memory of what it was given, it does not say. */
function copyOf(parts: readonly Uint8Array[]): Uint8ArrayList {
  return new Uint8ArrayList(concat(...parts))
}
