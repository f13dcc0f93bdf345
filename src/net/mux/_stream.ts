import type { Logger } from '@libp2p/interface'
import { AbstractStream, type SendResult } from '@libp2p/utils'
import { Uint8ArrayList } from 'uint8arraylist'
import { XcareError } from '../../errors.ts'
import type { StreamPlace } from '../admission.ts'
import { FLAG, FRAME } from './_frame.ts'
import { UnreadMessage } from './_unread.ts'

/** Window of each direction before any update, fixed by the yamux specification. */
const FIRST_WINDOW_BYTES = 256 * 1024
/** Measured best on fast links; also below the library's read buffer, which makes pausing a stream safe. */
const WINDOW_BYTES = 2 * 1024 * 1024
const READ_BUFFER_BYTES = 2 * WINDOW_BYTES

/** What a stream may hold unread without being counted, and by how much the rest is counted. */
const UNCOUNTED_BYTES = 8 * 1024
const COUNTED_BYTES = 64 * 1024

/** The connection as its streams see it. */
export interface MuxLink {
  /** @returns whether more may be sent before the connection drains. */
  sendFrame(type: number, flags: number, stream: number, length: number, body: readonly Uint8Array[]): boolean
  /** Resolves when nothing that was sent is read from its memory any more. */
  flushed(): Promise<void>
  /** Says that something came for a stream. */
  touch(place: StreamPlace | null): void
  /** Has a stream of the remote hold `bytes` that nobody read yet. @returns whether there is room. */
  hold(place: StreamPlace, bytes: number): boolean
  log: Logger
}

/** One stream of a connection. Whoever moves much data takes its bytes by `readDirectly` and gives them by `sendParts`, without events and copies. */
export class MuxedStream extends AbstractStream {
  readonly streamId: number
  /** Its place, when the remote opened it. */
  place: StreamPlace | null = null
  readonly #unread = new UnreadMessage()
  readonly #link: MuxLink
  #sendWindow = FIRST_WINDOW_BYTES
  /** Bytes the remote may still send. */
  #receiveWindow = FIRST_WINDOW_BYTES
  #isPaused = false
  #reader: ((chunk: Uint8Array) => void) | null = null

  constructor(link: MuxLink, streamId: number, direction: 'inbound' | 'outbound') {
    super({
      id: String(streamId),
      log: link.log,
      direction,
      maxReadBufferLength: READ_BUFFER_BYTES,
    })
    this.#link = link
    this.streamId = streamId
    this.addEventListener('idle', () => this.#openWindowSafely())
  }

  /** Tells the remote that the stream is there, and opens the window. */
  announce(): void {
    this.#openWindow(this.direction === 'outbound' ? FLAG.syn : FLAG.ack)
  }

  /** Hands every received piece to `reader` instead of raising events; what waits already comes first. It must neither throw nor keep the piece. */
  readDirectly(reader: (chunk: Uint8Array) => void): void {
    const waiting = [...this.readBuffer]
    this.readBuffer.consume(this.readBuffer.byteLength)
    this.#reader = reader
    for (const chunk of waiting) reader(chunk)
  }

  /** Sends `parts`, `length` bytes in all, one after another; what is long is not copied. @returns and @throws as `send`. */
  sendParts(parts: readonly Uint8Array[], length: number): boolean {
    const isFree = !this.writableNeedsDrain && !this.sendingData && this.writeBuffer.byteLength === 0
    if (!isFree || this.writeStatus !== 'writable' || length > this.#sendWindow)
      return this.send(new Uint8ArrayList(...parts))
    this.#sendWindow -= length
    const canSendMore = this.#link.sendFrame(FRAME.data, 0, this.streamId, length, parts)
    if (!canSendMore) this.writableNeedsDrain = true
    return canSendMore
  }

  /** Resolves when nothing that was sent is read from its memory any more; what waits for the window counts only until the stream ends. */
  flushed(): Promise<void> {
    return this.#link.flushed()
  }

  override sendData(data: Uint8ArrayList): SendResult {
    const sentBytes = Math.min(data.byteLength, this.#sendWindow)
    if (sentBytes === 0) return { sentBytes, canSendMore: false }
    this.#sendWindow -= sentBytes
    const parts = [...data.sublist(0, sentBytes)]
    const isWhole = sentBytes === data.byteLength
    const canSendMore = this.#link.sendFrame(FRAME.data, 0, this.streamId, sentBytes, parts) && isWhole
    return { sentBytes, canSendMore }
  }

  override sendReset(): void {
    this.#link.sendFrame(FRAME.window, FLAG.rst, this.streamId, 0, [])
  }

  override async sendCloseWrite(): Promise<void> {
    this.#link.sendFrame(FRAME.window, FLAG.fin, this.streamId, 0, [])
  }

  override async sendCloseRead(): Promise<void> {
    // The protocol has no such message.
  }

  override sendPause(): void {
    this.#isPaused = true
  }

  override sendResume(): void {
    this.#isPaused = false
    this.#openWindowIfLow()
  }

  /** Counts the `length` bytes of a data frame that begins. @throws XcareError MALFORMED beyond the window. */
  expect(length: number): void {
    if (length > this.#receiveWindow)
      throw new XcareError('MALFORMED', 'the remote sent more than the window of a stream allows')
    this.#receiveWindow -= length
    this.#link.touch(this.place)
  }

  /** Takes received bytes; whoever has them may overwrite them afterwards. */
  take(chunk: Uint8Array): void {
    if (this.#reader) this.#reader(chunk)
    else {
      this.onData(new Uint8Array(chunk))
      this.#unread.take(chunk)
      this.holds(this.#unread.bytes)
    }
    this.#openWindowIfLow()
  }

  /**
   * Its reader keeps `bytes` of what came until there is more. Where there is no room for them the stream
   * ends.
   */
  holds(bytes: number): void {
    if (this.place === null) return
    const held = bytes <= UNCOUNTED_BYTES ? 0 : Math.ceil(bytes / COUNTED_BYTES) * COUNTED_BYTES
    if (held === this.place.received.amount || this.#link.hold(this.place, held)) return
    this.abort(new XcareError('BUSY', 'too much was sent that is not whole yet'))
  }

  /** Takes the flags of a received frame, after its bytes. */
  takeFlags(flags: number): void {
    if (flags & FLAG.fin) this.onRemoteCloseWrite()
    if (flags & FLAG.rst) this.onRemoteReset()
  }

  /** Takes a window update. */
  widen(bytes: number): void {
    this.#sendWindow += bytes
    if (bytes > 0) this.#link.touch(this.place)
    // Whoever waits with queued bytes goes on.
    if (bytes > 0 && this.writeBuffer.byteLength > 0) this.safeDispatchEvent('drain')
    this.#openWindowIfLow()
  }

  override onMuxerDrain(): void {
    super.onMuxerDrain()
    this.#openWindowSafely()
  }

  /** For listeners of events, which must not throw. */
  #openWindowSafely(): void {
    try {
      this.#openWindowIfLow()
    } catch {
      // The connection is closed already.
    }
  }

  /**
   * An update for each frame would cost a message for each; half a window keeps the remote going. The
   * library's readers answer as they are asked: while their answers wait, nothing more may be asked.
   */
  #openWindowIfLow(): void {
    const isOwed = this.#reader === null && this.writeBuffer.byteLength > 0
    if (!this.#isPaused && !isOwed && this.#receiveWindow <= WINDOW_BYTES / 2 && this.status === 'open')
      this.#openWindow(0)
  }

  #openWindow(flags: number): void {
    const bytes = WINDOW_BYTES - this.#receiveWindow
    this.#receiveWindow = WINDOW_BYTES
    this.#link.sendFrame(FRAME.window, flags, this.streamId, bytes, [])
  }
}
