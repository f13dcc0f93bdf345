import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { NodeValue } from '../../src/chain-anchor/app/values.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { type SigningKey, signingKeyFromSeed } from '../../src/crypto/sign.ts'
import { XcareError } from '../../src/errors.ts'
import { PROFILES, type Profile } from '../../src/fragment/profile.ts'
import { newObject, ownerKeyOf } from '../../src/identity/keypair.ts'
import { openVault, type Vault } from '../../src/identity/vault.ts'
import { type NodeId, type ObjectId, objectIdToBytes } from '../../src/ids.ts'
import { localCoder } from '../../src/light-node/coder-local.ts'
import type { CustodyKeySource, GetPorts } from '../../src/light-node/get.ts'
import { openRecord } from '../../src/light-node/get-record.ts'
import { locateObject } from '../../src/light-node/locate.ts'
import { type PutRecordPorts, putRecord, type RecordSource } from '../../src/light-node/put-record.ts'
import type { RepairPorts } from '../../src/light-node/repair/repair-object.ts'
import type { Clock, FrameStream, PeerAddress, XcareEvent } from '../../src/ports.ts'
import type { DiskOptions } from '../../src/storage-node/disk/calls.ts'
import { FragmentStore } from '../../src/storage-node/fragment-store.ts'
import { serveFragments } from '../../src/storage-node/serve.ts'
import type { ServeParts } from '../../src/storage-node/serve-parts.ts'
import { StreamGate } from '../../src/storage-node/stream-gate.ts'
import { memoryFolder } from '../guardian-node/ports.ts'
import { framePair } from '../storage-node/frame-pair.ts'
import { seededBytes } from '../storage-node/made-object.ts'
import { MemoryChain, NETWORK } from './memory-chain.ts'
import { MemoryGuardian } from './memory-guardian.ts'
import { MemoryShelf } from './memory-shelf.ts'
import { type Lie, TappedStream } from './tapped-stream.ts'

const ROOT = seededBytes(77, 32)
/** A node that nobody listens to. */
const SILENT = {
  anchoredOwner: async () => null,
  chain: () => ({ chainSeenMs: 0, registered: true }),
  onComplete: () => {},
}

/** A storage node with a real store and the real serving code, whose words can be changed on the way. */
export class MemoryNode {
  readonly nodeId: NodeId
  readonly key: SigningKey
  isDown = false
  /** Where it answers now, when that is not what the chain says. */
  movedTo: string | null = null
  lie: Lie | null = null
  readonly #disk: DiskOptions
  #parts: ServeParts

  private constructor(disk: DiskOptions, key: SigningKey, store: FragmentStore) {
    const { audience } = disk
    this.nodeId = audience.nodeId
    this.key = key
    this.#disk = disk
    this.#parts = { store, audience, key, gate: new StreamGate(), version: '0', ...SILENT }
  }

  static async start(at: number, root: string, quotaBytes: number): Promise<MemoryNode> {
    const nodeId = `node-${String(at).padStart(2, '0')}` as NodeId
    const disk = { path: join(root, nodeId), quotaBytes, audience: { network: NETWORK, nodeId } }
    const key = signingKeyFromSeed(seededBytes(3000 + at, 32))
    return new MemoryNode(disk, key, await FragmentStore.open(disk))
  }

  get store(): FragmentStore {
    return this.#parts.store
  }

  /** Folder of its disk. */
  get path(): string {
    return this.#disk.path
  }

  /** Ends the store, lets `harm` come over its disk, and opens it again. */
  async restart(harm: () => void = () => {}): Promise<void> {
    await this.store.close()
    harm()
    this.#parts = { ...this.#parts, store: await FragmentStore.open(this.#disk) }
  }

  /** A new, empty disk in the place of the old one. */
  loseDisk(): Promise<void> {
    return this.restart(() => rmSync(this.path, { recursive: true }))
  }

  value(at: number, availabilityPpm: number): NodeValue {
    const place = { network: `net-${at % 4}`, region: `region-${at % 3}`, addresses: [] }
    const inst = { instId: `inst-${this.nodeId}`, signKey: this.key.publicKey, capacityBytes: 1e9 }
    return { nodeId: this.nodeId, ...inst, ...place, availabilityPpm, status: 'active' }
  }

  serve(stream: FrameStream): void {
    serveFragments(stream, this.#parts).then(
      () => stream.close(),
      (error: Error) => stream.abort(error),
    )
  }
}

/** Storage nodes with real stores, guardians that take deposits and a chain, all in this process. */
export class MemoryNetwork {
  readonly nodes: MemoryNode[]
  readonly chain: MemoryChain
  readonly vault: Vault
  readonly shelf = new MemoryShelf()
  readonly events: XcareEvent[] = []
  readonly streams: TappedStream[] = []
  /** 1, or HASTE for who must not wait for long. */
  haste = 1
  readonly guardians: MemoryGuardian[]
  readonly #dir: string
  readonly #noticeKey: Uint8Array

  private constructor(
    dir: string,
    nodes: MemoryNode[],
    guardians: MemoryGuardian[],
    vault: Vault,
    options: NetworkOptions,
  ) {
    this.#dir = dir
    this.nodes = nodes
    this.guardians = guardians
    this.vault = vault
    this.#noticeKey = guardians[0]!.value().kemKey
    this.chain = new MemoryChain(
      nodes.map((node, at) => node.value(at, options.availabilityPpm ?? 990_000)),
      guardians.map((guardian) => guardian.value()),
    )
  }

  static async start(options: NetworkOptions = {}): Promise<MemoryNetwork> {
    const dir = mkdtempSync(join(tmpdir(), 'xcare-light-'))
    const { nodes = 12, quotaBytes = 1e9 } = options
    const made = Array.from({ length: nodes }, (_, at) => MemoryNode.start(at, dir, quotaBytes))
    const guardians = await Promise.all([0, 1, 2, 3].map((at) => MemoryGuardian.make(at)))
    const vault = await openVault(memoryFolder(), seededBytes(78, 32), systemRandom)
    return new MemoryNetwork(dir, await Promise.all(made), guardians, vault, options)
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map(({ store }) => store.close()))
    rmSync(this.#dir, { recursive: true, force: true })
  }

  /** All nodes up and honest again; nothing noted. */
  reset(): void {
    for (const node of this.nodes) Object.assign(node, { isDown: false, movedTo: null, lie: null })
    for (const guardian of this.guardians) guardian.isDown = false
    this.haste = 1
    this.events.length = 0
    this.streams.length = 0
    this.chain.anchored.length = 0
  }

  get ports(): PutRecordPorts & GetPorts & Pick<RepairPorts, 'ownerKeyOf'> {
    return {
      network: NETWORK,
      ledger: this.chain,
      transport: { open: (peer) => this.#open(peer) },
      directory: null,
      coder: localCoder(systemRandom),
      clock: this.#clock,
      random: systemRandom,
      progress: (event) => void this.events.push(event),
      vault: this.vault,
      newObject: () => newObject(ROOT, systemRandom),
      journals: { shelf: this.shelf, key: seededBytes(79, 32) },
      ownerKeyOf: (objectId) => ownerKeyOf(ROOT, objectId),
      noticeAddressOf: async () => ({ noticeKey: this.#noticeKey, noticeTag: new Uint8Array(32) }),
    }
  }

  readonly custodyKeyOf: CustodyKeySource = async ({ objectId }) =>
    this.vault.get(objectIdToBytes(objectId))!.custodyKey

  /** Bytes that clients read, of frames of all streams since `reset`. */
  get bytesRead(): number {
    return this.streams.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  get openStreams(): TappedStream[] {
    return this.streams.filter(({ isOpen }) => isOpen)
  }

  /** Nodes that progress events accuse, sorted, each once. */
  get named(): string[] {
    const told = this.events.filter(({ type }) => /^(node|manifest)-(failed|refused|late)/.test(type))
    return [...new Set(told.map(({ node }) => String(node)))].sort()
  }

  async put(bytes: Uint8Array, profile: Profile = PROFILES.grid, objectBytes?: number) {
    return putRecord(this.ports, sourceOf(bytes), profile, objectBytes)
  }

  async get(objectId: ObjectId): Promise<Uint8Array> {
    const { content } = await openRecord(this.ports, objectId, this.custodyKeyOf)
    return collected(content)
  }

  /** Fragments on all nodes together, finished or not. */
  async fragments(): Promise<number> {
    const told = await Promise.all(this.nodes.map(({ store }) => store.call('status')))
    return told.reduce((sum, { fragments }) => sum + fragments, 0)
  }

  /** The node that keeps `column` of an object. */
  async keeper(objectId: ObjectId, column: number): Promise<MemoryNode> {
    const { holders } = await locateObject(this.chain, objectId)
    return this.nodes.find(({ nodeId }) => nodeId === holders[column]?.nodeId)!
  }

  /** A fragment as its keeper has it. */
  async fragment(objectId: ObjectId, stripe: number, column: number): Promise<Uint8Array> {
    const { store } = await this.keeper(objectId, column)
    const key = { objectId: objectIdToBytes(objectId), version: 1 }
    const { bytes, parts } = await store.call('fragments', key, [column], stripe, stripe + 1)
    return bytes.slice(parts[0]!.at, parts[0]!.at + parts[0]!.length)
  }

  async manifestBytes(objectId: ObjectId): Promise<Uint8Array> {
    return (await this.keeper(objectId, 0)).store.call('manifest', objectIdToBytes(objectId))
  }

  /** Lets `durationMs` pass at once: every sleep that is over by then ends. */
  pass(durationMs: number): void {
    this.#passedMs += durationMs
    for (const wake of [...this.#sleepers]) wake()
  }

  readonly #sleepers = new Set<() => void>()
  #passedMs = 0

  readonly #clock: Clock = {
    nowMs: () => 1_800_000_000_000 + Math.floor(performance.now() * this.haste) + this.#passedMs,
    sleep: (durationMs, signal) =>
      new Promise((resolve, reject) => {
        const untilMs = this.#clock.nowMs() + durationMs
        const end = (then: () => void) => {
          clearTimeout(timer)
          this.#sleepers.delete(wake)
          then()
        }
        const timer = setTimeout(() => end(resolve), durationMs / this.haste)
        const wake = () => this.#clock.nowMs() >= untilMs && end(resolve)
        this.#sleepers.add(wake)
        signal?.addEventListener('abort', () => end(() => reject(signal.reason)))
      }),
  }

  async #open({ nodeId, addresses }: PeerAddress): Promise<FrameStream> {
    const [client, server] = framePair('client' as NodeId, nodeId)
    const guardian = this.guardians.find(({ guardianId }) => guardianId === nodeId)
    if (guardian?.isDown) throw new XcareError('OFFLINE', `guardian ${nodeId} cannot be reached`)
    if (guardian) {
      void guardian.serve(server, this.chain)
      return client
    }
    const node = this.nodes.find((candidate) => candidate.nodeId === nodeId)
    const isThere = !node?.movedTo || addresses.includes(node.movedTo)
    if (!node || node.isDown || !isThere) throw new XcareError('OFFLINE', `node ${nodeId} cannot be reached`)
    const tapped = new TappedStream(
      client,
      () => node.lie,
      () => this.haste,
    )
    this.streams.push(tapped)
    node.serve(server)
    return tapped
  }
}

interface NetworkOptions {
  nodes?: number
  availabilityPpm?: number
  quotaBytes?: number
}

export async function collected(content: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for await (const piece of content) pieces.push(piece.slice())
  return new Uint8Array(Buffer.concat(pieces))
}

export function sourceOf(bytes: Uint8Array, name = 'record.bin'): RecordSource {
  return {
    ...{ name, mediaType: 'application/octet-stream', length: bytes.length },
    async *read(offset, length) {
      for (let at = offset; at < offset + length; at += 300_000)
        yield bytes.slice(at, Math.min(at + 300_000, offset + length))
    },
  }
}
