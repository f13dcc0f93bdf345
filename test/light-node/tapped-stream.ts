import { XcareError } from '../../src/errors.ts'
import type { NodeId } from '../../src/ids.ts'
import type { FrameStream } from '../../src/ports.ts'
import { decodeNodeFrame, encodeFrame, type NodeMessage } from '../../src/wire/fragment-protocol.ts'

/**
 * What a bad node says instead of `message`: another message, several, one again and again for ever, raw
 * bytes for a frame, nothing now, nothing ever again, or the end; at once or later.
 */
export type Lie = (message: NodeMessage) => Told | Promise<Told>
type Told =
  | NodeMessage
  | NodeMessage[]
  | { forEver: NodeMessage }
  | Uint8Array
  | 'nothing'
  | 'silence'
  | 'hang up'

/** How much faster time passes for who waits for a silent node. */
export const HASTE = 25

/** A client's end of a stream: counts what arrives, says whether it was let go, and lets a node lie. */
export class TappedStream implements FrameStream {
  readonly remote: NodeId
  readonly #stream: FrameStream
  readonly #lie: () => Lie | null
  readonly #haste: () => number
  readonly #gone = Promise.withResolvers<never>()
  /** Bytes of all frames read. */
  bytes = 0
  isOpen = true
  /** Whether it was given back whole, for the next exchange. */
  isReleased = false
  /** Longest wait that a silent node was granted, in ms. */
  grantedMs = 0
  #isSilent = false
  /** What it says next, without being asked. */
  readonly #more: NodeMessage[] = []
  #forEver: NodeMessage | null = null

  constructor(stream: FrameStream, lie: () => Lie | null, haste: () => number) {
    this.remote = stream.remote
    this.#stream = stream
    this.#lie = lie
    this.#haste = haste
    this.#gone.promise.catch(() => {})
  }

  async write(...parts: Uint8Array[]): Promise<void> {
    return this.#stream.write(...parts)
  }

  async read(maxBytes: number, idleMs: number): Promise<Uint8Array | null> {
    if (this.#isSilent) return this.#wait(idleMs)
    const next = this.#forEver ?? this.#more.shift()
    if (next) {
      // Whoever takes it for ever must not keep everything else from having its turn.
      await new Promise((resolve) => setImmediate(resolve))
      return this.#frameOf(next, maxBytes)
    }
    const frame = await this.#stream.read(maxBytes, idleMs)
    if (frame === null) return null
    const told = (await this.#lie()?.(decodeNodeFrame(frame))) ?? frame
    if (Array.isArray(told)) {
      this.#more.push(...told)
      return this.read(maxBytes, idleMs)
    }
    if (typeof told === 'object' && 'forEver' in told) {
      this.#forEver = told.forEver
      return this.read(maxBytes, idleMs)
    }
    if (told === 'hang up') return null
    if (told === 'nothing') return this.read(maxBytes, idleMs)
    if (told === 'silence') {
      this.#isSilent = true
      return this.#wait(idleMs)
    }
    return this.#frameOf(told, maxBytes)
  }

  #frameOf(told: NodeMessage | Uint8Array, maxBytes: number): Uint8Array {
    const bytes = told instanceof Uint8Array ? told : Buffer.concat(encodeFrame(told))
    if (bytes.length > maxBytes) throw new XcareError('MALFORMED', `a frame of ${bytes.length} bytes`)
    this.bytes += bytes.length
    // As from the network: memory of its own.
    return new Uint8Array(bytes)
  }

  async close(): Promise<void> {
    this.isOpen = false
    await this.#stream.close()
  }

  release(): void {
    this.isOpen = false
    this.isReleased = true
    this.#stream.release()
  }

  abort(reason: Error): void {
    this.isOpen = false
    this.#gone.reject(reason)
    this.#stream.abort(reason)
  }

  async #wait(idleMs: number): Promise<never> {
    this.grantedMs = Math.max(this.grantedMs, idleMs)
    const over = new Promise((resolve) => setTimeout(resolve, idleMs / this.#haste()))
    await Promise.race([over, this.#gone.promise])
    throw new XcareError('TIMEOUT', 'the remote sent no frame')
  }
}
