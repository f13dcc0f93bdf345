import type { TLSSocket } from 'node:tls'
import type { AbortOptions, MessageStream } from '@libp2p/interface'
import { AbstractMessageStream, type SendResult } from '@libp2p/utils'
import { Uint8ArrayList } from 'uint8arraylist'
import { concat } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import { CONNECTION_SILENT_MS } from '../../limits.ts'
import { readInPlace } from './_in-place.ts'
import { type Reader, readingTurn } from './_reading-turn.ts'
import { writingTurn } from './_writing-turn.ts'

const NOTHING = new Uint8Array(0)
/** Pieces that may wait in the socket before the muxer is told to stop. */
const PIECES_MAX = 1024

/** The plain side of one TLS connection, in the form the muxer wants. The transport below decides about closing. */
export class TlsMessageStream extends AbstractMessageStream implements Reader {
  /** The connection below. */
  readonly transport: MessageStream
  readonly #socket: TLSSocket
  readonly #watch: NodeJS.Timeout
  #bytesRead = 0
  #reader: ((chunk: Uint8Array) => void) | null = null
  #isCorked = false
  /** Reading waits for the reader, and for so many others: the next turn, the muxer. */
  #isPaused = false
  #holds = 0
  /** Pieces given to the socket since it had all with the system. */
  #pieces = 0
  #isEmptying = false

  /** @param transport the TCP connection, whose close and abort are ours. @param socket after its handshake, with an error listener. */
  constructor(transport: MessageStream, socket: TLSSocket) {
    super({
      log: transport.log,
      direction: transport.direction,
      inactivityTimeout: transport.inactivityTimeout,
      maxReadBufferLength: transport.maxReadBufferLength,
    })
    this.transport = transport
    this.#socket = socket
    this.#watch = setInterval(() => this.#dropIfSilent(), CONNECTION_SILENT_MS)
    this.#watch.unref()
    // Here come the bytes that arrived before, and all where they cannot be read in place.
    socket.on('data', (chunk) => this.#take(chunk))
    readInPlace(socket, (chunk) => this.#take(chunk))
    socket.on('drain', () => {
      this.#pieces = 0
      if (!this.#isEmptying) this.safeDispatchEvent('drain')
    })
    socket.on('error', (error) => transport.abort(error))
    socket.on('close', () => void this.#closeTransport())
    transport.addEventListener('close', ({ error, local }) => {
      clearInterval(this.#watch)
      socket.destroy()
      if (!error) this.onTransportClosed()
      else if (local) this.abort(error)
      else this.onRemoteReset()
    })
    // The connection may have ended between the handshake and now.
    if (socket.destroyed) void this.#closeTransport()
  }

  override async close(options?: AbortOptions): Promise<void> {
    this.#socket.destroySoon()
    await this.transport.close(options)
  }

  /** Hands every received piece to `reader` instead of raising events. What waits already still comes as an event, before. It must neither throw nor keep the piece. */
  readDirectly(reader: (chunk: Uint8Array) => void): void {
    this.#reader = reader
  }

  /** Sends `parts` without events, and without a copy unless they must wait for others. @returns whether more may follow before 'drain'. @throws as `send`. */
  sendParts(parts: readonly Uint8Array[]): boolean {
    const isFree = !this.writableNeedsDrain && !this.sendingData && this.writeBuffer.byteLength === 0
    // What waits here is not with the socket yet, so that `flushed` knows nothing of it: it must not be anybody's memory.
    if (!isFree || this.writeStatus !== 'writable') return this.send(new Uint8ArrayList(concat(...parts)))
    const canSendMore = this.#write(parts)
    if (!canSendMore) this.writableNeedsDrain = true
    return canSendMore
  }

  /** Resolves when all that was sent is encrypted and with the system, or will never be. */
  flushed(): Promise<void> {
    if (this.#socket.destroyed) return Promise.resolve()
    return new Promise((resolve) => this.#socket.write(NOTHING, () => resolve()))
  }

  override sendData(data: Uint8ArrayList): SendResult {
    return { sentBytes: data.byteLength, canSendMore: this.#write(data) }
  }

  override sendReset(error: Error): void {
    this.#socket.destroy()
    this.transport.abort(error)
  }

  override sendPause(): void {
    this.#isPaused = true
    this.#socket.pause()
  }

  override sendResume(): void {
    this.#isPaused = false
    if (this.#holds === 0) this.#socket.resume()
  }

  /** Reads no more until `letGo` was called as often. */
  hold(): void {
    this.#holds++
    this.#socket.pause()
  }

  /** Reads on, unless its reader or somebody else wants nothing. */
  letGo(): void {
    this.#holds--
    if (!this.#isPaused && this.#holds === 0) this.#socket.resume()
  }

  #take(chunk: Uint8Array): void {
    if (this.#holds === 0) readingTurn.took(this, chunk.length)
    if (this.#reader && this.readBuffer.byteLength === 0 && this.readStatus === 'readable')
      this.#reader(chunk)
    else this.onData(new Uint8Array(chunk))
  }

  #write(parts: Iterable<Uint8Array>): boolean {
    if (this.#socket.writableLength === 0) this.#pieces = 0
    this.#cork()
    let canSendMore = true
    for (const part of parts) {
      canSendMore = this.#socket.write(part)
      this.#pieces++
    }
    return canSendMore && !this.#isCrowded()
  }

  /** Many small pieces take more memory than their bytes say. */
  #isCrowded(): boolean {
    if (this.#pieces < PIECES_MAX) return false
    if (!this.#isEmptying) {
      this.#isEmptying = true
      void this.#empty()
    }
    return true
  }

  async #empty(): Promise<void> {
    await this.flushed()
    this.#isEmptying = false
    this.#pieces = 0
    if (!this.#socket.writableNeedDrain) this.safeDispatchEvent('drain')
  }

  /** Whatever is sent in one turn leaves together, in that turn or soon after: each write of its own would be a TLS record, a system call and a wake-up. */
  #cork(): void {
    if (this.#isCorked) return
    this.#isCorked = true
    this.#socket.cork()
    process.nextTick(() => {
      writingTurn.take(this.#socket.writableLength, () => {
        this.#isCorked = false
        this.#socket.uncork()
      })
    })
  }

  /** A muxer pings every 30 s, so a live remote is never silent for long; a machine without power says nothing. */
  #dropIfSilent(): void {
    const { bytesRead } = this.#socket
    if (bytesRead === this.#bytesRead && !this.#socket.isPaused())
      this.transport.abort(new XcareError('OFFLINE', 'the node has been silent for too long'))
    this.#bytesRead = bytesRead
  }

  async #closeTransport(): Promise<void> {
    try {
      await this.transport.close()
    } catch (error) {
      this.transport.abort(error as Error)
    }
  }
}
