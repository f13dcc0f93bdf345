import { equalBytes } from '../bytes.ts'
import { asXcareError, XcareError } from '../errors.ts'
import { type Manifest, verifyManifest } from '../fragment/manifest.ts'
import type { Directory, PeerAddress, Progress, Transport } from '../ports.ts'
import { encodeFrame, FRAGMENT_PROTOCOL } from '../wire/fragment-protocol.ts'
import { ColumnDownload } from './column-download.ts'
import { readNodeMessage, unexpected } from './column-upload.ts'
import type { LocatedObject } from './locate.ts'

const DIAL_MS_MAX = 5_000
const HINTS_MAX = 8

/** What reading fragments needs of the world. `directory` is null for a reader outside the DHT. */
export interface ColumnPorts {
  transport: Transport
  directory: Directory | null
  progress: Progress
}

/** The columns of one object that can still be tried, in order of preference, and what is known of the rest. */
export class ColumnSet {
  readonly #ports: ColumnPorts
  readonly #located: LocatedObject
  readonly #untried: number[]
  readonly #problems = new Map<number, XcareError>()

  /** Data columns come first: with all of them there is nothing to decode. */
  constructor(ports: ColumnPorts, located: LocatedObject) {
    this.#ports = ports
    this.#located = located
    this.#untried = located.holders.flatMap((holder, column) => (holder ? [column] : []))
  }

  /** Fetches the manifest from whoever serves the anchored one. @returns it verified, with its bytes. @throws XcareError TOO_FEW_FRAGMENTS when nobody does. */
  async manifest(network: string): Promise<{ manifest: Manifest; bytes: Uint8Array }> {
    const tried = new Set<string>()
    for (const peer of this.#located.holders) {
      if (!peer || tried.has(peer.nodeId)) continue
      tried.add(peer.nodeId)
      const found = await this.#manifestFrom(peer, network)
      if (found) return found
    }
    for (const peer of await this.#hints()) {
      const found = await this.#manifestFrom(peer, network)
      if (found) return found
    }
    throw this.tooFew(0)
  }

  /** Opens the next column. @throws XcareError TOO_FEW_FRAGMENTS when none is left; `open` columns are usable already. */
  async next(manifest: Manifest, open: () => number): Promise<ColumnDownload> {
    for (;;) {
      const column = this.#untried.shift()
      if (column === undefined) throw this.tooFew(open())
      try {
        return new ColumnDownload(await this.#dial(this.#located.holders[column]!), manifest, column)
      } catch (error) {
        this.#problems.set(column, asXcareError(error))
      }
    }
  }

  /** Notes that a column turned out bad and tells the person which node it was. */
  blame(download: ColumnDownload, error: XcareError): void {
    download.abort(error)
    this.#problems.set(download.column, error)
    const { code, message } = error
    this.#ports.progress({
      type: 'column-failed',
      node: download.node,
      column: download.column,
      code,
      message,
    })
  }

  async #manifestFrom(
    peer: PeerAddress,
    network: string,
  ): Promise<{ manifest: Manifest; bytes: Uint8Array } | null> {
    try {
      const stream = await this.#dial(peer)
      await stream.write(...encodeFrame({ op: 'GET_MANIFEST', objectId: this.#located.record.objectId }))
      const reply = await readNodeMessage(stream)
      if (reply.op !== 'MANIFEST') throw unexpected(reply)
      const bytes = reply.body.slice()
      await stream.close()
      const { manifest, hash } = verifyManifest(bytes, network)
      if (!equalBytes(hash, this.#located.record.manifestHash))
        throw new XcareError(
          'INTEGRITY',
          `storage node ${peer.nodeId} served a manifest that is not the anchored one`,
        )
      return { manifest, bytes }
    } catch (error) {
      const { code, message } = asXcareError(error)
      if (code === 'INTEGRITY' || code === 'MALFORMED')
        this.#ports.progress({ type: 'manifest-refused', node: peer.nodeId, code, message })
      return null
    }
  }

  async #dial(peer: PeerAddress) {
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
    return directory.find(this.#located.objectId, HINTS_MAX, AbortSignal.timeout(DIAL_MS_MAX)).catch(() => [])
  }

  /** @returns the error for a read that found `open` good columns and no more. */
  tooFew(open: number): XcareError {
    const { k, n } = this.#located.record
    return new XcareError(
      'TOO_FEW_FRAGMENTS',
      `only ${open} of the ${n} storage nodes that keep this record answer with good fragments, and ${k} are needed`,
      {
        next: 'the record is not lost: try again when more storage nodes are back',
        cause: [...this.#problems.values()][0],
      },
    )
  }
}
