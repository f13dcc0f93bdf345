import { asXcareError, type ErrorCode, XcareError } from '../../errors.ts'
import type { Manifest } from '../../fragment/manifest.ts'
import type { Clock, Directory, FrameStream, PeerAddress, Progress, Transport } from '../../ports.ts'
import { FRAGMENT_PROTOCOL } from '../../wire/fragment-protocol.ts'
import type { LocatedObject } from '../locate.ts'
import { type AnchoredManifest, readAnchoredManifest } from './anchored-manifest.ts'
import { ColumnDownload } from './column-download.ts'
import { FirstAnswers } from './first-answers.ts'

const DIAL_MS_MAX = 5_000
/** Holders that the DHT is asked for when no registered one serves the manifest. */
const HINTS_MAX = 8
/** A column that lacks more fragments than this is not tried again. */
const HOLES_MAX = 16
/** What a node is told off for when it is asked for a manifest; one that cannot be reached is no news. */
const MANIFEST_FAULTS: ErrorCode[] = ['INTEGRITY', 'MALFORMED', 'TIMEOUT']
/** Faults of one fragment: the rest of the column may be sound. */
const FRAGMENT_FAULTS: ErrorCode[] = ['INTEGRITY', 'NOT_FOUND']

/** What reading fragments needs of the world. `directory` is null for a reader outside the DHT. */
export interface ColumnPorts {
  transport: Transport
  directory: Directory | null
  clock: Clock
  progress: Progress
}

/** The columns of one object: those that are open, those that can still be tried, and what is known of the rest. */
export class ColumnSet {
  readonly #ports: ColumnPorts
  readonly #located: LocatedObject
  readonly #open = new Set<ColumnDownload>()
  readonly #problems = new Map<number, XcareError>()
  /** Stripes that a column turned out not to have. */
  readonly #holes = new Map<number, Set<number>>()
  /** Columns with holes that are being opened again. */
  readonly #retried = new Set<number>()
  /** Streams on which a manifest is awaited. */
  readonly #asked = new Set<FrameStream>()
  #isClosed = false
  #untried: FirstAnswers<{ column: number; stream: FrameStream }> | null = null

  constructor(ports: ColumnPorts, located: LocatedObject) {
    this.#ports = ports
    this.#located = located
  }

  /** Fetches the manifest from whoever serves the anchored one. @returns it verified, with its bytes. @throws XcareError TOO_FEW_FRAGMENTS when nobody does. */
  async manifest(network: string): Promise<AnchoredManifest> {
    const holders = this.#located.holders.flatMap((holder) => holder ?? [])
    const known = new Map(holders.map((holder) => [holder.nodeId, holder]))
    const found = await this.#manifestFrom([...known.values()], network)
    if (found) return found
    const strangers = (await this.#hints()).filter(({ nodeId }) => !known.has(nodeId))
    const hinted = await this.#manifestFrom(strangers, network)
    if (hinted) return hinted
    throw this.tooFew(0)
  }

  /**
   * Opens the next column. Data columns come first: with all of them there is nothing to decode.
   * @param stripe the stripe it is wanted for; columns that lack another one come last. @returns null when none is left.
   */
  async next(manifest: Manifest, stripe: number | null): Promise<ColumnDownload | null> {
    this.#untried ??= this.#allColumns()
    const fresh = await this.#untried.next()
    if (fresh) return this.#opened(new ColumnDownload(fresh.stream, manifest, fresh.column))
    for (;;) {
      const column = this.#patchy(stripe)
      if (column === null) return null
      this.#retried.add(column)
      const stream = await this.#dialColumn(column).catch(() => null)
      this.#retried.delete(column)
      if (stream) return this.#opened(new ColumnDownload(stream, manifest, column))
      this.#holes.delete(column)
    }
  }

  /** Gives a column up that turned out bad, and tells the person which node it was. @param stripes where it failed; none when all of it did. */
  blame(download: ColumnDownload, error: XcareError, stripes: number[]): void {
    download.abort(error)
    if (this.#isClosed) return
    this.#open.delete(download)
    this.#problems.set(download.column, error)
    const holes = this.#holes.get(download.column) ?? []
    if (stripes.length > 0 && FRAGMENT_FAULTS.includes(error.code))
      this.#holes.set(download.column, new Set([...holes, ...stripes]))
    else this.#holes.delete(download.column)
    this.accuse(download, error)
  }

  /** Tells the person what a node did wrong. */
  accuse({ node, column }: ColumnDownload, { code, message }: XcareError): void {
    this.#ports.progress({ type: 'column-failed', node, column, code, message })
  }

  /** Ends every stream, and those that are still being opened. */
  close(): void {
    this.#isClosed = true
    this.#untried?.close()
    for (const stream of this.#asked) stream.abort(overWith())
    for (const download of this.#open) download.close()
    this.#open.clear()
  }

  /** @returns the error for a read that found `good` columns and no more. */
  tooFew(good: number): XcareError {
    const { k, n } = this.#located.record
    return new XcareError(
      'TOO_FEW_FRAGMENTS',
      `only ${good} of the ${n} storage nodes that keep this record answer with good fragments, and ${k} are needed`,
      {
        next: 'the record is not lost: try again when more storage nodes are back',
        cause: [...this.#problems.values()][0],
      },
    )
  }

  #opened(download: ColumnDownload): ColumnDownload | null {
    if (this.#isClosed) {
      download.close()
      return null
    }
    this.#open.add(download)
    return download
  }

  #allColumns(): FirstAnswers<{ column: number; stream: FrameStream }> {
    const columns = this.#located.holders.flatMap((holder, column) => (holder ? [column] : []))
    return new FirstAnswers(
      columns.map((column) => async () => ({ column, stream: await this.#dialColumn(column) })),
      this.#ports.clock,
      ({ stream }) => void stream.close().catch(() => {}),
    )
  }

  /** @returns a column with few holes, none of them at `stripe`, that nobody reads. */
  #patchy(stripe: number | null): number | null {
    if (stripe === null || this.#isClosed) return null
    const inUse = new Set([...this.#open].map(({ column }) => column))
    for (const [column, holes] of this.#holes)
      if (!inUse.has(column) && !this.#retried.has(column) && !holes.has(stripe) && holes.size <= HOLES_MAX)
        return column
    return null
  }

  async #manifestFrom(peers: PeerAddress[], network: string): Promise<AnchoredManifest | null> {
    const asked = peers.map((peer) => () => this.#askManifest(peer, network))
    const answers = new FirstAnswers(asked, this.#ports.clock, () => {})
    const found = await answers.next()
    answers.close()
    for (const stream of this.#asked) stream.abort(overWith())
    return found
  }

  async #askManifest(peer: PeerAddress, network: string): Promise<AnchoredManifest> {
    const stream = await this.#dial(peer)
    this.#asked.add(stream)
    try {
      return await readAnchoredManifest(stream, this.#located, network)
    } catch (error) {
      const { code, message } = asXcareError(error)
      if (MANIFEST_FAULTS.includes(code))
        this.#ports.progress({ type: 'manifest-refused', node: peer.nodeId, code, message })
      stream.abort(asXcareError(error))
      throw error
    } finally {
      this.#asked.delete(stream)
    }
  }

  async #dialColumn(column: number): Promise<FrameStream> {
    try {
      return await this.#dial(this.#located.holders[column]!)
    } catch (error) {
      const away = asXcareError(error)
      this.#problems.set(column, away)
      const { code, message } = away
      const node = this.#located.holders[column]!.nodeId
      if (!this.#isClosed) this.#ports.progress({ type: 'column-away', node, column, code, message })
      throw error
    }
  }

  async #dial(peer: PeerAddress): Promise<FrameStream> {
    const { transport, directory } = this.#ports
    try {
      return await transport.open(peer, FRAGMENT_PROTOCOL, AbortSignal.timeout(DIAL_MS_MAX))
    } catch (error) {
      // The registered address may be old; the DHT may know where the node is now.
      const moved = await directory?.locate(peer.nodeId, AbortSignal.timeout(DIAL_MS_MAX)).catch(() => null)
      if (!moved || moved.addresses.every((address) => peer.addresses.includes(address))) throw error
      return await transport.open(moved, FRAGMENT_PROTOCOL, AbortSignal.timeout(DIAL_MS_MAX))
    }
  }

  async #hints(): Promise<PeerAddress[]> {
    const { directory } = this.#ports
    if (!directory) return []
    const signal = AbortSignal.timeout(DIAL_MS_MAX)
    return directory.find(this.#located.objectId, HINTS_MAX, signal).catch(() => [])
  }
}

function overWith(): XcareError {
  return new XcareError('INTERRUPTED', 'the reader has what it wants')
}
