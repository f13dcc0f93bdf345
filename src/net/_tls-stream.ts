import type { TLSSocket } from 'node:tls'
import type { AbortOptions, MessageStream } from '@libp2p/interface'
import { AbstractMessageStream, type SendResult } from '@libp2p/utils'
import type { Uint8ArrayList } from 'uint8arraylist'
import { XcareError } from '../errors.ts'
import { CONNECTION_SILENT_MS } from '../limits.ts'

/** The plain side of one TLS connection, in the form the muxer wants. The transport below decides about closing. */
export class TlsMessageStream extends AbstractMessageStream {
  readonly #transport: MessageStream
  readonly #socket: TLSSocket
  readonly #watch: NodeJS.Timeout
  #bytesRead = 0

  /** @param transport the TCP connection, whose close and abort are ours. @param socket after its handshake, with an error listener. */
  constructor(transport: MessageStream, socket: TLSSocket) {
    super({
      log: transport.log,
      direction: transport.direction,
      inactivityTimeout: transport.inactivityTimeout,
      maxReadBufferLength: transport.maxReadBufferLength,
    })
    this.#transport = transport
    this.#socket = socket
    this.#watch = setInterval(() => this.#dropIfSilent(), CONNECTION_SILENT_MS)
    this.#watch.unref()
    socket.on('data', (chunk) => this.onData(chunk))
    socket.on('drain', () => this.safeDispatchEvent('drain'))
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
    await this.#transport.close(options)
  }

  override sendData(data: Uint8ArrayList): SendResult {
    let sentBytes = 0
    let canSendMore = true
    // Corked, header and body leave in one TLS record and one system call.
    this.#socket.cork()
    for (const chunk of data) {
      sentBytes += chunk.byteLength
      canSendMore = this.#socket.write(chunk)
    }
    this.#socket.uncork()
    return { sentBytes, canSendMore }
  }

  override sendReset(error: Error): void {
    this.#socket.destroy()
    this.#transport.abort(error)
  }

  override sendPause(): void {
    this.#socket.pause()
  }

  override sendResume(): void {
    this.#socket.resume()
  }

  /** A muxer pings every 30 s, so a live remote is never silent for long; a machine without power says nothing. */
  #dropIfSilent(): void {
    const { bytesRead } = this.#socket
    if (bytesRead === this.#bytesRead && !this.#socket.isPaused())
      this.#transport.abort(new XcareError('OFFLINE', 'the node has been silent for too long'))
    this.#bytesRead = bytesRead
  }

  async #closeTransport(): Promise<void> {
    try {
      await this.#transport.close()
    } catch (error) {
      this.#transport.abort(error as Error)
    }
  }
}
