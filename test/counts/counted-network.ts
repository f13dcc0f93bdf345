// The counters must be in place before the code that they count is loaded.
import './disk-tallies.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { sharedRoom } from '../../src/fragment/erasure/stripe-room.ts'
import type { Profile } from '../../src/fragment/profile.ts'
import type { NodeId, ObjectId } from '../../src/ids.ts'
import { localCoder } from '../../src/light-node/coder-local.ts'
import { openRecord } from '../../src/light-node/get-record.ts'
import { putRecord, type RecordSource } from '../../src/light-node/put-record.ts'
import type { Clock, FrameStream, Ledger } from '../../src/ports.ts'
import {
  type ClientMessage,
  decodeClientFrame,
  decodeNodeFrame,
  type FragmentOp,
  type MessageOf,
  type NodeMessage,
} from '../../src/wire/fragment-protocol.ts'
import { MemoryNetwork } from '../light-node/memory-network.ts'
import { diskTally } from './disk-tallies.ts'
import { as, countingCopies, reset, tallyOf } from './roles.ts'
import { since, type Tally } from './tally.ts'

/** One frame as it passed. */
export interface Passed {
  peer: NodeId
  /** `custody` for whatever a guardian says or hears. */
  op: FragmentOp | 'custody'
  /** Bytes of the frame. */
  bytes: number
  /** Bytes of its body; the body itself is not kept. */
  bodyBytes: number
  message: ClientMessage | NodeMessage | null
}

/** What one operation of a client cost, by whom. */
export interface Cost<T> {
  result: T
  client: Tally
  node: Tally
  guardian: Tally
  /** Of each node's disk thread, by node. */
  disks: Map<NodeId, Tally>
  /** One for each stream opened: whereto. */
  streams: NodeId[]
  sent: Passed[]
  received: Passed[]
  /** Calls of the ledger by name, in order. */
  ledger: string[]
  /** Longest chain of questions each of which waited for the answer of the one before. ACKs are nobody's answer. */
  roundTrips: number
}

const ENDS_ANSWER: FragmentOp[] = ['END', 'HAVE', 'RECEIPT', 'MANIFEST', 'STATUS', 'ERR']
const ASKS: FragmentOp[] = ['GET_HAVE', 'DONE', 'GET', 'GET_HEADS', 'GET_LEAVES', 'GET_MANIFEST']

/** A clock on which nobody is ever slow: no count may depend on how fast the machine is. */
const stillClock: Clock = {
  nowMs: () => 1_800_000_000_000,
  sleep: (_, signal) =>
    new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
}

/** The network in memory with real stores and serving code, every word of which is counted. */
export class CountedNetwork {
  readonly net: MemoryNetwork
  #streams: NodeId[] = []
  #sent: Passed[] = []
  #received: Passed[] = []
  #ledger: string[] = []
  #depth = 0

  private constructor(net: MemoryNetwork) {
    this.net = net
  }

  static async start(nodes = 12): Promise<CountedNetwork> {
    return new CountedNetwork(await MemoryNetwork.start({ nodes }))
  }

  stop(): Promise<void> {
    return this.net.stop()
  }

  get ports(): MemoryNetwork['ports'] {
    return {
      ...this.net.ports,
      coder: localCoder(systemRandom, sharedRoom),
      clock: stillClock,
      ledger: this.#countedLedger(),
      transport: { open: (peer) => this.#open(peer.nodeId) },
    }
  }

  put(bytes: Uint8Array, profile: Profile) {
    return this.measured(() => putRecord(this.ports, viewsOf(bytes), profile))
  }

  /** Reads an object. The pieces are counted, compared with `expected` and thrown away. */
  get(objectId: ObjectId, expected: Uint8Array) {
    return this.measured(async () => {
      const { content } = await openRecord(this.ports, objectId, this.net.custodyKeyOf)
      let at = 0
      for await (const piece of content) {
        if (Buffer.compare(piece, expected.subarray(at, at + piece.length)) !== 0) throw new Error(`at ${at}`)
        at += piece.length
      }
      return at
    })
  }

  /** Runs `work` as the client. @returns what it cost. */
  async measured<T>(work: () => Promise<T>): Promise<Cost<T>> {
    const before = this.#disks()
    reset()
    this.#streams = []
    this.#sent = []
    this.#received = []
    this.#ledger = []
    this.#depth = 0
    const result = await countingCopies(() => as('client', work))
    const disks = new Map([...this.#disks()].map(([id, now]) => [id, since(now, before.get(id)!)]))
    const counts = {
      ...{ streams: this.#streams, sent: this.#sent, received: this.#received },
      ...{ ledger: this.#ledger, roundTrips: this.#depth },
    }
    const roles = { client: tallyOf('client'), node: tallyOf('node'), guardian: tallyOf('guardian') }
    return { result, ...roles, disks, ...counts }
  }

  #disks(): Map<NodeId, Tally> {
    return new Map(this.net.nodes.map(({ nodeId }) => [nodeId, diskTally(nodeId)]))
  }

  #countedLedger(): Ledger {
    const { chain } = this.net
    const asked = async <T>(name: string, answer: () => Promise<T>): Promise<T> => {
      this.#ledger.push(name)
      const at = this.#depth + 1
      const value = await as('wire', answer)
      this.#depth = Math.max(this.#depth, at)
      return value
    }
    return {
      head: () => asked('head', () => chain.head()),
      read: (key) => asked('read', () => chain.read(key)),
      blob: (hash) => asked('blob', () => chain.blob(hash)),
      submit: (tx) => asked('submit', () => chain.submit(tx)),
      send: (tx) => asked('submit', () => chain.send(tx)),
    }
  }

  async #open(peer: NodeId): Promise<FrameStream> {
    const isGuardian = !this.net.nodes.some(({ nodeId }) => nodeId === peer)
    const inner = await as(isGuardian ? 'guardian' : 'node', () =>
      this.net.ports.transport.open({ nodeId: peer, addresses: [] }, '', AbortSignal.any([])),
    )
    this.#streams.push(peer)
    const asked: number[] = []
    return {
      remote: peer,
      write: (...parts) =>
        as('wire', () => {
          const passed = passedOf(peer, parts, isGuardian ? null : decodeClientFrame)
          this.#sent.push(passed)
          if (isGuardian || ASKS.includes(passed.op as FragmentOp)) asked.push(this.#depth + 1)
          return inner.write(...parts)
        }),
      read: (maxBytes, idleMs) =>
        as('wire', async () => {
          const frame = await inner.read(maxBytes, idleMs)
          if (frame === null) return null
          const passed = passedOf(peer, [frame], isGuardian ? null : decodeNodeFrame)
          this.#received.push(passed)
          if (passed.op !== 'ACK') this.#depth = Math.max(this.#depth, asked[0] ?? 0)
          if (isGuardian || ENDS_ANSWER.includes(passed.op as FragmentOp)) asked.shift()
          return frame
        }),
      close: () => as('wire', () => inner.close()),
      release: () => as('wire', () => inner.release()),
      abort: (reason) => as('wire', () => inner.abort(reason)),
    }
  }
}

function passedOf(
  peer: NodeId,
  parts: Uint8Array[],
  decode: ((frame: Uint8Array) => ClientMessage | NodeMessage) | null,
): Passed {
  const bytes = parts.reduce((sum, { length }) => sum + length, 0)
  if (decode === null) return { peer, op: 'custody', bytes, bodyBytes: 0, message: null }
  const frame = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  const message = decode(frame)
  const { body, ...header } = message as { body?: Uint8Array } & (ClientMessage | NodeMessage)
  return {
    ...{ peer, op: message.op, bytes, bodyBytes: body?.length ?? 0 },
    message: header as ClientMessage | NodeMessage,
  }
}

/** A record that lies in memory: reading it copies nothing. */
function viewsOf(bytes: Uint8Array): RecordSource {
  return {
    ...{ name: 'record.bin', mediaType: 'application/octet-stream', length: bytes.length },
    async *read(offset, length) {
      for (let at = offset; at < offset + length; at += 512 * 1024)
        yield bytes.subarray(at, Math.min(at + 512 * 1024, offset + length))
    },
  }
}

/** @returns those of `passed` with op `op`, of one peer where it is named. */
export function ofOp<K extends FragmentOp>(
  passed: readonly Passed[],
  op: K,
  peer?: NodeId,
): (Passed & { message: MessageOf<K> })[] {
  return passed.filter((frame) => frame.op === op && (!peer || frame.peer === peer)) as (Passed & {
    message: MessageOf<K>
  })[]
}

/** @returns bytes of all frames. */
export function bytesOf(passed: readonly Passed[]): number {
  return passed.reduce((sum, { bytes }) => sum + bytes, 0)
}
