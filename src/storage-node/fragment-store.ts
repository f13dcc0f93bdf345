import { Worker } from 'node:worker_threads'
import { isErrorCode, XcareError } from '../errors.ts'
import { DISK_QUEUE_BYTES_MAX } from '../limits.ts'
import type { DiskAnswer, DiskCall, DiskCalls, DiskOptions, DiskRequest, DiskStarted } from './disk/calls.ts'
import type { FragmentRun } from './disk/column-reader.ts'
import type { Recovery } from './disk/recover.ts'

/** Bodies below this size are copied: handing their memory over costs more. */
const COPY_BYTES = 8 * 1024
/** Bodies of at least this size that follow each other so closely are a flow. */
const FLOW_BODY_BYTES = 16 * 1024
const FLOW_MS = 50
/** A flow waits so long, or until so many bytes are there: one message, one sync and one wake-up serve many. A single body never waits. */
const GATHER_MS = 10
const GATHER_BYTES = 512 * 1024
/** A buffer with more than this beside the body is not handed over: others may be using it. */
const BESIDE_BYTES = 128
const HEALTH_MS = 2_000

interface Waiting {
  resolve(value: unknown): void
  reject(error: XcareError): void
  bytes: number
}

/** The store of a node as its network thread sees it: every call runs on the disk thread. */
export class FragmentStore {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  readonly #recovery: Recovery
  readonly #outbox: DiskRequest[] = []
  readonly #transfer: ArrayBuffer[] = []
  #nextId = 1
  #flush: { kind: 'now' } | { kind: 'later'; timer: NodeJS.Timeout } | null = null
  #outboxBytes = 0
  #flowedMs = Number.NEGATIVE_INFINITY
  #nextHandle = 1
  #queuedBytes = 0
  #room: PromiseWithResolvers<void> | null = null
  #verifying: Promise<void> = Promise.resolve()
  #health: { askedMs: number; found: Promise<DiskCalls['health'][1]> } | null = null
  #failure: XcareError | null = null
  #onFailure: (error: XcareError) => void = () => {}

  private constructor(worker: Worker, recovery: Recovery) {
    this.#worker = worker
    this.#recovery = recovery
    worker.on('message', (answers: DiskAnswer[]) => this.#settle(answers))
    worker.on('error', (cause) =>
      this.#fail(new XcareError('INTERNAL', 'the disk thread broke down', { cause })),
    )
    worker.on('exit', () => this.#fail(new XcareError('INTERRUPTED', 'the store is closed')))
  }

  /** Starts the disk thread and opens the store. @throws XcareError LOCKED, INTEGRITY, NO_SPACE as the store does. */
  static async open(options: DiskOptions): Promise<FragmentStore> {
    const worker = new Worker(new URL('./disk/worker.ts', import.meta.url), { workerData: options })
    const { promise, resolve, reject } = Promise.withResolvers<DiskStarted>()
    worker.once('message', resolve)
    const onExit = () => reject(new XcareError('INTERNAL', 'the disk thread ended before the store was open'))
    worker.once('error', reject).once('exit', onExit)
    const started = await promise
    worker.off('error', reject).off('exit', onExit)
    if ('started' in started) return new FragmentStore(worker, started.started)
    await worker.terminate()
    throw errorFrom(started.error)
  }

  /** What the last opening found and did. */
  get recovery(): Recovery {
    return this.#recovery
  }

  /** Sets what happens when the disk thread breaks down; the store is of no use then. */
  set onFailure(listener: (error: XcareError) => void) {
    this.#onFailure = listener
  }

  /** @returns a name for a put that is about to begin, so that calls about it need not wait for its beginning. */
  newHandle(): number {
    return this.#nextHandle++
  }

  /** Asks the disk thread. @throws XcareError as the call does; INTERRUPTED after close. */
  async call<C extends Exclude<DiskCall, 'put' | 'giveBack' | 'close'>>(
    call: C,
    ...args: DiskCalls[C][0]
  ): Promise<DiskCalls[C][1]> {
    return (await this.#post(call, args, [], 0)) as DiskCalls[C][1]
  }

  /**
   * Resolves when `count` fragments of one put are durable: from the one of `stripe` in its column at place `first` on, by stripe and then by column.
   * `body` holds them one after the other; it must not be used afterwards: its memory may move to the disk thread.
   * @returns that memory when it was moved, for whoever wants to fill it again.
   */
  async put(
    handle: number,
    stripe: number,
    first: number,
    count: number,
    body: Uint8Array,
  ): Promise<ArrayBuffer | null> {
    const { buffer } = body
    const isOwn =
      body.length >= COPY_BYTES &&
      buffer instanceof ArrayBuffer &&
      buffer.byteLength - body.length <= BESIDE_BYTES
    const sent = isOwn ? body : body.slice()
    const args = [handle, stripe, first, count, sent]
    const stored = await this.#post('put', args, [sent.buffer as ArrayBuffer], body.length)
    return isOwn ? (stored as DiskCalls['put'][1])!.bytes.buffer : null
  }

  /** Gives the memory of a fragment run back that nobody reads any more. It travels with the next call: nobody waits for it. */
  giveBack({ bytes }: FragmentRun): void {
    if (bytes.buffer instanceof SharedArrayBuffer)
      this.#outbox.push({ id: this.#nextId++, call: 'giveBack', args: [bytes] })
  }

  /**
   * How the store is. To find out takes long where much is kept, and anybody may ask: what was found within
   * HEALTH_MS is told again.
   */
  health(): Promise<DiskCalls['health'][1]> {
    const nowMs = performance.now()
    if (this.#health === null || nowMs - this.#health.askedMs > HEALTH_MS) {
      this.#health = { askedMs: nowMs, found: this.call('health') }
      this.#health.found.catch(() => {})
    }
    return this.#health.found
  }

  /** Whether nobody waits for the disk thread. */
  get isIdle(): boolean {
    return this.#waiting.size === 0
  }

  /**
   * Reads fragments of the put `handle` from the disk itself, in small steps, and only those of one asker at
   * a time: whoever else waits for the disk thread has its turn between them.
   * @param columns how many the put has. @throws XcareError REFUSED when the put has ended.
   */
  async verify(handle: number, columns: number, from: number, to: number): Promise<void> {
    const mine = this.#verifying.then(async () => {
      for (let column = 0; column < columns; column++)
        for (let at = from; at < to; ) at = (await this.call('verify', handle, column, at, to)).next
    })
    this.#verifying = mine.catch(() => {})
    return mine
  }

  /** Resolves when the disk thread has room for more: streams read on only then. */
  async room(): Promise<void> {
    while (this.#queuedBytes > DISK_QUEUE_BYTES_MAX && this.#failure === null) {
      this.#room ??= Promise.withResolvers<void>()
      await this.#room.promise
    }
  }

  /** Finishes what is under way and closes the store. */
  async close(): Promise<void> {
    if (this.#failure) return
    this.#onFailure = () => {}
    await this.#post('close', [], [], 0)
    this.#failure = new XcareError('INTERRUPTED', 'the store is closed')
    await this.#worker.terminate()
  }

  #post(call: DiskCall, args: unknown[], transfer: ArrayBuffer[], bytes: number): Promise<unknown> {
    if (this.#failure) return Promise.reject(this.#failure)
    const id = this.#nextId++
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    this.#waiting.set(id, { resolve, reject, bytes })
    this.#queuedBytes += bytes
    this.#outbox.push({ id, call, args })
    this.#transfer.push(...transfer)
    this.#outboxBytes += bytes
    this.#schedule(bytes)
    return promise
  }

  #schedule(bytes: number): void {
    if (this.#flush?.kind === 'now') return
    if (this.#isFlow(bytes) && this.#outboxBytes < GATHER_BYTES) {
      this.#flush ??= { kind: 'later', timer: setTimeout(() => this.#send(), GATHER_MS) }
      return
    }
    if (this.#flush) clearTimeout(this.#flush.timer)
    this.#flush = { kind: 'now' }
    setImmediate(() => this.#send())
  }

  #isFlow(bytes: number): boolean {
    if (bytes < FLOW_BODY_BYTES) return false
    const before = this.#flowedMs
    this.#flowedMs = performance.now()
    return this.#flowedMs - before < FLOW_MS
  }

  /** What one turn of the event loop brought goes to the disk thread together: waking it costs more than a message. */
  #send(): void {
    this.#flush = null
    this.#outboxBytes = 0
    this.#worker.postMessage(this.#outbox.splice(0), this.#transfer.splice(0))
  }

  #settle(answers: DiskAnswer[]): void {
    for (const answer of answers) {
      const waiting = this.#waiting.get(answer.id)
      if (waiting === undefined) continue
      this.#waiting.delete(answer.id)
      this.#queuedBytes -= waiting.bytes
      if ('value' in answer) waiting.resolve(answer.value)
      else waiting.reject(errorFrom(answer.error))
    }
    if (this.#queuedBytes > DISK_QUEUE_BYTES_MAX) return
    this.#room?.resolve()
    this.#room = null
  }

  #fail(error: XcareError): void {
    if (this.#failure) return
    this.#failure = error
    for (const waiting of this.#waiting.values()) waiting.reject(error)
    this.#waiting.clear()
    this.#room?.resolve()
    this.#onFailure(error)
  }
}

function errorFrom({
  code,
  message,
  next,
}: {
  code: string
  message: string
  next: string | null
}): XcareError {
  return new XcareError(isErrorCode(code) ? code : 'INTERNAL', message, next === null ? {} : { next })
}
