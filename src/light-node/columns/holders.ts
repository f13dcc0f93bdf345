import { asXcareError, type ErrorCode, XcareError } from '../../errors.ts'
import type { Clock, Directory, FrameStream, PeerAddress, Progress, Transport } from '../../ports.ts'
import { FRAGMENT_PROTOCOL } from '../../wire/fragment-protocol.ts'
import { type AnchoredManifest, type KeptObject, readAnchoredManifest } from './anchored-manifest.ts'
import { FirstAnswers } from './first-answers.ts'

const DIAL_MS_MAX = 5_000
/** Holders that the DHT is asked for when no registered one serves the manifest. */
const HINTS_MAX = 8
/** What a node is told off for when it is asked for a manifest; one that cannot be reached is no news. */
const MANIFEST_FAULTS: ErrorCode[] = ['INTEGRITY', 'MALFORMED', 'TIMEOUT']

/** What a node says, or is found to say, that has lost what it should keep. */
const LOSSES: ErrorCode[] = ['INTEGRITY', 'NOT_FOUND']

/** What reading fragments needs of the world. `directory` is null for a reader outside the DHT. */
export interface ColumnPorts {
  transport: Transport
  directory: Directory | null
  clock: Clock
  progress: Progress
}

/** One node with the columns of an object that it keeps, rising. */
export interface Holder {
  peer: PeerAddress
  columns: number[]
}

/** The nodes that keep one object: how they are reached, and what went wrong with each. */
export class Holders {
  readonly ports: ColumnPorts
  /** In the order of their first columns. */
  readonly all: readonly Holder[]
  /** By column; null where no node keeps it. */
  readonly byColumn: readonly (Holder | null)[]
  readonly #located: KeptObject
  readonly #problems = new Map<string, XcareError>()
  /** Streams on which a manifest is awaited. */
  readonly #asked = new Set<FrameStream>()
  #isClosed = false

  constructor(ports: ColumnPorts, located: KeptObject) {
    this.ports = ports
    this.#located = located
    const byNode = new Map<string, Holder>()
    for (const [column, peer] of located.holders.entries()) {
      if (!peer) continue
      const holder = byNode.get(peer.nodeId)
      if (holder) holder.columns.push(column)
      else byNode.set(peer.nodeId, { peer, columns: [column] })
    }
    this.all = [...byNode.values()]
    this.byColumn = located.holders.map((peer) => (peer ? byNode.get(peer.nodeId)! : null))
  }

  /** Fetches the manifest from whoever serves the anchored one. @returns it verified, with its bytes. @throws XcareError TOO_FEW_FRAGMENTS when nobody does. */
  async manifest(network: string): Promise<AnchoredManifest> {
    const known = this.all.map(({ peer }) => peer)
    const found = await this.#manifestFrom(known, network)
    if (found) return found
    // Only now: what the DHT takes would be waited for whenever some nodes are away.
    const [moved, hints] = await Promise.all([
      Promise.all(known.map((peer) => this.#whereNow(peer))),
      this.#hints(),
    ])
    const strangers = hints.filter(({ nodeId }) => !known.some((peer) => peer.nodeId === nodeId))
    const elsewhere = moved.filter((peer) => peer !== null)
    const hinted = await this.#manifestFrom([...elsewhere, ...strangers], network)
    if (hinted) return hinted
    throw this.tooFew(0)
  }

  /** @returns a stream to `holder` at its registered address. @throws XcareError OFFLINE and others */
  async dial({ peer }: Holder): Promise<FrameStream> {
    try {
      return await this.#open(peer)
    } catch (error) {
      this.#problems.set(peer.nodeId, asXcareError(error))
      throw error
    }
  }

  /**
   * @returns a stream to `holder` where the DHT says that it is now. Asking the DHT takes long, so others come first.
   * @throws XcareError what dialling it said.
   */
  async dialElsewhere({ peer }: Holder): Promise<FrameStream> {
    const moved = await this.#whereNow(peer)
    if (!moved) throw this.#problems.get(peer.nodeId) ?? new XcareError('OFFLINE', 'the node does not answer')
    return this.#open(moved)
  }

  /** Tells the person that a node could not be reached. */
  tellAway({ peer, columns }: Holder): void {
    if (this.#isClosed) return
    const { code, message } = this.#problems.get(peer.nodeId)!
    this.ports.progress({ type: 'node-away', node: peer.nodeId, columns, code, message })
  }

  /** Tells the person that a node keeps the others waiting, and that another is asked in its place. */
  tellLate({ peer, columns }: Holder): void {
    if (this.#isClosed) return
    const message = `storage node ${peer.nodeId} is much slower than the others`
    this.#problems.set(peer.nodeId, new XcareError('TIMEOUT', message))
    this.ports.progress({ type: 'node-late', node: peer.nodeId, columns, code: 'TIMEOUT', message })
  }

  /** Notes what a node did wrong and tells the person. */
  accuse(node: string, columns: number[], error: XcareError): void {
    if (this.#isClosed) return
    this.#problems.set(node, error)
    const { code, message } = error
    this.ports.progress({ type: 'node-failed', node, columns, code, message })
  }

  /** Ends what is being asked; later failures are nobody's concern. */
  close(): void {
    this.#isClosed = true
    for (const stream of this.#asked) stream.abort(overWith())
  }

  /**
   * @param away columns of nodes that did not answer; by default as the problems noted so far tell.
   * @returns the error for a read that found `good` columns and no more. It promises nothing that it does not
   * know.
   */
  tooFew(good: number, away: number = this.#columnsAway()): XcareError {
    const { k, n } = this.#located.record
    const held = this.all.reduce((sum, { columns }) => sum + columns.length, 0)
    const lost = Math.max(0, held - good - away)
    const gone = lost > 0 ? `; ${lost} are damaged or gone where they should be` : ''
    const isWithinReach = good + away >= k
    return new XcareError(
      'TOO_FEW_FRAGMENTS',
      `only ${good} of the ${n} columns of this record can be had from the storage nodes that answer, and ${k} are needed${gone}`,
      {
        next: isWithinReach
          ? `storage nodes with ${away} columns do not answer: try again when they are back`
          : 'too little is left on the storage nodes that are known: only disks, or copies of disks, that come back to them can bring the record back',
        cause: [...this.#problems.values()][0],
      },
    )
  }

  /** Columns of nodes of which nothing worse is known than that they do not answer as they should. */
  #columnsAway(): number {
    const isAway = ({ peer }: Holder) => {
      const code = this.#problems.get(peer.nodeId)?.code
      return code !== undefined && !LOSSES.includes(code)
    }
    return this.all.filter(isAway).reduce((sum, { columns }) => sum + columns.length, 0)
  }

  async #manifestFrom(peers: PeerAddress[], network: string): Promise<AnchoredManifest | null> {
    const asked = peers.map((peer) => () => this.#askManifest(peer, network))
    const answers = new FirstAnswers(asked, this.ports.clock, () => {})
    const found = await answers.next()
    answers.close()
    for (const stream of this.#asked) stream.abort(overWith())
    return found
  }

  async #askManifest(peer: PeerAddress, network: string): Promise<AnchoredManifest> {
    const stream = await this.#open(peer).catch((error: unknown) => {
      this.#problems.set(peer.nodeId, asXcareError(error))
      throw error
    })
    this.#asked.add(stream)
    try {
      return await readAnchoredManifest(stream, this.#located, network)
    } catch (error) {
      const { code, message } = asXcareError(error)
      if (!this.#problems.has(peer.nodeId)) this.#problems.set(peer.nodeId, asXcareError(error))
      if (MANIFEST_FAULTS.includes(code))
        this.ports.progress({ type: 'manifest-refused', node: peer.nodeId, code, message })
      stream.abort(asXcareError(error))
      throw error
    } finally {
      this.#asked.delete(stream)
    }
  }

  #open(peer: PeerAddress): Promise<FrameStream> {
    return this.ports.transport.open(peer, FRAGMENT_PROTOCOL, AbortSignal.timeout(DIAL_MS_MAX))
  }

  /** @returns null when the DHT knows nothing newer than what is registered. */
  async #whereNow({ nodeId, addresses }: PeerAddress): Promise<PeerAddress | null> {
    const signal = AbortSignal.timeout(DIAL_MS_MAX)
    const found = await this.ports.directory?.locate(nodeId, signal).catch(() => null)
    return found?.addresses.some((address) => !addresses.includes(address)) ? found : null
  }

  async #hints(): Promise<PeerAddress[]> {
    const { directory } = this.ports
    if (!directory) return []
    const signal = AbortSignal.timeout(DIAL_MS_MAX)
    return directory.find(this.#located.objectId, HINTS_MAX, signal).catch(() => [])
  }
}

function overWith(): XcareError {
  return new XcareError('INTERRUPTED', 'the reader has what it wants')
}
