import { XcareError } from '../errors.ts'
import { FRAME_BYTES_MAX, FRAME_IDLE_MS } from '../limits.ts'
import type { FrameStream } from '../ports.ts'
import {
  CreditWindow,
  creditBytes,
  decodeNodeFrame,
  encodeFrame,
  type MessageOf,
  type NodeMessage,
} from '../wire/fragment-protocol.ts'

/**
 * Sends one column of an object to one storage node over one stream. Fragments already there are skipped; at most
 * CREDIT_BYTES_MAX are under way un-acked. The first failure ends it: every later call rejects with that error.
 */
export class ColumnUpload {
  readonly column: number
  readonly #stream: FrameStream
  readonly #have: Uint8Array
  readonly #window = new CreditWindow()
  readonly #receipt: Promise<MessageOf<'RECEIPT'>>
  readonly #sent: number[] = []
  #failure: XcareError | null = null
  #wake = Promise.withResolvers<void>()

  private constructor(stream: FrameStream, column: number, have: Uint8Array) {
    this.#stream = stream
    this.column = column
    this.#have = have
    this.#receipt = this.#listen()
    this.#receipt.catch((error: XcareError) => {
      this.#failure = error
      this.#wake.resolve()
    })
  }

  /** Opens the put of one column. @param order signed by the object's owner key for this very node. @throws XcareError with the node's own code when it refuses. */
  static async open(stream: FrameStream, order: Omit<MessageOf<'OPEN_PUT'>, 'op'>): Promise<ColumnUpload> {
    await stream.write(...encodeFrame({ op: 'OPEN_PUT', ...order }))
    await stream.write(...encodeFrame({ op: 'GET_HAVE' }))
    const reply = await readNodeMessage(stream)
    if (reply.op !== 'HAVE') throw unexpected(reply)
    return new ColumnUpload(stream, order.column, reply.bitmap)
  }

  /** The peer this column goes to. */
  get node(): string {
    return this.#stream.remote
  }

  /** Resolves when the fragment is on its way and there is credit for it; does nothing when the node has it already. */
  async send(stripe: number, fragment: Uint8Array): Promise<void> {
    if (((this.#have[stripe >> 3] ?? 0) >> (stripe & 7)) & 1) return
    const message = { op: 'PUT', stripe, body: fragment } as const
    const size = creditBytes(message)
    while (!this.#window.hasRoom(size)) {
      await this.#wake.promise
      if (this.#failure) throw this.#failure
    }
    if (this.#failure) throw this.#failure
    this.#window.take(size)
    this.#sent.push(stripe)
    await this.#stream.write(...encodeFrame(message))
  }

  /** First stripe that is still under way to this node; every one before it is durable there. `none` when nothing is. */
  oldestUnderWay(none: number): number {
    return this.#sent[this.#window.acked] ?? none
  }

  /** Hands over the manifest. @returns the node's signed receipt: the whole column is durable there. */
  async finish(manifest: Uint8Array): Promise<MessageOf<'RECEIPT'>> {
    if (this.#failure) throw this.#failure
    await this.#stream.write(...encodeFrame({ op: 'DONE', body: manifest }))
    const receipt = await this.#receipt
    await this.#stream.close()
    return receipt
  }

  /** Gives the upload up. */
  abort(reason: Error): void {
    this.#stream.abort(reason)
  }

  async #listen(): Promise<MessageOf<'RECEIPT'>> {
    for (;;) {
      const message = await readNodeMessage(this.#stream)
      if (message.op === 'RECEIPT') return message
      if (message.op !== 'ACK') throw unexpected(message)
      this.#window.settle(message.count)
      this.#wake.resolve()
      this.#wake = Promise.withResolvers<void>()
    }
  }
}

/** @returns the node's next message. @throws XcareError with the node's own code for ERR, OFFLINE when the stream ended. */
export async function readNodeMessage(stream: FrameStream): Promise<NodeMessage> {
  const frame = await stream.read(FRAME_BYTES_MAX, FRAME_IDLE_MS)
  if (frame === null) throw new XcareError('OFFLINE', `storage node ${stream.remote} hung up`)
  const message = decodeNodeFrame(frame)
  if (message.op === 'ERR') throw new XcareError(message.code, message.message)
  return message
}

/** @returns the error for a message that does not belong here. */
export function unexpected(message: NodeMessage): XcareError {
  return new XcareError('MALFORMED', `a storage node answered ${message.op} out of turn`)
}
