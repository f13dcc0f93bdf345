import { concat, equalBytes } from '../../src/bytes.ts'
import * as key from '../../src/chain-anchor/app/keys.ts'
import type { Message } from '../../src/chain-anchor/app/messages.ts'
import { decodeTx, verifyTxSignatures } from '../../src/chain-anchor/app/tx.ts'
import * as value from '../../src/chain-anchor/app/values.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import { XcareError } from '../../src/errors.ts'
import type { NodeId } from '../../src/ids.ts'
import type { Clock, Folder, FrameStream, Ledger, Random } from '../../src/ports.ts'

/** A clock that stands still until it is told. Short sleeps end at once, long ones when the clock has moved far enough. */
export class TestClock implements Clock {
  #nowMs: number
  #sleepers = new Set<{ untilMs: number; wake: () => void }>()

  constructor(nowMs = 1_800_000_000_000) {
    this.#nowMs = nowMs
  }

  nowMs(): number {
    return this.#nowMs
  }

  advance(durationMs: number): void {
    this.#nowMs += durationMs
    for (const sleeper of this.#sleepers) if (sleeper.untilMs <= this.#nowMs) sleeper.wake()
  }

  sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const sleeper = { untilMs: this.#nowMs + durationMs, wake: () => resolve() }
      if (durationMs <= 2_000) setImmediate(sleeper.wake)
      else this.#sleepers.add(sleeper)
      signal?.addEventListener('abort', () => reject(signal.reason))
      if (signal?.aborted) reject(signal.reason)
    })
  }
}

/** Random bytes that are the same in every run: SHA-256 of a seed and a counter. */
export function testRandom(seed: string): Random {
  let counter = 0
  return {
    bytes(length) {
      const out = new Uint8Array(length)
      for (let at = 0; at < length; at += 32) {
        const block = sha256(new TextEncoder().encode(`${seed} ${counter++}`))
        out.set(block.subarray(0, Math.min(32, length - at)), at)
      }
      return out
    },
  }
}

/** A folder in memory. */
export function memoryFolder(): Folder & { files: Map<string, Uint8Array> } {
  const files = new Map<string, Uint8Array>()
  return {
    files,
    read: async (name) => files.get(name)?.slice() ?? null,
    replace: async (name, content) => void files.set(name, content.slice()),
    append: async (name, content) =>
      void files.set(name, concat(files.get(name) ?? new Uint8Array(0), content)),
    remove: async (name) => void files.delete(name),
    list: async () => [...files.keys()].sort(),
  }
}

/** What one reader of a chain makes of it. */
export interface ViewOptions {
  offline?: boolean
  lagBlocks?: number
  headAgeMs?: number
  chainId?: string
  /** Height of a header that it goes on using, from before anything was set, unless it is asked about that block or a later one. */
  heldAt?: number
}

/** A chain that believes whatever is well signed, proven to everyone. `stale` and `lagBlocks` make its readers blind. */
export class TestChain {
  readonly state = new Map<string, Uint8Array>()
  readonly network: string
  readonly clock: TestClock
  height = 10
  /** How far the newest header is behind the clock. */
  headAgeMs = 1_000
  submitted: Message[] = []

  constructor(network: string, clock: TestClock) {
    this.network = network
    this.clock = clock
  }

  set(at: Uint8Array, bytes: Uint8Array | null): void {
    this.height++
    if (bytes) this.state.set(at.join(), bytes)
    else this.state.delete(at.join())
  }

  /** @returns the chain as it is now, to be put back later. */
  snapshot(): { height: number; state: Map<string, Uint8Array> } {
    return { height: this.height, state: new Map(this.state) }
  }

  /** Puts the chain back to an earlier state. */
  restore({ height, state }: ReturnType<TestChain['snapshot']>): void {
    this.height = height
    this.state.clear()
    for (const [at, bytes] of state) this.state.set(at, bytes)
  }

  get(at: Uint8Array): Uint8Array | null {
    return this.state.get(at.join()) ?? null
  }

  /** @returns one reader's view; `options` can be changed while it is used. */
  ledger(options: ViewOptions = {}): Ledger {
    const head = async (maxAgeMs: number) => {
      const ageMs = options.headAgeMs ?? this.headAgeMs
      if (options.offline) throw new XcareError('OFFLINE', 'the chain cannot be reached')
      if (ageMs > maxAgeMs) throw new XcareError('OFFLINE', 'the newest header is old')
      const timeMs = this.clock.nowMs() - ageMs
      return {
        height: this.height,
        timeMs,
        hash: new Uint8Array(32),
        chainId: options.chainId ?? this.network,
      }
    }
    const ledger: Ledger = {
      head,
      send: async (bytes) => {
        const { height } = await ledger.submit(bytes)
        return { height, proven: Promise.resolve({ height }) }
      },
      read: async (at, maxAgeMs, block = 0) => {
        const { height, timeMs } = await head(maxAgeMs)
        if (options.heldAt !== undefined && options.heldAt > block)
          return { value: null, height: options.heldAt - 1, timeMs }
        return { value: this.get(at), height: height - 1 - (options.lagBlocks ?? 0), timeMs }
      },
      blob: async () => {
        throw new XcareError('NOT_FOUND', 'no such bytes')
      },
      submit: async (bytes) => {
        await head(Number.MAX_SAFE_INTEGER)
        const tx = decodeTx(bytes)
        if (!verifyTxSignatures(tx)) throw new XcareError('REFUSED', 'wrong signature')
        for (const message of tx.body.messages) {
          this.submitted.push(message)
          this.#apply(message, (wanted) => tx.auths.some((auth) => equalBytes(auth.key, wanted)))
        }
        return { height: ++this.height }
      },
    }
    return ledger
  }

  #apply(message: Message, signedBy: (key: Uint8Array) => boolean): void {
    const require = (wanted: Uint8Array) => {
      if (!signedBy(wanted)) throw new XcareError('REFUSED', 'not signed by the right key')
    }
    const { type, ...fields } = message
    if (type === 'custody.record') {
      require(message.ownerKey)
      const { type: _, ...terms } = message
      this.set(
        key.custodyKey(message.objectId),
        value.custodyValue.encode({ ...terms, frozen: false, status: 'active' }),
      )
    } else if (type === 'custody.destroy' || type === 'custody.freeze') {
      const before = value.custodyValue.decode(this.get(key.custodyKey(message.objectId))!)
      require(before.ownerKey)
      const change =
        message.type === 'custody.destroy' ? { status: 'destroyed' as const } : { frozen: message.frozen }
      this.set(key.custodyKey(message.objectId), value.custodyValue.encode({ ...before, ...change }))
    } else if (type === 'grant.create') {
      require(message.revokeKey)
      const { type: _, ...grant } = message
      this.set(
        key.grantKey(message.grantId),
        value.grantValue.encode({ ...grant, status: 'active', height: this.height }),
      )
    } else if (type === 'grant.revoke') {
      const before = value.grantValue.decode(this.get(key.grantKey(message.grantId))!)
      require(before.revokeKey)
      this.set(key.grantKey(message.grantId), value.grantValue.encode({ ...before, status: 'revoked' }))
    } else if (type === 'record.remove') {
      const before = value.recordValue.decode(this.get(key.recordKey(message.objectId))!)
      require(before.ownerKey)
      this.set(key.recordKey(message.objectId), value.recordValue.encode({ ...before, status: 'removed' }))
    } else if (type === 'receipt.extend') {
      const { guardianId, from, hashes, head } = message
      const count = from + hashes.length / 32
      const anchored = { guardianId, seq: count, head, count }
      this.set(key.receiptKey(guardianId), value.receiptHeadValue.encode(anchored))
    } else if (type === 'guardian.register') {
      require(message.signKey)
      const { type: _, ...guardian } = message
      const listed = value.guardianValue.encode({ ...guardian, epoch: 1, status: 'active' })
      this.set(key.guardianKey(message.guardianId), listed)
    } else throw new XcareError('REFUSED', `the test chain does not know ${type} ${Object.keys(fields)}`)
  }
}

/** @returns two ends of one stream in memory. */
export function streamPair(asker: NodeId, server: NodeId): [FrameStream, FrameStream] {
  const toServer = new Queue()
  const toAsker = new Queue()
  return [end(server, toServer, toAsker), end(asker, toAsker, toServer)]
}

class Queue {
  #frames: (Uint8Array | null | Error)[] = []
  #wake: (() => void) | null = null

  push(frame: Uint8Array | null | Error): void {
    this.#frames.push(frame)
    this.#wake?.()
  }

  async next(): Promise<Uint8Array | null> {
    while (this.#frames.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve))
    const frame = this.#frames.shift()!
    if (frame instanceof Error) throw frame
    return frame
  }
}

function end(remote: NodeId, out: Queue, into: Queue): FrameStream {
  return {
    remote,
    write: async (...parts) => out.push(concat(...parts)),
    read: () => into.next(),
    close: async () => out.push(null),
    release: () => out.push(null),
    abort: (reason) => out.push(reason),
  }
}
