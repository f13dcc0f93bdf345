import type { PeerId, Stream } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import { concat } from '../bytes.ts'
import { XcareError } from '../errors.ts'
import type { ObjectId } from '../ids.ts'
import { DHT_HOLDERS, DHT_QUERY_MS, PEER_ADDRESSES_MAX } from '../limits.ts'
import { firstNeighbour, KAD_PROTOCOL, type KadParts } from './_kad.ts'
import { addProviderMessage, kadIdOf, recordKey, varint } from './_record.ts'

/** Announcements that arrive within this time travel together. */
const GATHER_MS = 20
const BATCH_MAX = 2048
/** Holders are told one after the other, so far apart and all within so long: together they would hold up whatever else they do. */
const APART_MS = 20
const SPREAD_MS = 1000
/** Multiaddr code of a peer id. */
const P2P_CODE = 421

interface Job {
  key: CID
  accepted: number
  done: PromiseWithResolvers<void>
}

/** One holder and what it is told. */
interface Delivery {
  holder: PeerId
  jobs: Job[]
}

/** Announces many objects over few streams: one stream to each holder carries a whole batch. */
export class Announcer {
  readonly #parts: KadParts
  #waiting: Job[] = []
  #isRunning = false

  constructor(parts: KadParts) {
    this.#parts = parts
  }

  /** Resolves when at least one other node was told. @throws XcareError OFFLINE when none could be, TIMEOUT by the signal. */
  async announce(objectId: ObjectId, signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw late(signal.reason)
    const job: Job = { key: recordKey(objectId), accepted: 0, done: Promise.withResolvers<void>() }
    this.#waiting.push(job)
    const onAbort = () => job.done.reject(late(signal.reason))
    signal.addEventListener('abort', onAbort, { once: true })
    void this.#run()
    try {
      await job.done.promise
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  async #run(): Promise<void> {
    if (this.#isRunning) return
    this.#isRunning = true
    while (this.#waiting.length > 0) {
      await rest(GATHER_MS)
      await this.#send(this.#waiting.splice(0, BATCH_MAX))
    }
    this.#isRunning = false
  }

  async #send(jobs: Job[]): Promise<void> {
    const signal = AbortSignal.timeout(DHT_QUERY_MS)
    try {
      await firstNeighbour(this.#parts, signal)
      const deliveries = await this.#plan(jobs, signal)
      const apartMs = Math.min(APART_MS, SPREAD_MS / deliveries.length)
      await Promise.all(
        deliveries.map(async (delivery, at) => {
          await rest(at * apartMs)
          await this.#deliver(delivery, signal)
        }),
      )
    } catch (cause) {
      for (const job of jobs) job.done.reject(offline(cause))
    }
    for (const job of jobs) {
      if (job.accepted > 0) job.done.resolve()
      else job.done.reject(offline(undefined))
    }
  }

  async #plan(jobs: Job[], signal: AbortSignal): Promise<Delivery[]> {
    const { kad, peerId } = this.#parts
    const plan = new Map<string, Delivery>()
    for (const job of jobs) {
      // Our own record answers those who ask us directly, and is what the library renews.
      await kad.providers.addProvider(job.key, peerId)
      for (const holder of await this.#holders(job.key, signal)) {
        const name = holder.toString()
        const delivery = plan.get(name) ?? { holder, jobs: [] }
        delivery.jobs.push(job)
        plan.set(name, delivery)
      }
    }
    return [...plan.values()]
  }

  /** The table of a small network is the whole network; in a large one the nearest nodes must be asked for. */
  async #holders(key: CID, signal: AbortSignal): Promise<PeerId[]> {
    const { kad } = this.#parts
    if (kad.routingTable.size < kad.k)
      return kad.routingTable.closestPeers(kadIdOf(key), { count: DHT_HOLDERS })
    const holders: PeerId[] = []
    for await (const event of kad.getClosestPeers(key.multihash.bytes, { signal })) {
      if (event.name === 'FINAL_PEER') holders.push(event.peer.id)
      if (holders.length === DHT_HOLDERS) break
    }
    return holders
  }

  async #deliver({ holder, jobs }: Delivery, signal: AbortSignal): Promise<void> {
    const { peerId, addressManager, connectionManager } = this.#parts
    const addresses = addressManager
      .getAddresses()
      .slice(0, PEER_ADDRESSES_MAX)
      .map((address) => address.decapsulateCode(P2P_CODE).bytes)
    const messages = jobs.map(({ key }) => {
      const message = addProviderMessage(key, peerId, addresses)
      return concat(varint(message.length), message)
    })
    let stream: Stream | null = null
    try {
      stream = await connectionManager.openStream(holder, KAD_PROTOCOL, { signal })
      // A batch is some hundred KiB at most, well inside one stream window.
      stream.send(concat(...messages))
      await stream.close({ signal })
      for (const job of jobs) job.accepted++
    } catch (cause) {
      // A holder that cannot be told is replaced by the others.
      stream?.abort(cause instanceof Error ? cause : new Error(String(cause)))
    }
  }
}

function rest(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function late(cause: unknown): XcareError {
  return new XcareError('TIMEOUT', 'the object could not be announced in time', { cause })
}

function offline(cause: unknown): XcareError {
  return new XcareError('OFFLINE', 'no other node could be told where the object is kept', { cause })
}
