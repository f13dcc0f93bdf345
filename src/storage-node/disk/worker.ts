import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { assert } from '../../assert.ts'
import { asXcareError, XcareError } from '../../errors.ts'
import { COMMIT_RECORDS_MAX } from '../../limits.ts'
import type { DiskAnswer, DiskCall, DiskCalls, DiskOptions, DiskRequest, DiskStarted } from './calls.ts'
import type { CommitResult } from './commit.ts'
import { openStore } from './open-store.ts'
import type { VolumeStore } from './store.ts'
import type { CommitOp } from './written.ts'

/** Memory of at least this size goes back to whoever sent it, to be used again. */
const MOVED_BODY_BYTES = 8 * 1024
/** The file of the index may lag this far behind. */
const SETTLE_MS = 200

type Now = Exclude<DiskCall, 'put' | 'finish' | 'delete' | 'giveBack' | 'close'>
type Handlers = { [C in Now]: (store: VolumeStore, ...args: DiskCalls[C][0]) => DiskCalls[C][1] }

const HANDLERS: Handlers = {
  openPut: (store, order, handle) => store.openPut(order, handle),
  have: (store, handle) => store.have(handle),
  closePut: (store, handle) => {
    store.closePut(handle)
    return null
  },
  fragments: (store, key, columns, from, to) =>
    store.read((reader) => reader.fragments(key, columns, from, to)),
  hashes: (store, key, columns) => store.read((reader) => reader.hashes(key, columns)),
  shares: (store, key, columns, from, to) => store.read((reader) => reader.shares(key, columns, from, to)),
  leaves: (store, key, range) => store.read((reader) => reader.leaves(key, range)),
  manifest: (store, objectId) => store.read((reader) => reader.manifest(objectId)),
  recent: (store, sinceMs, limit) => store.recent(sinceMs, limit),
  verify: (store, handle, column, from, to) => store.verify(handle, column, from, to),
  scrub: (store) => store.scrub(),
  held: (store, kind, after, limit, objects) => store.held(kind, after, limit, objects),
  patience: (store) => ({ patienceMs: store.patienceMs() }),
  judge: (store, anchored, gone) => store.judge(anchored, gone),
  expire: (store) => store.expire(),
  compact: (store) => store.compact(),
  takeDamaged: (store) => store.takeDamaged(),
  status: (store) => store.status(),
  health: (store) => store.health(),
}

/** Serves the calls of one main thread: reads as they come, everything that must be durable in groups. */
class DiskThread {
  readonly #port: MessagePort
  readonly #store: VolumeStore
  readonly #close: () => void
  readonly #waiting: { id: number; op: CommitOp }[] = []
  /** Answers that travel with those of the next commit: each message wakes the network thread. */
  readonly #held: DiskAnswer[] = []
  #isDue = false
  #settling: NodeJS.Timeout | null = null

  constructor(port: MessagePort, store: VolumeStore, close: () => void) {
    this.#port = port
    this.#store = store
    this.#close = close
    port.on('message', (requests: DiskRequest[]) => {
      this.#takeAll(requests)
      this.#schedule()
    })
  }

  #takeAll(requests: DiskRequest[]): void {
    const arePut = requests.some(({ call }) => call === 'put')
    for (const request of requests) this.#take(request, arePut)
  }

  /** @param isFollowed whether fragments come along: what they are put under is then answered with them. */
  #take({ id, call, args }: DiskRequest, isFollowed: boolean): void {
    if (call === 'put') {
      const [handle, stripe, first, count, body] = args as DiskCalls['put'][0]
      this.#waiting.push({ id, op: { kind: 'put', handle, stripe, first, count, body } })
    } else if (call === 'finish') {
      const [handle, manifest] = args as DiskCalls['finish'][0]
      this.#waiting.push({ id, op: { kind: 'finish', handle, manifest } })
    } else if (call === 'delete') {
      const [order] = args as DiskCalls['delete'][0]
      this.#waiting.push({ id, op: { kind: 'delete', order } })
    } else if (call === 'giveBack') this.#store.giveBack(...(args as DiskCalls['giveBack'][0]))
    else if (call === 'close') this.#end(id)
    else if (call === 'openPut' && isFollowed) this.#held.push(this.#run(id, call, args))
    else this.#answer([this.#run(id, call, args)])
  }

  #run(id: number, call: Now, args: unknown[]): DiskAnswer {
    try {
      const handler = HANDLERS[call] as (store: VolumeStore, ...args: unknown[]) => unknown
      return { id, value: handler(this.#store, ...args) }
    } catch (error) {
      return { id, error: wireError(asXcareError(error)) }
    }
  }

  #schedule(): void {
    if (this.#waiting.length === 0 || this.#isDue) return
    this.#isDue = true
    setImmediate(() => this.#turn())
  }

  #turn(): void {
    this.#isDue = false
    // What arrived while the last sync ran joins this one.
    for (let more = receiveMessageOnPort(this.#port); more; more = receiveMessageOnPort(this.#port))
      this.#takeAll(more.message as DiskRequest[])
    this.#commit()
    this.#schedule()
  }

  #commit(): void {
    const next = this.#waiting.slice(0, COMMIT_RECORDS_MAX).map(({ op }) => op)
    const group = this.#waiting.splice(0, this.#store.together(next))
    if (group.length === 0) return
    const results = this.#committed(group.map(({ op }) => op))
    for (const [at, { op }] of group.entries()) {
      const result = results[at]!
      if (op.kind === 'finish' && 'finished' in result) this.#store.closePut(op.handle)
    }
    this.#settleSoon()
    const answers = group.map(({ id, op }, at) => commitAnswer(id, op, results[at]!))
    this.#answer([...this.#held.splice(0), ...answers])
  }

  #committed(ops: readonly CommitOp[]): (CommitResult | XcareError)[] {
    try {
      return this.#store.commit(ops)
    } catch (error) {
      const failure = asXcareError(error)
      return ops.map(() => failure)
    }
  }

  /** Many commits share one transaction of the index, which costs as much as they do. */
  #settleSoon(): void {
    if (this.#settling || !this.#store.isLate) return
    this.#settling = setTimeout(() => {
      this.#settling = null
      this.#store.settle()
    }, SETTLE_MS)
  }

  /**
   * What cannot be sent is answered as a mistake of this program: a thread that breaks takes the whole node
   * down.
   */
  #answer(answers: DiskAnswer[]): void {
    try {
      this.#port.postMessage(answers, answers.flatMap(transferOf))
    } catch (cause) {
      const error = wireError(asXcareError(cause))
      this.#port.postMessage(answers.map(({ id }) => ({ id, error })))
    }
  }

  #end(id: number): void {
    while (this.#waiting.length > 0) this.#commit()
    if (this.#settling) clearTimeout(this.#settling)
    this.#close()
    this.#answer([{ id, value: null }])
    this.#port.close()
  }
}

function commitAnswer(id: number, op: CommitOp, result: CommitResult | XcareError): DiskAnswer {
  if (result instanceof XcareError) return { id, error: wireError(result) }
  if (op.kind === 'put' && op.body.length >= MOVED_BODY_BYTES) return { id, value: { bytes: op.body } }
  return { id, value: result.finished ?? null }
}

/** Bytes of a fragment run, of leaves and of a stored body belong to the answer alone, so they move instead of being copied. */
function transferOf(answer: DiskAnswer): ArrayBuffer[] {
  const value = 'value' in answer ? (answer.value as { bytes?: unknown } | null) : null
  const bytes = value?.bytes
  return bytes instanceof Uint8Array && bytes.buffer instanceof ArrayBuffer ? [bytes.buffer] : []
}

function wireError({ code, message, next }: XcareError): {
  code: string
  message: string
  next: string | null
} {
  return { code, message, next }
}

function main(): void {
  const port = parentPort
  assert(port !== null, 'this file is the entry of a worker thread')
  let started: DiskStarted
  try {
    const { store, close } = openStore(workerData as DiskOptions)
    new DiskThread(port, store, close)
    started = { started: store.recovery }
  } catch (error) {
    started = { error: wireError(asXcareError(error)) }
  }
  port.postMessage(started)
}

main()
