import { verifyLeaves } from '../../crypto/blake3-tree.ts'
import { asXcareError, XcareError } from '../../errors.ts'
import { decodeHead, sameHeader } from '../../fragment/header.ts'
import { fragmentBytesOf } from '../../fragment/layout.ts'
import { checkFragment, headerOf, type Manifest, verifyColumnHashes } from '../../fragment/manifest.ts'
import type { LeafRun } from '../../fragment/range.ts'
import { placeShare } from '../../fragment/wide-shares.ts'
import { CREDIT_BYTES_MAX, LEAF_BYTES, READ_STALL_MS } from '../../limits.ts'
import type { Clock, FrameStream } from '../../ports.ts'
import {
  type ClientMessage,
  encodeFrame,
  FRAGMENTS_MAX,
  HEADS_MAX,
  LEAF_RANGES_MAX,
  type MessageOf,
  type NodeMessage,
  PROOF_BYTES_MAX,
  SHARE_BYTES,
} from '../../wire/fragment-protocol.ts'
import { type Due, Exchange } from '../exchange.ts'
import { readNodeMessage, unexpected } from './node-message.ts'

const HASH_BYTES = 32
/** Bytes of one request, at most; two of them are under way while fragments are read in order. */
const WINDOW_BYTES_MAX = CREDIT_BYTES_MAX / 2
/** The same of all nodes together: it lies in memory. */
const WINDOWS_BYTES_MAX = 12 * 1024 * 1024

/** What became of the columns that were asked for. */
export interface Found<T> {
  good: Map<number, T>
  /** Columns whose answer was wrong (INTEGRITY) or missing (NOT_FOUND). */
  bad: Map<number, XcareError>
}

/** Fragments of some columns from stripe `from` to `to` that were asked for. */
interface Window {
  from: number
  to: number
  stripes: Promise<Found<Uint8Array>>[]
}

interface Answer {
  exchange: Exchange
  /** @returns how many of the items that are due the message brought. */
  take(message: NodeMessage): number
  resolve(): void
  reject(error: XcareError): void
}

/**
 * Reads columns of an object from the one node that keeps them, over one stream: requests follow each other without
 * waiting, and each asks for no more than fits the credit. Whatever arrives is checked before it is handed on.
 * An answer is bounded as a whole by what was asked for. A wrong fragment costs that fragment; a broken
 * stream ends everything.
 */
export class NodeDownload {
  readonly #stream: FrameStream
  readonly #manifest: Manifest
  readonly #clock: Clock
  readonly #nodesInUse: () => number
  readonly #hashes = new Map<number, Uint8Array>()
  /** Columns whose hashes were asked for; they come before the first fragment. */
  readonly #hashesAsked = new Set<number>()
  readonly #answers: Answer[] = []
  readonly #windows: Window[] = []
  #failure: XcareError | null = null

  /** @param nodesInUse tells how many are read from at the same time, this one included. */
  constructor(stream: FrameStream, manifest: Manifest, clock: Clock, nodesInUse: () => number) {
    this.#stream = stream
    this.#manifest = manifest
    this.#clock = clock
    this.#nodesInUse = nodesInUse
  }

  /** The peer that keeps these columns, to be named when it serves wrong bytes. */
  get node(): string {
    return this.#stream.remote
  }

  /** @returns the key shares of all stripes of each column, as placeShare gives them, unproven: the caller checks what they combine to. */
  async shares(columns: readonly number[]): Promise<Found<Uint8Array[]>> {
    const { stripes } = this.#manifest
    const told = new Map<number, Uint8Array[]>(columns.map((column) => [column, []]))
    const asked = slicesOf(columns, stripes, HEADS_MAX).map(({ columns: some, from, to }) => {
      const items = some.length * (to - from)
      const request = { op: 'GET_HEADS' as const, ...this.#version(), columns: [...some], from, to }
      return this.#ask(request, { items, bytes: items * SHARE_BYTES }, (message) => {
        if (message.op !== 'HEADS') throw unexpected(message)
        if (message.from < from || message.to > to) throw this.#broken('key shares that were not asked for')
        return this.#takeShares(some, message, told)
      })
    })
    await Promise.all(asked)
    const found: Found<Uint8Array[]> = { good: new Map(), bad: new Map() }
    for (const [column, shares] of told)
      if (shares.length === stripes && Object.keys(shares).length === stripes) found.good.set(column, shares)
      else found.bad.set(column, this.#lost(column, null))
    return found
  }

  /** @returns the key shares of all stripes of each column, each proven by its leaf of the fragment: tells who lied about them. */
  async provenShares(columns: readonly number[]): Promise<Found<Uint8Array[]>> {
    const { stripes } = this.#manifest
    const runs = columns.flatMap((column) =>
      Array.from({ length: stripes }, (_, stripe) => ({ stripe, column, firstLeaf: 0, leafCount: 1 })),
    )
    const { read, bad } = await this.leaves(runs)
    const found: Found<Uint8Array[]> = { good: new Map(), bad }
    for (const column of columns) {
      if (bad.has(column)) continue
      const heads = runs.flatMap((run) => (run.column === column ? [read.get(run)!] : []))
      try {
        found.good.set(
          column,
          heads.map((head, stripe) => this.#shareIn(head, stripe, column)),
        )
      } catch (error) {
        found.bad.set(column, this.#broken(asXcareError(error).message))
      }
    }
    return found
  }

  /**
   * @param stripe stripes come in rising order. @param to end of the run of stripes that will be wanted, so that they are asked
   * for ahead. @returns whole fragments of `stripe`, checked against the manifest. @throws XcareError when the stream broke.
   */
  async stripe(stripe: number, columns: readonly number[], to: number): Promise<Found<Uint8Array>> {
    while (this.#windows.length > 0 && this.#windows[0]!.to <= stripe) this.#windows.shift()
    const bytes = Math.min(WINDOW_BYTES_MAX, WINDOWS_BYTES_MAX / this.#nodesInUse())
    const size = Math.max(1, Math.floor(bytes / (columns.length * fragmentBytesOf(this.#manifest))))
    let next = this.#windows.at(-1)?.to ?? stripe
    // One window is read while the next one is on its way.
    while (next < to && this.#windows.length < 2) {
      this.#windows.push(this.#window(columns, next, Math.min(next + size, to)))
      next = this.#windows.at(-1)!.to
    }
    const [window] = this.#windows
    return this.#checked(stripe, await window!.stripes[stripe - window!.from]!)
  }

  /** @returns whole fragments of one stripe beside those that are read in order. @throws as stripe. */
  async extra(stripe: number, columns: readonly number[]): Promise<Found<Uint8Array>> {
    return this.#checked(stripe, await this.#window(columns, stripe, stripe + 1).stripes[0]!)
  }

  /** @returns the leaves of `runs`, proven, and the columns of those that are wrong or missing. @throws XcareError when the stream broke. */
  async leaves(
    runs: readonly LeafRun[],
  ): Promise<{ read: Map<LeafRun, Uint8Array>; bad: Map<number, XcareError> }> {
    const read = new Map<LeafRun, Uint8Array>()
    const bad = new Map<number, XcareError>()
    await Promise.all(leafRequests(runs).map((some) => this.#askLeaves(some, read, bad)))
    for (const run of runs)
      if (!read.has(run) && !bad.has(run.column)) bad.set(run.column, this.#lost(run.column, run.stripe))
    return { read, bad }
  }

  /** Gives the stream back for the next exchange with this node; tears it down where an answer is still under way. */
  close(): void {
    if (this.#answers.length === 0) this.#stream.release()
    else this.abort(new XcareError('INTERRUPTED', 'the reader has what it wants'))
  }

  /** Tears the stream down. */
  abort(reason: XcareError): void {
    this.#stream.abort(reason)
    this.#fail(reason)
  }

  #window(columns: readonly number[], from: number, to: number): Window {
    const per = Math.max(1, Math.floor(WINDOW_BYTES_MAX / fragmentBytesOf(this.#manifest)))
    const parts = slicesOf(columns, to - from, Math.min(per, FRAGMENTS_MAX)).map((slice) =>
      this.#askFragments(slice.columns, from + slice.from, from + slice.to),
    )
    const stripes = Array.from({ length: to - from }, (_, at) => {
      const of = parts.flatMap((part) => part.stripes[from + at - part.from] ?? [])
      const stripe = of.length === 1 ? of[0]! : Promise.all(of).then(merged)
      // It is awaited when its turn comes; until then its failure must not count as unhandled.
      stripe.catch(() => {})
      return stripe
    })
    return { from, to, stripes }
  }

  #askFragments(columns: readonly number[], from: number, to: number): Window {
    const stripes = Array.from({ length: to - from }, () => Promise.withResolvers<Found<Uint8Array>>())
    for (const { promise } of stripes) promise.catch(() => {})
    let current: Found<Uint8Array> = { good: new Map(), bad: new Map() }
    let done = from
    let last = -1
    const settleTo = (stripe: number) => {
      for (; done < stripe; done++) {
        for (const column of columns)
          if (!current.good.has(column) && !current.bad.has(column))
            current.bad.set(column, this.#lost(column, done))
        stripes[done - from]!.resolve(current)
        current = { good: new Map(), bad: new Map() }
      }
    }
    const request = { op: 'GET' as const, ...this.#version(), columns: [...columns], from, to }
    const hashes = columns.some((column) => !this.#hashesAsked.has(column))
    for (const column of columns) this.#hashesAsked.add(column)
    const takeHashes = this.#hashTaker(columns)
    const items = columns.length * (to - from)
    const due = { items, bytes: items * fragmentBytesOf(this.#manifest) }
    this.#ask({ ...request, hashes }, this.#withHashes(due, hashes ? columns.length : 0), (message) => {
      if (message.op === 'HASHES') return takeHashes(message)
      if (message.op !== 'FRAG') throw unexpected(message)
      const place = message.stripe * columns.length + message.first
      if (place <= last || message.stripe >= to || message.stripe < from)
        throw this.#broken(`fragments of stripe ${message.stripe} out of turn`)
      settleTo(message.stripe)
      const count = this.#takeFragments(columns, message, current)
      last = place + count - 1
      // With the last column nothing more can come of this stripe.
      if (last % columns.length === columns.length - 1) settleTo(message.stripe + 1)
      return count
    }).then(
      () => settleTo(to),
      (error) => {
        for (const { reject } of stripes) reject(error)
      },
    )
    return { from, to, stripes: stripes.map(({ promise }) => promise) }
  }

  /** @returns how many fragments the message carried. */
  #takeFragments(
    columns: readonly number[],
    { first, body }: MessageOf<'FRAG'>,
    found: Found<Uint8Array>,
  ): number {
    const size = fragmentBytesOf(this.#manifest)
    const count = body.length / size
    if (!Number.isInteger(count) || first + count > columns.length)
      throw this.#broken(`${body.length} bytes where fragments of ${size} are due`)
    for (let at = 0; at < count; at++)
      found.good.set(columns[first + at]!, body.subarray(at * size, (at + 1) * size))
    return count
  }

  /**
   * Only now that the stripe is wanted: much of what is under way may arrive in one turn of the event loop, and hashing it there and
   * then would keep everything else waiting.
   * @returns `came` without fragments that are wrong.
   */
  #checked(stripe: number, came: Found<Uint8Array>): Found<Uint8Array> {
    const found: Found<Uint8Array> = { good: new Map(), bad: new Map(came.bad) }
    for (const [column, fragment] of came.good)
      try {
        const hashes = this.#hashes.get(column)
        if (!hashes) throw this.#broken(`a fragment of column ${column} without its hashes`)
        checkFragment(this.#manifest, hashes, fragment, stripe, column)
        found.good.set(column, fragment)
      } catch (error) {
        found.bad.set(column, this.#broken(asXcareError(error).message))
      }
    return found
  }

  async #askLeaves(
    runs: readonly LeafRun[],
    read: Map<LeafRun, Uint8Array>,
    bad: Map<number, XcareError>,
  ): Promise<void> {
    const unknown = new Set(runs.map(({ column }) => column).filter((column) => !this.#hashes.has(column)))
    const hashes = [...unknown].sort((a, b) => a - b)
    const ranges = runs.map(({ column, stripe, firstLeaf, leafCount }) => ({
      ...{ column, stripe },
      ...{ first: firstLeaf, count: leafCount },
    }))
    let next = 0
    const takeHashes = this.#hashTaker(hashes)
    const leaves = runs.reduce((sum, { leafCount }) => sum + leafCount, 0)
    const due = { items: runs.length, bytes: leaves * LEAF_BYTES + runs.length * PROOF_BYTES_MAX }
    const request = { op: 'GET_LEAVES' as const, ...this.#version(), hashes, ranges }
    await this.#ask(request, this.#withHashes(due, hashes.length), (message) => {
      if (message.op === 'HASHES') return takeHashes(message)
      if (message.op !== 'LEAVES') throw unexpected(message)
      const at = runs.findIndex((run, place) => place >= next && isRun(run, message))
      if (at < 0) throw this.#broken('leaves that were not asked for')
      next = at + 1
      const leaves = this.#checkedLeaves(runs[at]!, message)
      if (leaves instanceof XcareError) bad.set(message.column, leaves)
      else read.set(runs[at]!, leaves)
      return 1
    })
  }

  #checkedLeaves(
    { stripe, column, firstLeaf }: LeafRun,
    { body, proofBytes }: MessageOf<'LEAVES'>,
  ): Uint8Array | XcareError {
    const leaves = body.subarray(0, body.length - proofBytes)
    const proof = body.subarray(leaves.length)
    const hash = this.#hashes.get(column)?.subarray(stripe * HASH_BYTES, (stripe + 1) * HASH_BYTES)
    if (hash && verifyLeaves(hash, fragmentBytesOf(this.#manifest), firstLeaf, leaves, proof)) return leaves
    return this.#broken(`leaves of fragment (${stripe}, ${column}) differ from its hash`)
  }

  #takeShares(
    columns: readonly number[],
    { first, from, to, body }: MessageOf<'HEADS'>,
    told: Map<number, Uint8Array[]>,
  ): number {
    const count = body.length / ((to - from) * SHARE_BYTES)
    if (first + count > columns.length) throw this.#broken('key shares that were not asked for')
    for (let place = first, at = 0; place < first + count; place++) {
      const shares = told.get(columns[place]!)!
      for (let stripe = from; stripe < to; stripe++, at += SHARE_BYTES) {
        if (shares[stripe]) throw this.#broken('the same key share again')
        shares[stripe] = this.#ownShare(columns[place]!, body.slice(at, at + SHARE_BYTES))
      }
    }
    return count * (to - from)
  }

  /** @returns what takes the hashes of `columns`, in rising order and each once. */
  #hashTaker(columns: readonly number[]): (message: MessageOf<'HASHES'>) => number {
    let next = 0
    return (message) => {
      if (message.first < next) throw this.#broken('the same hashes again')
      next = message.first + message.count
      this.#takeHashes(columns, message)
      return message.count
    }
  }

  #withHashes({ items, bytes }: Due, columns: number): Due {
    return { items: items + columns, bytes: bytes + columns * this.#manifest.stripes * HASH_BYTES }
  }

  #takeHashes(columns: readonly number[], { first, count, body }: MessageOf<'HASHES'>): void {
    const { stripes } = this.#manifest
    if (first + count > columns.length || body.length !== count * stripes * HASH_BYTES)
      throw this.#broken(`${body.length} bytes of hashes for ${count} columns of ${stripes} fragments`)
    for (let at = 0; at < count; at++) {
      const column = columns[first + at]!
      const hashes = body.slice(at * stripes * HASH_BYTES, (at + 1) * stripes * HASH_BYTES)
      try {
        verifyColumnHashes(this.#manifest, column, hashes)
      } catch (error) {
        throw this.#broken(asXcareError(error).message)
      }
      this.#hashes.set(column, hashes)
    }
  }

  #shareIn(head: Uint8Array, stripe: number, column: number): Uint8Array {
    const { header, share } = decodeHead(head)
    const placed = placeShare(share, column, this.#manifest.n)
    if (!placed || !sameHeader(header, headerOf(this.#manifest, stripe, column)))
      throw new XcareError('INTEGRITY', `fragment (${stripe}, ${column}) says that it is another fragment`)
    return placed
  }

  /** A share of another column would push out the share of an honest node. */
  #ownShare(column: number, share: Uint8Array): Uint8Array {
    const placed = placeShare(share, column, this.#manifest.n)
    if (!placed) throw this.#broken('a key share of another column')
    return placed
  }

  #ask(request: ClientMessage, due: Due, take: Answer['take']): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const exchange = new Exchange(this.#clock, `storage node ${this.node}`, READ_STALL_MS, due)
    this.#answers.push({ exchange, take, resolve, reject })
    this.#stream.write(...encodeFrame(request)).catch((error) => this.#fail(asXcareError(error)))
    if (this.#answers.length === 1) void this.#readAnswers()
    return promise
  }

  async #readAnswers(): Promise<void> {
    try {
      for (let answer = this.#answers[0]; answer; answer = this.#answers[0]) {
        const message = await answer.exchange.next((idleMs, frameBytes) =>
          readNodeMessage(this.#stream, idleMs, frameBytes),
        )
        if (message.op !== 'END') answer.exchange.took(answer.take(message), bodyBytesOf(message))
        else {
          this.#answers.shift()
          answer.resolve()
        }
      }
    } catch (error) {
      this.#fail(asXcareError(error))
    }
  }

  #fail(error: XcareError): void {
    this.#failure ??= error
    for (const { reject } of this.#answers.splice(0)) reject(this.#failure)
  }

  #broken(what: string): XcareError {
    return new XcareError('INTEGRITY', `storage node ${this.node} served wrong bytes: ${what}`)
  }

  #lost(column: number, stripe: number | null): XcareError {
    const what = stripe === null ? `a part of column ${column}` : `fragment (${stripe}, ${column})`
    return new XcareError('NOT_FOUND', `storage node ${this.node} has lost ${what}`)
  }

  #version() {
    return { objectId: this.#manifest.objectId, version: this.#manifest.version }
  }
}

/** @returns `columns` times `stripes` cut into requests of at most `max` entries. */
function slicesOf(
  columns: readonly number[],
  stripes: number,
  max: number,
): { columns: readonly number[]; from: number; to: number }[] {
  const width = Math.min(columns.length, max)
  const height = Math.max(1, Math.floor(max / width))
  const slices: { columns: readonly number[]; from: number; to: number }[] = []
  for (let from = 0; from < stripes; from += height)
    for (let at = 0; at < columns.length; at += width)
      slices.push({ columns: columns.slice(at, at + width), from, to: Math.min(from + height, stripes) })
  return slices
}

/** @returns `runs` cut into requests that fit the credit. */
function leafRequests(runs: readonly LeafRun[]): LeafRun[][] {
  const requests: LeafRun[][] = []
  let room = 0
  for (const run of runs) {
    const last = requests.at(-1)
    if (last && last.length < LEAF_RANGES_MAX && run.leafCount <= room) last.push(run)
    else {
      requests.push([run])
      room = WINDOW_BYTES_MAX / LEAF_BYTES
    }
    room -= run.leafCount
  }
  return requests
}

function bodyBytesOf(message: NodeMessage): number {
  return 'body' in message ? message.body.length : 0
}

function isRun(run: LeafRun, { column, stripe, first, count }: MessageOf<'LEAVES'>): boolean {
  return run.column === column && run.stripe === stripe && run.firstLeaf === first && run.leafCount === count
}

function merged(parts: Found<Uint8Array>[]): Found<Uint8Array> {
  return {
    good: new Map(parts.flatMap(({ good }) => [...good])),
    bad: new Map(parts.flatMap(({ bad }) => [...bad])),
  }
}
