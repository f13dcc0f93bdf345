import { asXcareError, XcareError } from '../errors.ts'
import { fragmentBytesOf } from '../fragment/layout.ts'
import { CREDIT_BYTES_MAX } from '../limits.ts'
import {
  type MessageOf,
  STORAGE_RECEIPT_DOMAIN,
  storageReceiptBytes,
  verifiedStripesMax,
} from '../wire/fragment-protocol.ts'
import type { PutStart } from './disk/store.ts'
import type { Conversation } from './serve-parts.ts'

/** Columns of one object being put over one stream: takes fragments, acknowledges what is durable, gives the receipt. */
export class ServedPut {
  readonly #session: Conversation
  readonly #order: MessageOf<'OPEN_PUT'>
  readonly #handle: number
  readonly #admitted: Promise<PutStart>
  /** Whether what is here may have changed since the put was admitted. */
  #hasTaken = false
  #isEnded = false
  #unackedBytes = 0
  #durable = 0
  #told = 0
  #pending = 0
  #idle: PromiseWithResolvers<void> | null = null
  #failure: XcareError | null = null

  /** Begins a put. Nobody waits for the store to admit it: what comes next is on its way to the disk thread in the same turn. */
  constructor(session: Conversation, order: MessageOf<'OPEN_PUT'>) {
    const { store } = session.parts
    this.#session = session
    this.#order = order
    this.#handle = store.newHandle()
    this.#admitted = store.call('openPut', order, this.#handle)
    this.#admitted.then(
      () => session.proven(order),
      (error: unknown) => {
        this.#failure = asXcareError(error)
        this.#isEnded = true
        session.interrupt(this.#failure)
      },
    )
  }

  /** Tells which fragments are here. @throws XcareError as the store admits the put. */
  async tellHave(): Promise<void> {
    await this.#quiet()
    const admitted = await this.#admitted
    const have = this.#hasTaken ? await this.#session.parts.store.call('have', this.#handle) : admitted
    await this.#session.send({ op: 'HAVE', objectKnown: have.objectKnown, body: have.bitmaps })
  }

  /**
   * Reads fragments from the disk itself before it tells which are here.
   * @throws XcareError MALFORMED for more than VERIFY_BYTES_MAX, or stripes that are not there.
   */
  async verify({ from, to }: MessageOf<'VERIFY'>): Promise<void> {
    const { columns, stripes } = this.#order
    if (to > stripes || to - from > verifiedStripesMax(columns.length, fragmentBytesOf(this.#order)))
      throw new XcareError('MALFORMED', `stripes ${from} to ${to} are too many to be read at once`)
    await this.#quiet()
    await this.#admitted
    await this.#session.parts.store.verify(this.#handle, columns.length, from, to)
    this.#hasTaken = true
    await this.tellHave()
  }

  /** Hands fragments to the disk; resolves when the stream may be read on. @throws XcareError MALFORMED when they are not whole fragments of the put, or above the credit; what failed before. */
  async take(message: MessageOf<'PUT'>): Promise<void> {
    if (this.#failure) throw this.#failure
    const { length } = message.body
    const { columns, stripes } = this.#order
    const count = length / fragmentBytesOf(this.#order)
    const end = message.stripe * columns.length + message.first + count
    if (!Number.isInteger(count) || message.first >= columns.length || end > stripes * columns.length)
      throw new XcareError(
        'MALFORMED',
        `${length} bytes from fragment (${message.stripe}, ${columns[message.first] ?? 'none'}) on are not whole fragments of the put`,
      )
    if (this.#unackedBytes + length > CREDIT_BYTES_MAX)
      throw new XcareError('MALFORMED', 'more bytes than the credit allows')
    this.#hasTaken = true
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
    if (this.#failure) throw this.#failure
    const { store, key, audience, onComplete } = this.#session.parts
    // It goes right behind the last fragments and shares their sync; what fails with one of them is told first.
    const finished = store.call('finish', this.#handle, manifest)
    finished.catch(() => {})
    await this.#quiet()
    const { root, bytes } = await finished
    this.#isEnded = true
    const { objectId, version, columns, k, n } = this.#order
    const receipt = { ...audience, objectId, version, columns, root, bytes }
    const signature = key.sign(STORAGE_RECEIPT_DOMAIN, storageReceiptBytes(receipt))
    await this.#session.send({ op: 'RECEIPT', ...receipt, signature })
    onComplete({ objectId, column: columns[0]!, k, n })
  }

  /** Lets go of the put; what is durable can be resumed. */
  async close(): Promise<void> {
    await this.#settled()
    await this.#admitted.catch(() => null)
    if (this.#isEnded) return
    this.#isEnded = true
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
