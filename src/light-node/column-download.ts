import { XcareError } from '../errors.ts'
import { decodeHead } from '../fragment/header.ts'
import { checkFragment, type Manifest, verifyColumnHashes } from '../fragment/manifest.ts'
import { FRAGMENT_HEAD_BYTES } from '../limits.ts'
import type { FrameStream } from '../ports.ts'
import { encodeFrame, SHARE_BYTES } from '../wire/fragment-protocol.ts'
import { readNodeMessage, unexpected } from './column-upload.ts'

/** Reads one column of an object from one storage node over one stream; whatever arrives is checked before it is handed on. */
export class ColumnDownload {
  readonly column: number
  readonly #stream: FrameStream
  readonly #manifest: Manifest
  #hashes: Uint8Array | null = null

  constructor(stream: FrameStream, manifest: Manifest, column: number) {
    this.#stream = stream
    this.#manifest = manifest
    this.column = column
  }

  /** The peer that serves this column, to be named when it serves wrong bytes. */
  get node(): string {
    return this.#stream.remote
  }

  /** @returns the key shares of all stripes, 33 bytes each, unproven: the caller checks what they combine to. */
  async shares(): Promise<Uint8Array[]> {
    const { stripes } = this.#manifest
    await this.#stream.write(...encodeFrame({ op: 'GET_HEADS', ...this.#columnOf(), from: 0, to: stripes }))
    const shares: Uint8Array[] = []
    let frames = 0
    for (;;) {
      const message = await readNodeMessage(this.#stream)
      if (message.op === 'END') break
      if (message.op !== 'HEADS' || message.from !== shares.length) throw unexpected(message)
      for (let at = 0; at < message.body.length; at += SHARE_BYTES)
        shares.push(message.body.slice(at, at + SHARE_BYTES))
      await this.#ack(++frames)
    }
    if (shares.length !== stripes) throw this.#broken(`${shares.length} of ${stripes} key shares`)
    return shares
  }

  /** @returns the key shares of all stripes, each proven by the fragment it came in; the costly way, to tell who lied. */
  async provenShares(): Promise<Uint8Array[]> {
    const shares: Uint8Array[] = []
    for await (const fragment of this.fragments(0, this.#manifest.stripes))
      shares.push(decodeHead(fragment.subarray(0, FRAGMENT_HEAD_BYTES)).share)
    return shares
  }

  /** Yields the whole fragments of stripes `from` to `to` (exclusive) in order, each checked against the manifest. @throws XcareError INTEGRITY naming the node. */
  async *fragments(from: number, to: number): AsyncGenerator<Uint8Array> {
    const hashes = this.#hashes === null
    await this.#stream.write(...encodeFrame({ op: 'GET', ...this.#columnOf(), from, to, hashes }))
    if (hashes) await this.#readHashes()
    for (let stripe = from; stripe < to; stripe++) {
      const message = await readNodeMessage(this.#stream)
      if (message.op !== 'FRAG' || message.stripe !== stripe) throw unexpected(message)
      const fragment = message.body
      this.#checked(() => checkFragment(this.#manifest, this.#hashes!, fragment, stripe, this.column))
      yield fragment
      await this.#ack(stripe - from + 1)
    }
    const end = await readNodeMessage(this.#stream)
    if (end.op !== 'END') throw unexpected(end)
  }

  /** Ends the stream. */
  async close(): Promise<void> {
    await this.#stream.close()
  }

  /** Tears the stream down. */
  abort(reason: Error): void {
    this.#stream.abort(reason)
  }

  async #readHashes(): Promise<void> {
    const message = await readNodeMessage(this.#stream)
    if (message.op !== 'HASHES') throw unexpected(message)
    const hashes = message.body.slice()
    this.#checked(() => verifyColumnHashes(this.#manifest, this.column, hashes))
    this.#hashes = hashes
  }

  /** Names the node in whatever `check` finds wrong. */
  #checked<T>(check: () => T): T {
    try {
      return check()
    } catch (cause) {
      throw this.#broken(cause instanceof Error ? cause.message : String(cause))
    }
  }

  #broken(what: string): XcareError {
    return new XcareError('INTEGRITY', `storage node ${this.node} served wrong bytes: ${what}`)
  }

  #columnOf() {
    return { objectId: this.#manifest.objectId, version: this.#manifest.version, column: this.column }
  }

  async #ack(count: number): Promise<void> {
    await this.#stream.write(...encodeFrame({ op: 'ACK', count }))
  }
}
