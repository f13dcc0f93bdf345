import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import { assert } from '../../assert.ts'
import { concat, u32be } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import type { NodeId } from '../../ids.ts'
import { FRAME_BYTES_MAX, FRAME_IDLE_MS, STREAM_BUFFER_BYTES, WRITE_STALL_MS } from '../../limits.ts'
import { inBackground } from '../_background.ts'
import { MuxedStream } from '../mux/_stream.ts'
import { ByteQueue } from './_byte-queue.ts'
import type { ReusableStream } from './_idle-streams.ts'
import { Patience } from './_patience.ts'

const PREFIX_BYTES = 4
/** Parts up to this size are joined: copying them is cheaper than sending them one by one. */
const JOIN_BYTES = 1024
/** So much of a frame has come before memory is taken for the rest: an announcement alone costs nothing. */
const RESERVE_BYTES = 8 * 1024

interface Waiter {
  resolve: () => void
  reject: (error: XcareError) => void
}

/**
 * Frames over one libp2p stream: each frame is its length (u32, big-endian) and then its bytes.
 * Received bytes that nobody reads are bounded: above STREAM_BUFFER_BYTES the remote's window is left to run dry.
 * One read at a time, any number of writes; bytes given to `write` must not be changed before the remote has told that it has them,
 * or `flushed`.
 * Spec: docs/spec/transport.md sections 3 and 4.
 * @param stream a freshly negotiated stream; nobody else may listen on it.
 * @param remote the proven remote end.
 * @param address what it counts for.
 */
export function frameStream(stream: Stream, remote: NodeId, address: string | null = null): ReusableStream {
  return new Libp2pFrameStream(stream, remote, address)
}

class Libp2pFrameStream implements ReusableStream {
  readonly remote: NodeId
  readonly address: string | null
  readonly #stream: Stream
  readonly #inbox = new ByteQueue()
  readonly #writers: Waiter[] = []
  #reader: Waiter | null = null
  #wanted = 0
  #resuming = false
  #ended = false
  #failure: XcareError | null = null
  /** How the stream ended. An error is made of it only for who asks: most streams end when nobody does. */
  #closed: { error: Error | undefined } | null = null
  /** The stream ended inside a frame, of which nothing is kept. */
  #isTorn = false
  #lingering: NodeJS.Timeout | null = null
  #arrived = 0
  #drains = 0
  #reads = 0
  readonly #patience = new Patience(
    () => this.#arrived,
    (idleMs) =>
      this.#reader?.reject(new XcareError('TIMEOUT', `the remote sent no frame for ${idleMs / 1000} s`)),
  )

  constructor(stream: Stream, remote: NodeId, address: string | null) {
    this.#stream = stream
    this.remote = remote
    this.address = address
    // A remote end that closed before we listened is clean only while the stream itself is still open.
    if (stream.status === 'open') this.#ended = stream.remoteWriteStatus === 'closed'
    else this.#failure = cut(undefined)
    if (stream instanceof MuxedStream) stream.readDirectly((chunk) => this.#take(chunk))
    else stream.addEventListener('message', (event) => this.#onMessage(event))
    stream.addEventListener('drain', () => this.#onDrain())
    stream.addEventListener('remoteCloseWrite', () => {
      this.#ended = true
      this.#wakeReader()
    })
    stream.addEventListener('close', (event) => this.#onClose(event))
  }

  async write(...parts: Uint8Array[]): Promise<void> {
    let length = 0
    for (const part of parts) length += part.length
    assert(length <= FRAME_BYTES_MAX, `a frame of ${length} bytes is above the cap`)
    const failure = this.#failed()
    if (failure) throw failure
    let hasRoom: boolean
    try {
      const joined = joinSmall(length, parts)
      hasRoom =
        this.#stream instanceof MuxedStream
          ? this.#stream.sendParts(joined, PREFIX_BYTES + length)
          : this.#stream.send(new Uint8ArrayList(concat(...joined)))
    } catch (cause) {
      throw this.#failed() ?? cut(cause)
    }
    if (!hasRoom) await this.#room()
  }

  async read(maxBytes: number, idleMs: number): Promise<Uint8Array | null> {
    this.#reads++
    assert(this.#reader === null, 'one read at a time')
    for (;;) {
      const frame = this.#nextFrame(maxBytes)
      if (frame !== undefined) return frame
      await this.#arrival(idleMs)
    }
  }

  recycle(frame: ArrayBuffer): void {
    this.#inbox.recycle(frame)
  }

  async close(): Promise<void> {
    if (this.#stream.writeStatus === 'closed' || this.#stream.writeStatus === 'closing') return
    try {
      await this.#stream.close({ signal: AbortSignal.timeout(WRITE_STALL_MS) })
    } catch (cause) {
      this.abort(this.#failed() ?? cut(cause))
      return
    }
    this.#linger(this.#reads)
  }

  /** Who lends the stream to several in turn decides about it. */
  release(): void {
    void this.close()
  }

  get isIdle(): boolean {
    const { status, writeStatus, remoteWriteStatus } = this.#stream
    const isOpen = status === 'open' && writeStatus === 'writable' && remoteWriteStatus === 'writable'
    return isOpen && !this.#ended && !this.#failed() && this.#inbox.length === 0 && this.#reader === null
  }

  abort(reason: Error): void {
    this.#failure ??= reason instanceof XcareError ? reason : cut(reason)
    this.#inbox.free()
    this.#stream.abort(reason)
    this.#wakeAll()
  }

  async flushed(): Promise<void> {
    if (this.#stream instanceof MuxedStream) await this.#stream.flushed()
  }

  /** @returns a whole frame, null at the clean end, undefined when more bytes are needed. */
  #nextFrame(maxBytes: number): Uint8Array | null | undefined {
    if (this.#stream.readStatus === 'paused' && !this.#isWhole()) this.#resume()
    if (this.#inbox.length < PREFIX_BYTES) {
      this.#wanted = PREFIX_BYTES
      return this.#end()
    }
    const length = this.#inbox.peekU32()
    if (length > maxBytes) {
      const error = new XcareError(
        'MALFORMED',
        `a frame of ${length} bytes was announced, at most ${maxBytes} are allowed`,
      )
      this.abort(error)
      throw error
    }
    this.#wanted = PREFIX_BYTES + length
    if (this.#inbox.length < this.#wanted) {
      if (this.#inbox.length >= RESERVE_BYTES) {
        this.#inbox.reserve(this.#wanted)
        this.#tellHeld()
      }
      return this.#end()
    }
    this.#inbox.drop(PREFIX_BYTES)
    const frame = this.#inbox.take(length)
    this.#tellHeld()
    if (this.#stream.readStatus === 'paused' && this.#inbox.length < STREAM_BUFFER_BYTES / 2) this.#resume()
    return frame
  }

  #end(): null | undefined {
    if (this.#ended && this.#stream.readBufferLength === 0) {
      if (this.#inbox.length === 0 && !this.#isTorn) return null
      throw cut(new Error('the remote ended its side inside a frame'))
    }
    const failure = this.#failed()
    if (failure) throw failure
    return undefined
  }

  #isWhole(): boolean {
    return this.#inbox.length >= PREFIX_BYTES && this.#inbox.length >= PREFIX_BYTES + this.#inbox.peekU32()
  }

  async #arrival(idleMs: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#reader = { resolve, reject }
    this.#patience.begin(idleMs)
    try {
      await promise
    } finally {
      this.#patience.pause()
      this.#reader = null
    }
  }

  async #room(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    let before = this.#drains
    const timer = setInterval(() => {
      if (this.#drains === before) this.abort(new XcareError('TIMEOUT', 'the remote stopped taking data'))
      before = this.#drains
    }, WRITE_STALL_MS)
    this.#writers.push({ resolve, reject })
    try {
      await promise
    } finally {
      clearInterval(timer)
    }
  }

  #onMessage(event: StreamMessageEvent): void {
    if (event.data instanceof Uint8Array) this.#take(event.data)
    else for (const chunk of event.data) this.#take(chunk)
  }

  #take(chunk: Uint8Array): void {
    this.#inbox.push(chunk)
    this.#arrived += chunk.length
    this.#tellHeld()
    if (this.#reader && this.#inbox.length >= this.#wanted) this.#wakeReader()
    if (!this.#resuming) this.#pauseIfFull()
  }

  #tellHeld(): void {
    if (this.#stream instanceof MuxedStream) this.#stream.holds(this.#inbox.memory)
  }

  #pauseIfFull(): void {
    const limit = this.#reader ? Math.max(this.#wanted, STREAM_BUFFER_BYTES) : STREAM_BUFFER_BYTES
    if (this.#inbox.length > limit && this.#stream.readStatus === 'readable') this.#stream.pause()
  }

  #resume(): void {
    // The library hands out what it holds before it opens the window again; pausing inside that call would be undone.
    this.#resuming = true
    try {
      this.#stream.resume()
    } catch (cause) {
      if (!this.#ended) this.#failure ??= cut(cause)
    } finally {
      this.#resuming = false
    }
    this.#pauseIfFull()
  }

  #onDrain(): void {
    this.#drains++
    if (this.#writers.length === 0) return
    // The library continues its queue in a microtask of this same event and may fill up again.
    queueMicrotask(() => {
      if (this.#stream.writableNeedsDrain) return
      for (const writer of this.#writers.splice(0)) writer.resolve()
    })
  }

  #onClose({ error }: StreamCloseEvent): void {
    this.#closed = { error }
    if (this.#inbox.length > 0 && !this.#isWhole()) {
      this.#isTorn = true
      this.#inbox.free()
    }
    if (this.#lingering) clearTimeout(this.#lingering)
    this.#patience.end()
    this.#wakeAll()
  }

  #failed(): XcareError | null {
    if (this.#closed) this.#failure ??= cut(this.#closed.error)
    return this.#failure
  }

  #wakeReader(): void {
    this.#reader?.resolve()
  }

  #wakeAll(): void {
    this.#wakeReader()
    for (const writer of this.#writers.splice(0)) writer.reject(this.#failed() ?? cut(undefined))
  }

  /** After our end is closed, a remote that never closes its own must not hold the stream for ever. */
  #linger(reads: number): void {
    if (this.#stream.status !== 'open') return
    const timer = setTimeout(() => {
      if (this.#stream.status !== 'open') return
      if (this.#reader || this.#reads !== reads) this.#linger(this.#reads)
      else this.abort(new XcareError('TIMEOUT', 'the remote did not close its side of the stream'))
    }, FRAME_IDLE_MS)
    this.#lingering = inBackground(timer)
  }
}

function joinSmall(length: number, parts: Uint8Array[]): Uint8Array[] {
  const joined: Uint8Array[] = []
  let small: Uint8Array[] = [u32be(length)]
  for (const part of parts) {
    if (part.length <= JOIN_BYTES) {
      small.push(part)
      continue
    }
    if (small.length > 0) joined.push(concat(...small))
    joined.push(part)
    small = []
  }
  if (small.length > 0) joined.push(concat(...small))
  return joined
}

function cut(cause: unknown): XcareError {
  return new XcareError('OFFLINE', 'the connection to the node was cut', { cause })
}
