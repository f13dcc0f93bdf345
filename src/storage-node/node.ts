import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { recordKey } from '../chain-anchor/app/keys.ts'
import { recordValue } from '../chain-anchor/app/values.ts'
import { Members } from '../chain-anchor/light/members.ts'
import { relayChainGossip, relayNotices } from '../chain-anchor/light/relay.ts'
import type { SigningKey } from '../crypto/sign.ts'
import { openDirectory } from '../dht/directory.ts'
import { kadService } from '../dht/service.ts'
import { asXcareError, type XcareError } from '../errors.ts'
import type { NodeId } from '../ids.ts'
import {
  ANCHOR_QUESTIONS_MS,
  ANNOUNCE_AGAIN_MS,
  ANNOUNCE_QUEUE_MAX,
  DIAL_MS,
  HEADER_AGE_MS_MAX,
  NODE_STREAMS_PER_PEER_MAX,
} from '../limits.ts'
import { type Peer, startPeer } from '../net/peer.ts'
import type { Clock, Ledger, PeerAddress, Random, XcareEvent } from '../ports.ts'
import { FRAGMENT_PROTOCOL } from '../wire/fragment-protocol.ts'
import { TOPICS } from '../wire/topics.ts'
import { AnchoredSweep } from './anchored-sweep.ts'
import { AnnounceQueue } from './announce.ts'
import type { StoreHealth } from './disk/store-status.ts'
import { FragmentStore } from './fragment-store.ts'
import { loadNodeKeys, type NodeKeys } from './keys.ts'
import { meetNeighbours } from './neighbours.ts'
import { registerNode } from './register.ts'
import { damageEvent, scrubDisk } from './scrub-disk.ts'
import { serveFragments } from './serve.ts'
import { Standings } from './standings.ts'
import { StreamGate } from './stream-gate.ts'

const REGISTER_RETRY_MS = 3_000
const MEET_MS = 15_000
const EXPIRE_MS = 60_000
/** What a node says of itself until the network has measured it. */
const AVAILABILITY_PPM = 990_000
const ADDRESSES_TOLD_MAX = 8
/** Between two rounds of questions to the chain when many columns wait. */
const ANCHOR_BEHIND_MS = 500

/** How to run a storage node as this process. */
export interface StartStorageNodeOptions {
  /** Folder of this node: `keys/` and `data/` are made inside, mode 0700. */
  dir: string
  /** Chain id. */
  network: string
  /** The node's own light client. */
  ledger: Ledger
  /** The institution that answers for this node, and its key. */
  institution: { instId: string; signing: SigningKey }
  /** Where the node is: its network and region, as placement sees them. */
  location: { network: string; region: string }
  /** Disk the node may use in all, at least 16 MiB. */
  quotaBytes: number
  /** Multiaddrs to listen on; `announce` is told to others instead, when given. */
  listen: readonly string[]
  announce?: readonly string[]
  /** Peers to connect to before the chain names others. */
  neighbours?: readonly PeerAddress[]
  clock: Clock
  random: Random
  /** Version of the program. */
  version?: string
  log?: (event: XcareEvent) => void
  /** Told once when the disk thread broke down: the node serves nothing any more and should be restarted. */
  onFailure?: (error: XcareError) => void
}

/** A running storage node. */
export interface RunningStorageNode {
  readonly nodeId: NodeId
  /** Multiaddrs without the peer id. */
  readonly addresses: string[]
  /** Whether the chain lists this node as it is now; false while the chain is away and it is tried again and again. */
  readonly registered: boolean
  /** How its store is. */
  status(): Promise<StoreHealth>
  /** Stops serving, finishes what is under way, closes the store. */
  stop(): Promise<void>
}

/**
 * Starts or continues the storage node in `dir`: keys, disk, peer, DHT, registration on the chain, service, chores.
 * @throws XcareError LOCKED while another process has the folder, INTEGRITY on a wrong disk, PORT_IN_USE, REFUSED when the
 * chain does not take the registration.
 */
export async function startStorageNode(options: StartStorageNodeOptions): Promise<RunningStorageNode> {
  await mkdir(options.dir, { recursive: true, mode: 0o700 })
  const keys = await loadNodeKeys(options.dir, options.random)
  const { network, quotaBytes } = options
  const audience = { network, nodeId: keys.nodeId }
  const store = await FragmentStore.open({ path: join(options.dir, 'data'), quotaBytes, audience })
  const { ledger, clock } = options
  const members = new Members(ledger)
  const anchoredOwner = async (objectId: Uint8Array) => {
    const { value } = await ledger.read(recordKey(objectId), HEADER_AGE_MS_MAX)
    return value && recordValue.decode(value).ownerKey
  }
  const standings = new Standings({ members, clock, anchoredOwner })
  let peer: Peer | null = null
  try {
    peer = await startPeer({
      seed: keys.seed,
      standingOf: (id) => standings.of(id),
      listen: options.listen,
      ...(options.announce ? { announce: options.announce } : {}),
      topics: TOPICS,
      services: { kad: kadService({ serverMode: true }) },
    })
    const node = new StorageNode(options, keys, { store, peer, members, standings, anchoredOwner })
    await node.start()
    return node
  } catch (error) {
    await peer?.stop()
    await store.close()
    throw error
  }
}

/** What a node is made of, started already. */
interface NodeParts {
  store: FragmentStore
  peer: Peer
  members: Members
  standings: Standings
  anchoredOwner(objectId: Uint8Array): Promise<Uint8Array | null>
}

class StorageNode implements RunningStorageNode {
  readonly nodeId: NodeId
  registered = false
  readonly #options: StartStorageNodeOptions
  readonly #keys: NodeKeys
  readonly #parts: NodeParts
  readonly #store: FragmentStore
  readonly #peer: Peer
  readonly #announcements: AnnounceQueue
  readonly #sweep: AnchoredSweep
  #chainSeenMs = 0
  readonly #stopping = new AbortController()
  readonly #chores: Promise<void>[] = []
  readonly #log: (event: XcareEvent) => void

  constructor(options: StartStorageNodeOptions, keys: NodeKeys, parts: NodeParts) {
    const { store, peer } = parts
    this.#options = options
    this.#keys = keys
    this.#parts = parts
    this.#store = store
    this.#peer = peer
    this.nodeId = keys.nodeId
    this.#log = options.log ?? (() => {})
    this.#announcements = new AnnounceQueue(openDirectory(peer), options, this.#log)
    this.#sweep = new AnchoredSweep({ ...options, store, nodeId: keys.nodeId })
    store.onFailure = (error) => {
      this.#log({ type: 'failed', what: 'disk', code: error.code, message: error.message })
      void peer.stop()
      options.onFailure?.(error)
    }
  }

  get addresses(): string[] {
    return this.#peer.addresses().slice(0, ADDRESSES_TOLD_MAX).sort()
  }

  async start(): Promise<void> {
    const { rebuilt, tornBytes } = this.#store.recovery
    if (rebuilt || tornBytes > 0) this.#log({ type: 'recovered', rebuilt, tornBytes })
    await this.#serve()
    for (const neighbour of this.#options.neighbours ?? [])
      void this.#peer.connect(neighbour, AbortSignal.timeout(DIAL_MS)).catch(() => null)
    await this.#register().catch((error: unknown) => {
      // A chain that is away for a moment must not keep a node from serving what it has.
      if (!asXcareError(error).retryable) throw error
    })
    this.#chores.push(
      this.#every(REGISTER_RETRY_MS, 'register', async () => {
        if (!this.registered) await this.#register()
      }),
      this.#every(MEET_MS, 'meet', () => this.#meet()),
      this.#every(EXPIRE_MS, 'expire', () => this.#tidy()),
      this.#every(ANCHOR_QUESTIONS_MS, 'ask-anchored', () => this.#dropUnanchored()),
      scrubDisk(this.#store, this.#options.clock, this.#stopping.signal, this.#log),
    )
    void this.#announceAgain()
  }

  status(): Promise<StoreHealth> {
    return this.#store.health()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.all([...this.#chores, this.#announcements.stop()])
    await this.#peer.stop()
    await this.#store.close()
  }

  async #serve(): Promise<void> {
    const { network, ledger, clock } = this.#options
    const view = { network, ledger, clock, members: this.#parts.members }
    relayChainGossip(this.#peer.broadcast, view)
    relayNotices(this.#peer.broadcast, view)
    const { standings, anchoredOwner } = this.#parts
    const gate = new StreamGate({ clock, standingOf: (peer) => standings.of(peer) })
    const parts = {
      store: this.#store,
      audience: { network: this.#options.network, nodeId: this.nodeId },
      key: this.#keys.signing,
      gate,
      anchoredOwner,
      onOrder: (peer: NodeId, order: { objectId: Uint8Array; ownerKey: Uint8Array }) => {
        if (gate.isScarce) void this.#proveOwner(gate, peer, order)
      },
      version: this.#options.version ?? '0',
      chain: () => ({ chainSeenMs: this.#chainSeenMs, registered: this.registered }),
      onComplete: (column: Parameters<AnnounceQueue['add']>[0]) => this.#announcements.add(column),
    }
    await this.#peer.handle(FRAGMENT_PROTOCOL, (stream) => serveFragments(stream, parts), {
      maxInboundStreams: NODE_STREAMS_PER_PEER_MAX,
    })
  }

  /**
   * Whoever shows to act for an owner has the places that are reserved for owners, also for what it has
   * already.
   */
  async #proveOwner(
    gate: StreamGate,
    peer: NodeId,
    { objectId, ownerKey }: { objectId: Uint8Array; ownerKey: Uint8Array },
  ): Promise<void> {
    if (!(await this.#parts.standings.prove(peer, objectId, ownerKey))) return
    gate.promote(peer)
    this.#peer.promote(peer)
  }

  async #register(): Promise<void> {
    const { ledger, random, institution, location, quotaBytes } = this.#options
    const { nodeId, signing } = this.#keys
    const node = {
      ...{ nodeId, instId: institution.instId, signKey: signing.publicKey, capacityBytes: quotaBytes },
      ...{ network: location.network, region: location.region },
      ...{ addresses: this.addresses, availabilityPpm: AVAILABILITY_PPM },
    }
    await registerNode(ledger, random, { node, signers: [institution.signing, signing] })
    this.registered = true
    this.#chainSeenMs = this.#options.clock.nowMs()
    await this.#meet().catch(() => null)
  }

  async #meet(): Promise<void> {
    const members = this.#parts.members.refresh()
    // Who cannot read one list still meets those of the other; the failure is told afterwards.
    members.catch(() => {})
    await meetNeighbours(this.#peer, this.#options.ledger, this.#options.random)
    await members
    this.#chainSeenMs = this.#options.clock.nowMs()
  }

  async #tidy(): Promise<void> {
    const { signal } = this.#stopping
    let forgotten = 0
    for (let more = 1; more > 0 && !signal.aborted; forgotten += more) more = await this.#store.call('expire')
    if (forgotten > 0) this.#log({ type: 'expired', columns: forgotten })
    while (!signal.aborted && (await this.#store.call('compact')));
    for (const fragment of await this.#store.call('takeDamaged')) this.#log(damageEvent(fragment))
  }

  async #dropUnanchored(): Promise<void> {
    let dropped = 0
    let isBehind = true
    for (; isBehind && !this.#stopping.signal.aborted; await this.#pause(ANCHOR_BEHIND_MS)) {
      const step = await this.#sweep.step()
      dropped += step.dropped
      isBehind = step.isBehind
    }
    if (dropped > 0) this.#log({ type: 'not-anchored', columns: dropped })
  }

  async #pause(durationMs: number): Promise<void> {
    await this.#options.clock.sleep(durationMs, this.#stopping.signal).catch(() => null)
  }

  async #announceAgain(): Promise<void> {
    const since = this.#options.clock.nowMs() - ANNOUNCE_AGAIN_MS
    for (const column of await this.#store.call('recent', since, ANNOUNCE_QUEUE_MAX).catch(() => []))
      this.#announcements.add(column)
  }

  /** Repeats `chore` until the node stops; a failure is logged and tried again next time. */
  async #every(everyMs: number, what: string, chore: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      await this.#pause(everyMs)
      if (signal.aborted) return
      await chore().catch((error: unknown) =>
        this.#log({ type: 'failed', what, code: asXcareError(error).code }),
      )
    }
  }
}
