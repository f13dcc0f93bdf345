import { asXcareError, XcareError } from '../errors.ts'
import { fragmentBytesOf } from '../fragment/layout.ts'
import { CREDIT_BYTES_MAX } from '../limits.ts'
import { type MessageOf, STORAGE_RECEIPT_DOMAIN, storageReceiptBytes } from '../wire/fragment-protocol.ts'
import type { Conversation } from './serve-parts.ts'

/** Columns of one object being put over one stream: takes fragments, acknowledges what is durable, gives the receipt. */
export class ServedPut {
  readonly #session: Conversation
  readonly #order: MessageOf<'OPEN_PUT'>
  readonly #handle: number
  #unackedBytes = 0
  #durable = 0
  #told = 0
  #pending = 0
  #idle: PromiseWithResolvers<void> | null = null
  #failure: XcareError | null = null

  private constructor(session: Conversation, order: MessageOf<'OPEN_PUT'>, handle: number) {
    this.#session = session
    this.#order = order
    this.#handle = handle
  }

  /** Begins a put. @throws XcareError as the store admits it. */
  static async open(session: Conversation, order: MessageOf<'OPEN_PUT'>): Promise<ServedPut> {
    const { handle } = await session.parts.store.call('openPut', order)
    return new ServedPut(session, order, handle)
  }

  /** Tells which fragments are here. */
  async tellHave(): Promise<void> {
    await this.#quiet()
    const { bitmaps, objectKnown } = await this.#session.parts.store.call('have', this.#handle)
    await this.#session.send({ op: 'HAVE', objectKnown, body: bitmaps })
  }

  /** Hands fragments of one stripe to the disk; resolves when the stream may be read on. @throws XcareError MALFORMED above the credit, or what failed before. */
  async take(message: MessageOf<'PUT'>): Promise<void> {
    if (this.#failure) throw this.#failure
    const { length } = message.body
    const count = length / fragmentBytesOf(this.#order)
    if (!Number.isInteger(count) || message.first + count > this.#order.columns.length)
      throw new XcareError('MALFORMED', `${length} bytes from column ${message.first} on are no fragments`)
    if (this.#unackedBytes + length > CREDIT_BYTES_MAX)
      throw new XcareError('MALFORMED', 'more bytes than the credit allows')
    this.#unackedBytes += length
    this.#pending++
    void this.#store(message, count)
    await this.#session.parts.store.room()
  }

  async #store({ stripe, first, body }: MessageOf<'PUT'>, count: number): Promise<void> {
    // The body may move to the disk thread and be empty here afterwards.
    const { length } = body
    try {
      const memory = await this.#session.parts.store.put(this.#handle, stripe, first, count, body)
      if (memory) this.#session.recycle(memory)
      this.#unackedBytes -= length
      this.#durable++
      // Fragments of one commit become durable together: one ACK tells of all.
      queueMicrotask(() => void this.#tellAck())
    } catch (error) {
      this.#failure ??= asXcareError(error)
      this.#session.interrupt(this.#failure)
    } finally {
      this.#pending--
      if (this.#pending === 0) this.#idle?.resolve()
    }
  }

  async #tellAck(): Promise<void> {
    if (this.#told === this.#durable || this.#failure) return
    this.#told = this.#durable
    try {
      await this.#session.send({ op: 'ACK', count: this.#durable })
    } catch (error) {
      this.#failure ??= asXcareError(error)
    }
  }

  /** Completes the columns and gives the receipt. @throws XcareError as the store judges the columns. */
  async finish(manifest: Uint8Array): Promise<void> {
    await this.#quiet()
    const { store, key, audience, onComplete } = this.#session.parts
    const { root, bytes } = await store.call('finish', this.#handle, manifest)
    const { objectId, version, columns, k, n } = this.#order
    const receipt = { ...audience, objectId, version, columns, root, bytes }
    const signature = key.sign(STORAGE_RECEIPT_DOMAIN, storageReceiptBytes(receipt))
    await this.close()
    await this.#session.send({ op: 'RECEIPT', ...receipt, signature })
    onComplete({ objectId, column: columns[0]!, k, n })
  }

  /** Lets go of the put; what is durable can be resumed. */
  async close(): Promise<void> {
    await this.#settled()
    await this.#session.parts.store.call('closePut', this.#handle).catch(() => null)
  }

  /** Waits until everything sent so far is durable. @throws the first failure. */
  async #quiet(): Promise<void> {
    await this.#settled()
    if (this.#failure) throw this.#failure
    await this.#tellAck()
  }

  async #settled(): Promise<void> {
    if (this.#pending === 0) return
    this.#idle ??= Promise.withResolvers<void>()
    await this.#idle.promise
    this.#idle = null
  }
}
