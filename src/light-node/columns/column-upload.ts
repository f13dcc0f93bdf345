import { XcareError } from '../../errors.ts'
import { FRAME_IDLE_MS } from '../../limits.ts'
import type { FrameStream } from '../../ports.ts'
import { CreditWindow, creditBytes, encodeFrame, type MessageOf } from '../../wire/fragment-protocol.ts'
import { readNodeMessage, unexpected } from './node-message.ts'

/**
 * Sends one column of an object to one storage node over one stream. Fragments already there are skipped; at most
 * CREDIT_BYTES_MAX are under way un-acked. The first failure ends it: every later call rejects with that error.
 */
export class ColumnUpload {
  readonly #stream: FrameStream
  readonly #window = new CreditWindow()
  readonly #sent: number[] = []
  #have: Uint8Array = new Uint8Array(0)
  #receipt: Promise<MessageOf<'RECEIPT'>> | null = null
  #isDone = false
  #failure: XcareError | null = null
  #wake = Promise.withResolvers<void>()

  constructor(stream: FrameStream) {
    this.#stream = stream
  }

  /** The peer this column goes to. */
  get node(): string {
    return this.#stream.remote
  }

  /** Opens the put of one column. @param order signed by the object's owner key for this very node. @throws XcareError with the node's own code when it refuses. */
  async begin(order: Omit<MessageOf<'OPEN_PUT'>, 'op'>): Promise<void> {
    await this.#stream.write(...encodeFrame({ op: 'OPEN_PUT', ...order }))
    await this.#stream.write(...encodeFrame({ op: 'GET_HAVE' }))
    const reply = await readNodeMessage(this.#stream, FRAME_IDLE_MS)
    if (reply.op !== 'HAVE') throw unexpected(reply)
    this.#have = reply.bitmap
    this.#receipt = this.#listen()
    this.#receipt.catch((error: XcareError) => {
      this.#failure = error
      this.#wake.resolve()
    })
  }

  /** Resolves when the fragment is on its way and there is credit for it; does nothing when the node has it already. */
  async send(stripe: number, fragment: Uint8Array): Promise<void> {
    if (((this.#have[stripe >> 3] ?? 0) >> (stripe & 7)) & 1) return
    const message = { op: 'PUT', stripe, body: fragment } as const
    const size = creditBytes(message)
    while (!this.#failure && !this.#window.hasRoom(size)) await this.#wake.promise
    if (this.#failure) throw this.#failure
    this.#window.take(size)
    this.#sent.push(stripe)
    await this.#stream.write(...encodeFrame(message))
  }

  /** First stripe that is still under way to this node; every one before it is durable there. `none` when nothing is. */
  oldestUnderWay(none: number): number {
    return this.#sent[this.#window.acked] ?? none
  }

  /** Hands over the manifest. @returns the node's signed receipt, unchecked: it says that the whole column is durable there. */
  async finish(manifest: Uint8Array): Promise<MessageOf<'RECEIPT'>> {
    if (this.#failure) throw this.#failure
    if (!this.#receipt) throw new XcareError('INTERNAL', 'a column was finished before it was begun')
    this.#isDone = true
    await this.#stream.write(...encodeFrame({ op: 'DONE', body: manifest }))
    const receipt = await this.#receipt
    // The receipt is here; how the stream ends no longer matters.
    void this.#stream.close().catch(() => {})
    return receipt
  }

  /** Gives the upload up. */
  abort(reason: Error): void {
    this.#stream.abort(reason)
  }

  async #listen(): Promise<MessageOf<'RECEIPT'>> {
    for (;;) {
      const message = await readNodeMessage(this.#stream, FRAME_IDLE_MS)
      if (message.op === 'RECEIPT' && this.#isDone) return message
      if (message.op !== 'ACK') throw unexpected(message)
      this.#window.settle(message.count)
      this.#wake.resolve()
      this.#wake = Promise.withResolvers<void>()
    }
  }
}
