import { assert } from '../../assert.ts'
import { equalBytes } from '../../bytes.ts'
import { verifyLeaves } from '../../crypto/blake3-tree.ts'
import { XcareError } from '../../errors.ts'
import { decodeHead, sameHeader } from '../../fragment/header.ts'
import { fragmentBytesOf } from '../../fragment/layout.ts'
import { checkFragment, headerOf, type Manifest, verifyColumnHashes } from '../../fragment/manifest.ts'
import type { LeafRun } from '../../fragment/range.ts'
import { READ_STALL_MS } from '../../limits.ts'
import type { FrameStream } from '../../ports.ts'
import {
  type ClientMessage,
  encodeFrame,
  LEAF_RANGES_MAX,
  type MessageOf,
  type NodeMessage,
  SHARE_BYTES,
} from '../../wire/fragment-protocol.ts'
import { readNodeMessage, unexpected } from './node-message.ts'

const HASH_BYTES = 32
const HEAD_RUN = { firstLeaf: 0, leafCount: 1 }

/**
 * Reads one column of an object from one storage node over one stream, one request after the other; whatever arrives
 * is checked before it is handed on. After the first failure it is of no use any more.
 */
export class ColumnDownload {
  readonly column: number
  readonly #stream: FrameStream
  readonly #manifest: Manifest
  #hashes: Uint8Array | null = null
  /** Frames with credit read of the answer under way. */
  #taken = 0
  /** Fragments still to come in answer to the last GET. */
  #coming: { next: number; to: number } | null = null

  constructor(stream: FrameStream, manifest: Manifest, column: number) {
    this.#stream = stream
    this.#manifest = manifest
    this.column = column
  }

  /** The peer that serves this column, to be named when it serves wrong bytes. */
  get node(): string {
    return this.#stream.remote
  }

  /** @returns the key shares of all stripes, 33 bytes each, unproven: the caller checks what they combine to. */
  async shares(): Promise<Uint8Array[]> {
    const { stripes } = this.#manifest
    await this.#ask({ op: 'GET_HEADS', ...this.#columnOf(), from: 0, to: stripes })
    const shares: Uint8Array[] = []
    while (shares.length < stripes) {
      const { from, body } = await this.#expect('HEADS')
      if (from !== shares.length || from + body.length / SHARE_BYTES > stripes)
        throw this.#broken(`key shares from ${from} on where those from ${shares.length} on are due`)
      for (let at = 0; at < body.length; at += SHARE_BYTES)
        shares.push(this.#ownShare(body.slice(at, at + SHARE_BYTES)))
      await this.#ack()
    }
    await this.#expect('END')
    return shares
  }

  /** @returns the key shares of all stripes, each proven by its leaf of the fragment: tells who lied about them. */
  async provenShares(): Promise<Uint8Array[]> {
    const { stripes } = this.#manifest
    const heads = await this.leaves(
      Array.from({ length: stripes }, (_, stripe) => ({ stripe, column: this.column, ...HEAD_RUN })),
    )
    return heads.map((head, stripe) => this.#checked(() => this.#shareIn(head, stripe)))
  }

  /**
   * @param to end of the run of fragments that will be wanted in order, so that they come without being asked for one by one.
   * @returns the whole fragment of `stripe`, checked against the manifest.
   * @throws XcareError INTEGRITY naming the node, NOT_FOUND when it has lost just this fragment.
   */
  async fragment(stripe: number, to: number): Promise<Uint8Array> {
    const isComing = this.#coming?.next === stripe && stripe < this.#coming.to
    if (!isComing) await this.#askFragments(stripe, to)
    const { stripe: found, body } = await this.#expect('FRAG')
    if (found > stripe && found < to) throw this.#lost(stripe)
    if (found !== stripe) throw this.#broken(`the fragment of stripe ${found} where that of ${stripe} is due`)
    this.#checked(() => checkFragment(this.#manifest, this.#hashes!, body, stripe, this.column))
    this.#coming = { next: stripe + 1, to: this.#coming!.to }
    await this.#ack()
    return body
  }

  /** @param runs of this column. @returns the leaves of each run, proven. @throws as fragment. */
  async leaves(runs: readonly LeafRun[]): Promise<Uint8Array[]> {
    const found: Uint8Array[] = []
    for (let at = 0; at < runs.length; at += LEAF_RANGES_MAX) {
      const some = runs.slice(at, at + LEAF_RANGES_MAX)
      const ranges = some.map(({ stripe, firstLeaf, leafCount }) => ({
        stripe,
        first: firstLeaf,
        count: leafCount,
      }))
      const hashes = this.#hashes === null
      await this.#ask({ op: 'GET_LEAVES', ...this.#columnOf(), hashes, ranges })
      if (hashes) await this.#readHashes()
      for (const run of some) found.push(await this.#leavesOf(run))
      await this.#expect('END')
    }
    return found
  }

  /** Ends the stream; tears it down where an answer is still under way. */
  close(): void {
    const isUnderWay = this.#coming !== null && this.#coming.next < this.#coming.to
    if (!isUnderWay) void this.#stream.close().catch(() => {})
    else this.abort(new XcareError('INTERRUPTED', 'the reader has what it wants'))
  }

  /** Tears the stream down. */
  abort(reason: Error): void {
    this.#stream.abort(reason)
  }

  async #askFragments(from: number, to: number): Promise<void> {
    const hashes = this.#hashes === null
    await this.#ask({ op: 'GET', ...this.#columnOf(), from, to, hashes })
    this.#coming = { next: from, to }
    if (hashes) await this.#readHashes()
  }

  /** Sends a request. The answer to the last one must have been read, up to its END. */
  async #ask(request: ClientMessage): Promise<void> {
    if (this.#coming) {
      assert(this.#coming.next === this.#coming.to, 'an answer is read before the next request')
      await this.#expect('END')
      this.#coming = null
    }
    this.#taken = 0
    await this.#stream.write(...encodeFrame(request))
  }

  async #expect<K extends NodeMessage['op']>(op: K): Promise<MessageOf<K>> {
    const message = await readNodeMessage(this.#stream, READ_STALL_MS)
    if (message.op === op) return message as unknown as MessageOf<K>
    throw message.op === 'END' ? this.#lost(this.#coming?.next ?? null) : unexpected(message)
  }

  async #readHashes(): Promise<void> {
    const hashes = (await this.#expect('HASHES')).body.slice()
    this.#checked(() => verifyColumnHashes(this.#manifest, this.column, hashes))
    this.#hashes = hashes
  }

  async #leavesOf({ stripe, firstLeaf, leafCount }: LeafRun): Promise<Uint8Array> {
    const message = await this.#expect('LEAVES')
    if (message.stripe !== stripe || message.first !== firstLeaf || message.count !== leafCount)
      throw this.#lost(stripe)
    const leaves = message.body.subarray(0, message.body.length - message.proofBytes)
    const proof = message.body.subarray(leaves.length)
    const hash = this.#hashes!.subarray(stripe * HASH_BYTES, (stripe + 1) * HASH_BYTES)
    if (!verifyLeaves(hash, fragmentBytesOf(this.#manifest), firstLeaf, leaves, proof))
      throw this.#broken(`leaves of fragment (${stripe}, ${this.column}) differ from its hash`)
    await this.#ack()
    return leaves
  }

  #shareIn(head: Uint8Array, stripe: number): Uint8Array {
    const { header, share } = decodeHead(head)
    if (!sameHeader(header, headerOf(this.#manifest, stripe, this.column)))
      throw new XcareError(
        'INTEGRITY',
        `fragment (${stripe}, ${this.column}) says that it is another fragment`,
      )
    return share
  }

  /** A share of another column would push out the share of an honest node. */
  #ownShare(share: Uint8Array): Uint8Array {
    if (share[SHARE_BYTES - 1] !== this.column + 1) throw this.#broken('a key share of another column')
    return share
  }

  /** Names the node in whatever `check` finds wrong. */
  #checked<T>(check: () => T): T {
    try {
      return check()
    } catch (cause) {
      throw this.#broken(cause instanceof Error ? cause.message : String(cause))
    }
  }

  #broken(what: string): XcareError {
    return new XcareError('INTEGRITY', `storage node ${this.node} served wrong bytes: ${what}`)
  }

  #lost(stripe: number | null): XcareError {
    const what = stripe === null ? 'a part of its column' : `fragment (${stripe}, ${this.column})`
    return new XcareError('NOT_FOUND', `storage node ${this.node} has lost ${what}`)
  }

  #columnOf() {
    return { objectId: this.#manifest.objectId, version: this.#manifest.version, column: this.column }
  }

  async #ack(): Promise<void> {
    await this.#stream.write(...encodeFrame({ op: 'ACK', count: ++this.#taken }))
  }
}

/** @returns whether two lists of key shares are the same. */
export function sameShares(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a.length === b.length && a.every((share, at) => equalBytes(share, b[at]!))
}
