import { XcareError } from '../../errors.ts'
import { fragmentBytesOf } from '../../fragment/layout.ts'
import { FRAME_IDLE_MS } from '../../limits.ts'
import type { Clock, FrameStream } from '../../ports.ts'
import {
  BATCH_BYTES_MAX,
  CreditWindow,
  encodeFragments,
  encodeFrame,
  type MessageOf,
  verifiedStripesMax,
} from '../../wire/fragment-protocol.ts'
import { Exchange } from '../exchange.ts'
import { readNodeMessage, unexpected } from './node-message.ts'

/** The fragments of one stripe for the columns of one node, in their order; null for those it has. */
export interface NodeStripe {
  stripe: number
  fragments: readonly (Uint8Array | null)[]
}

/** What a storage node needs to take columns: whose they are, their shape, and the owner's signature. */
export type StorageOrder = Omit<MessageOf<'OPEN_PUT'>, 'op'>

/** A receipt names the columns, and with them is as long as any header may be. */
const RECEIPT_BYTES_MAX = 64 * 1024

/** Fragments that follow each other by stripe and then by column: what one PUT carries. */
interface Run {
  stripe: number
  first: number
  fragments: Uint8Array[]
  /** Place of the next one, counted over stripes. */
  next: number
}

/**
 * Sends the columns of an object that one storage node keeps, over one stream: what follows each other goes together. Fragments already
 * there are skipped; at most CREDIT_BYTES_MAX are under way un-acked. What the node answers is bounded as a
 * whole by what it was sent. The first failure ends it: every later call rejects with that error.
 */
export class NodeUpload {
  /** Columns that go to this node, rising. */
  readonly columns: readonly number[]
  readonly #stream: FrameStream
  readonly #clock: Clock
  readonly #exchange: Exchange
  readonly #window = new CreditWindow()
  readonly #sent: number[] = []
  #have: Uint8Array = new Uint8Array(0)
  #haveBytes = 0
  readonly #order: StorageOrder
  /** The order goes with the first fragments. */
  #isUnopened = false
  #receipt: Promise<MessageOf<'RECEIPT'>> | null = null
  #isDone = false
  #failure: XcareError | null = null
  #wake = Promise.withResolvers<void>()
  /** Since when the node owes an answer; null while it owes none. */
  #dueMs: number | null = null

  /** @param order signed by the object's owner key for this very node. */
  constructor(stream: FrameStream, order: StorageOrder, clock: Clock) {
    this.#stream = stream
    this.#order = order
    this.#clock = clock
    // Each PUT is acknowledged at most once, and carries a fragment at least.
    const items = order.columns.length * order.stripes
    const bytes = items * fragmentBytesOf(order) + RECEIPT_BYTES_MAX
    this.#exchange = new Exchange(clock, `storage node ${stream.remote}`, FRAME_IDLE_MS, { items, bytes })
    this.columns = order.columns
  }

  /** The peer these columns go to. */
  get node(): string {
    return this.#stream.remote
  }

  /** Opens the put. @throws XcareError with the node's own code when it refuses. */
  async begin(): Promise<void> {
    await this.#sendOrder()
    await this.#askHave({ op: 'GET_HAVE' })
    this.#startListening()
  }

  /**
   * As `begin`, but the node reads every fragment from its disk before it tells which are there.
   * @param alive is called after each part that it has read.
   * @throws XcareError MALFORMED when the node is of an older version that cannot do so.
   */
  async beginVerified(alive: () => void): Promise<void> {
    await this.#sendOrder()
    const { stripes } = this.#order
    const step = verifiedStripesMax(this.columns.length, fragmentBytesOf(this.#order))
    for (let from = 0; from < stripes; from += step) {
      await this.#askHave({ op: 'VERIFY', from, to: Math.min(stripes, from + step) })
      alive()
    }
    this.#startListening()
  }

  async #askHave(question: MessageOf<'GET_HAVE'> | MessageOf<'VERIFY'>): Promise<void> {
    this.#dueMs = this.#clock.nowMs()
    await this.#stream.write(...encodeFrame(question))
    const reply = await readNodeMessage(this.#stream, FRAME_IDLE_MS)
    this.#dueMs = null
    if (reply.op !== 'HAVE') throw unexpected(reply)
    this.#haveBytes = Math.ceil(this.#order.stripes / 8)
    if (reply.body.length !== this.#haveBytes * this.columns.length)
      throw new XcareError(
        'MALFORMED',
        `storage node ${this.node} told of other columns than it was asked for`,
      )
    this.#have = reply.body.slice()
  }

  /** Opens the put of an object that no node can know yet, together with its first fragments: nothing is asked, and a refusal is met by a later call. */
  beginWithFragments(): void {
    this.#isUnopened = true
  }

  /** Those of `columns` whose fragment of `stripe` the node did not have when the put began. */
  lacking(stripe: number): number[] {
    return this.columns.filter((_, place) => !this.#has(place, stripe))
  }

  /**
   * Resolves when the fragments are on their way and there was credit for them; skips what the node has already.
   * @param stripes in rising order, the fragments all of one size, one for each of `columns`; not to be changed until they are durable.
   */
  async send(stripes: readonly NodeStripe[]): Promise<void> {
    for (const run of this.#runs(stripes)) await this.#put(run)
  }

  *#runs(stripes: readonly NodeStripe[]): Generator<Run> {
    let run = null as Run | null
    for (const { stripe, fragments } of stripes)
      for (const [place, fragment] of fragments.entries()) {
        if (!fragment || this.#has(place, stripe)) continue
        const at = stripe * this.columns.length + place
        const isNext = run?.next === at && (run.fragments.length + 1) * fragment.length <= BATCH_BYTES_MAX
        if (run && !isNext) yield run
        if (!run || !isNext) run = { stripe, first: place, fragments: [], next: at }
        run.fragments.push(fragment)
        run.next++
      }
    if (run) yield run
  }

  /** First stripe that is still under way to this node; every one before it is durable there. `none` when nothing is. */
  oldestUnderWay(none: number): number {
    return this.#sent[this.#window.acked] ?? none
  }

  /** @returns how long the node has owed an answer without giving any part of it, in ms. */
  silentMs(nowMs: number): number {
    return this.#dueMs === null ? 0 : nowMs - this.#dueMs
  }

  /** Hands over the manifest. @returns the node's signed receipt, unchecked: it says that the whole columns are durable there. */
  async finish(manifest: Uint8Array): Promise<MessageOf<'RECEIPT'>> {
    if (this.#failure) throw this.#failure
    if (!this.#receipt) throw new XcareError('INTERNAL', 'a put was finished before it was begun')
    this.#isDone = true
    this.#dueMs ??= this.#clock.nowMs()
    await this.#write(encodeFrame({ op: 'DONE', body: manifest }))
    const receipt = await this.#receipt
    this.#stream.release()
    return receipt
  }

  /** Gives the upload up. */
  abort(reason: Error): void {
    this.#stream.abort(reason)
  }

  /** Resolves when nothing of what was sent is read from its memory any more, also after `abort`. */
  async flushed(): Promise<void> {
    await this.#stream.flushed?.()
  }

  #has(place: number, stripe: number): boolean {
    return Boolean(((this.#have[place * this.#haveBytes + (stripe >> 3)] ?? 0) >> (stripe & 7)) & 1)
  }

  async #put({ stripe, first, fragments }: Run): Promise<void> {
    const size = fragments.length * fragments[0]!.length
    while (!this.#failure && !this.#window.hasRoom(size)) await this.#wake.promise
    if (this.#failure) throw this.#failure
    this.#window.take(size)
    this.#dueMs ??= this.#clock.nowMs()
    this.#sent.push(stripe)
    if (this.#isUnopened) {
      this.#isUnopened = false
      this.#startListening()
      await this.#sendOrder()
    }
    await this.#write(encodeFragments('PUT', { stripe, first }, fragments))
  }

  /** What the node said, or did not say, tells more than that nothing can be written any more. */
  async #write(parts: Uint8Array[]): Promise<void> {
    try {
      await this.#stream.write(...parts)
    } catch (error) {
      throw this.#failure ?? error
    }
  }

  #sendOrder(): Promise<void> {
    return this.#stream.write(...encodeFrame({ op: 'OPEN_PUT', ...this.#order }))
  }

  #startListening(): void {
    this.#receipt = this.#listen()
    this.#receipt.catch((error: XcareError) => {
      this.#failure = error
      this.#wake.resolve()
      // A node that takes nothing any more would hold whoever writes to it for much longer.
      this.#stream.abort(error)
    })
  }

  async #listen(): Promise<MessageOf<'RECEIPT'>> {
    for (;;) {
      const message = await this.#exchange.next(
        (idleMs, frameBytes) => readNodeMessage(this.#stream, idleMs, frameBytes),
        () => this.#dueMs ?? Number.POSITIVE_INFINITY,
      )
      if (message.op === 'RECEIPT' && this.#isDone) return message
      if (message.op !== 'ACK') throw unexpected(message)
      const settled = this.#window.settle(message.count)
      this.#exchange.took(settled.messages, settled.bytes)
      this.#dueMs = this.#window.isEmpty && !this.#isDone ? null : this.#clock.nowMs()
      this.#wake.resolve()
      this.#wake = Promise.withResolvers<void>()
    }
  }
}
