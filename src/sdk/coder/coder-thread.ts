import { Worker } from 'node:worker_threads'
import { isErrorCode, XcareError } from '../../errors.ts'
import type { Coder, OpenStream, RebuildStream, SealStream } from '../../light-node/coder.ts'
import type { Answers, Questions, Remark } from './_coder-messages.ts'

/** Starts a worker thread that seals, opens and rebuilds, so that this thread is free for the network. */
export function startCoder(): Coder {
  const thread = new CoderThread()
  return {
    seal: async (job) => sealStream(thread, await thread.ask('seal', { job })),
    open: async (manifest, custodyKey, shares) =>
      openStream(thread, await thread.ask('open', { manifest, custodyKey, shares })),
    rebuild: async (manifest) => rebuildStream(thread, await thread.ask('rebuilding', { manifest })),
    close: () => thread.close(),
  }
}

function rebuildStream(thread: CoderThread, stream: number): RebuildStream {
  return {
    rebuild: (stripe, columns, fragments) =>
      thread.ask('rebuild', { stream, stripe, columns, fragments: movable(fragments) }),
    close: () => thread.tell({ kind: 'close', stream }),
  }
}

function sealStream(thread: CoderThread, stream: number): SealStream {
  return {
    write: (plain) => thread.ask('write', { stream, plain: detached(plain) }),
    finish: (sealed) => thread.ask('finish', { stream, sealed }),
    recycle: (bytes) =>
      thread.tell(
        { kind: 'recycle', stream, bytes },
        bytes.buffer instanceof ArrayBuffer ? [bytes.buffer] : [],
      ),
    close: () => thread.tell({ kind: 'close', stream }),
  }
}

function openStream(thread: CoderThread, opened: Answers['open']): OpenStream {
  const { stream, sealed } = opened
  return {
    sealed,
    openStripe: (stripe, fragments) =>
      thread.ask('stripe', {
        stream,
        stripe,
        fragments: movable(fragments),
      }),
    // Parts are copied: they are small, or the exception.
    openRange: (offset, length, parts) => thread.ask('range', { stream, offset, length, parts }),
    recycle: (plain) => thread.tell({ kind: 'recycle', stream, bytes: plain }, [plain.buffer as ArrayBuffer]),
    close: () => thread.tell({ kind: 'close', stream }),
  }
}

/** Questions whose memory moves to the thread. */
const MOVING: (keyof Questions)[] = ['write', 'stripe', 'rebuild']
/** Bytes beside fragments in the memory they came in: the head of its frame, which nobody needs any more. */
const BESIDE_BYTES = 128

/** A view that shares its buffer with others would take them along when it changes threads. */
function detached(view: Uint8Array): Uint8Array {
  return view.byteLength === view.buffer.byteLength ? view : view.slice()
}

/** @returns the fragments, copied where their memory holds more than them and the head of the frame they came in. */
function movable(fragments: readonly (Uint8Array | null)[]): (Uint8Array | null)[] {
  const used = new Map<ArrayBufferLike, number>()
  for (const fragment of fragments)
    if (fragment) used.set(fragment.buffer, (used.get(fragment.buffer) ?? 0) + fragment.length)
  const isOwn = ({ buffer }: Uint8Array) =>
    buffer instanceof ArrayBuffer && buffer.byteLength - used.get(buffer)! <= BESIDE_BYTES
  return fragments.map((fragment) => fragment && (isOwn(fragment) ? fragment : fragment.slice()))
}

function buffersOf(value: unknown): ArrayBuffer[] {
  if (value instanceof Uint8Array) return [value.buffer as ArrayBuffer]
  return Array.isArray(value) ? value.flatMap(buffersOf) : []
}

interface Waiting {
  resolve(answer: never): void
  reject(error: Error): void
}

class CoderThread {
  readonly #worker = new Worker(new URL('./_coder-worker.ts', import.meta.url))
  readonly #waiting = new Map<number, Waiting>()
  #asked = 0
  /** Why nothing can be asked any more. */
  #ended: XcareError | null = null

  constructor() {
    this.#worker.on('message', (message) => this.#settle(message))
    this.#worker.on('error', (cause) =>
      this.#end(new XcareError('INTERNAL', 'the thread that seals and opens records ended', { cause })),
    )
    this.#worker.unref()
  }

  ask<K extends keyof Questions>(kind: K, fields: Questions[K]): Promise<Answers[K]> {
    if (this.#ended) return Promise.reject(this.#ended)
    const id = ++this.#asked
    const { promise, resolve, reject } = Promise.withResolvers<Answers[K]>()
    this.#waiting.set(id, { resolve, reject })
    // A waiting answer keeps the process alive; an idle thread does not.
    this.#worker.ref()
    const moved = MOVING.includes(kind) ? Object.values(fields).flatMap(buffersOf) : []
    this.#worker.postMessage({ id, kind, ...fields }, [...new Set(moved)])
    return promise
  }

  /** Says something that needs no answer. */
  tell(remark: Remark, moved: ArrayBuffer[] = []): void {
    if (!this.#ended) this.#worker.postMessage(remark, moved)
  }

  async close(): Promise<void> {
    this.#end(new XcareError('INTERRUPTED', 'the thread that seals and opens records is closed'))
    await this.#worker.terminate()
  }

  #settle(message: { id: number; answer?: never; error?: { code: string; message: string } }): void {
    const waiting = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if (this.#waiting.size === 0) this.#worker.unref()
    if (!message.error) {
      waiting?.resolve(message.answer as never)
      return
    }
    const { code, message: sentence } = message.error
    waiting?.reject(new XcareError(isErrorCode(code) ? code : 'INTERNAL', sentence))
  }

  #end(error: XcareError): void {
    this.#ended ??= error
    for (const { reject } of this.#waiting.values()) reject(this.#ended)
    this.#waiting.clear()
  }
}
