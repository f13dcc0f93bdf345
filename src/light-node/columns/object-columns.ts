import { equalBytes } from '../../bytes.ts'
import { asXcareError, XcareError } from '../../errors.ts'
import type { Manifest } from '../../fragment/manifest.ts'
import type { LeafRun } from '../../fragment/range.ts'
import { HEDGE_MS } from '../../limits.ts'
import type { FrameStream } from '../../ports.ts'
import { Gathering, type Turn, type Usual } from './gathering.ts'
import type { Holder, Holders } from './holders.ts'
import { type Found, NodeDownload } from './node-download.ts'

/** A column that lacks more fragments than this is not tried again. */
const HOLES_MAX = 16

/** Leaves of one fragment, proven. */
export interface ReadRun {
  run: LeafRun
  bytes: Uint8Array
}

/** Asks a node for what it keeps of some columns. */
type Step<T> = (download: NodeDownload, columns: readonly number[]) => Promise<Found<T>>

/**
 * The columns of one object being read: k of them in use, from as many nodes as keep them, one stream to each.
 * Data columns come first: with all of them there is nothing to decode. Whatever fails, or keeps the others
 * waiting, is named and replaced, as long as there are others.
 */
export class ObjectColumns {
  readonly #holders: Holders
  readonly #manifest: Manifest
  readonly #open = new Map<Holder, NodeDownload>()
  /** Nodes that are being reached. */
  readonly #dialling = new Map<Holder, Promise<void>>()
  /** Nodes that do not answer at their registered address; the DHT is asked for them when nobody else is left. */
  readonly #missed = new Set<Holder>()
  readonly #away = new Set<Holder>()
  /** Nodes that kept the others waiting: asked again when no better one is left. */
  readonly #late = new Set<Holder>()
  readonly #usual: Usual = { ms: 0 }
  /** Columns in use, k of them while there are enough. */
  readonly #used = new Set<number>()
  /** Columns that are of no use any more. */
  readonly #gone = new Set<number>()
  /** Stripes that a column turned out not to have. */
  readonly #holes = new Map<number, Set<number>>()
  readonly #told = new Map<number, Uint8Array[]>()
  #isClosed = false

  constructor(holders: Holders, manifest: Manifest) {
    this.#holders = holders
    this.#manifest = manifest
  }

  /** @returns for every stripe the key shares of k columns, unproven. @throws XcareError TOO_FEW_FRAGMENTS */
  async shares(): Promise<Uint8Array[][]> {
    await this.#gather(this.#told, (download, columns) => download.shares(columns))
    return this.#byStripe(this.#told)
  }

  /** @returns the same, each share proven; names the nodes that told another one before. @throws XcareError TOO_FEW_FRAGMENTS */
  async provenShares(): Promise<Uint8Array[][]> {
    const proven = new Map<number, Uint8Array[]>()
    await this.#gather(proven, async (download, columns) => {
      const found = await download.provenShares(columns)
      for (const [column, shares] of found.good) this.#compare(download, column, shares)
      return found
    })
    return this.#byStripe(proven)
  }

  /** @param to end of the run of stripes that will be wanted in order. @returns n entries, k of them proven fragments of `stripe`. @throws XcareError TOO_FEW_FRAGMENTS */
  async stripe(stripe: number, to: number): Promise<(Uint8Array | null)[]> {
    const { k, n } = this.#manifest
    const fragments: (Uint8Array | null)[] = new Array(n).fill(null)
    let good = 0
    const takenBy =
      (read: Step<Uint8Array>): Step<Uint8Array> =>
      async (download, columns) => {
        const found = await read(download, columns)
        for (const [column, fragment] of found.good) {
          if (good === k || fragments[column]) continue
          fragments[column] = fragment
          good++
        }
        return found
      }
    const gathering = this.#gathering(() => good)
    await this.#refill()
    const inOrder = takenBy((download, columns) => download.stripe(stripe, columns, to))
    await this.#step([...this.#used], inOrder, gathering, stripe)
    const alone = takenBy((download, columns) => download.extra(stripe, columns))
    while (good < k) {
      const columns = await this.#spare(stripe, gathering.asked, k - good)
      if (columns.length > 0) await this.#step(columns, alone, gathering, stripe)
      else if (gathering.underWay.size > 0) await gathering.change()
      else throw this.#holders.tooFew(good)
    }
    return fragments
  }

  /** @returns those of `runs` whose node is reached and that are sound; the others can be had by rebuilding their stripes. */
  async leaves(runs: readonly LeafRun[]): Promise<ReadRun[]> {
    const read: ReadRun[] = []
    let turns = 0
    // Of a single node nothing can be compared: then HEDGE_MS must do, as the stripe around can be rebuilt
    // from others.
    const isMost = () => gathering.underWay.size * 2 <= turns + 1
    const gathering = new Gathering(this.#holders.ports.clock, this.#usual, {
      isMost,
      isComplete: () => false,
    })
    for (const [holder, download] of this.#open) {
      const own = runs.filter(
        ({ column }) => this.#holders.byColumn[column] === holder && !this.#gone.has(column),
      )
      if (own.length === 0) continue
      turns++
      const columns = [...new Set(own.map(({ column }) => column))]
      gathering.begin({ holder, columns }, async () => {
        try {
          const found = await download.leaves(own)
          for (const [run, bytes] of found.read) read.push({ run, bytes })
          for (const [column, error] of found.bad) this.#blame(holder, column, error, own)
        } catch (error) {
          this.#drop(holder, asXcareError(error))
        }
      })
    }
    for (const turn of await gathering.ended()) this.#setAside(turn)
    // Who comes later does not change what was handed out.
    return [...read]
  }

  /** Ends every stream, and those that are still being opened. */
  close(): void {
    this.#isClosed = true
    this.#holders.close()
    for (const download of this.#open.values()) download.close()
    this.#open.clear()
  }

  /** Takes a step with columns until `into` holds k of them. */
  async #gather<T>(into: Map<number, T>, step: Step<T>): Promise<void> {
    const taken: Step<T> = async (download, columns) => {
      const found = await step(download, columns)
      for (const [column, value] of found.good) into.set(column, value)
      return found
    }
    const gathering = this.#gathering(() => into.size)
    for (;;) {
      await this.#refill()
      const missing = [...this.#used].filter((column) => !into.has(column))
      // Who was late and came after all takes the place of one that is still awaited.
      for (const column of into.keys()) {
        if (missing.length === 0) return
        if (this.#used.has(column) || this.#gone.has(column) || !this.#isOpen(column)) continue
        this.#used.delete(missing.pop()!)
        this.#used.add(column)
      }
      if (missing.length === 0) return
      const fresh = missing.filter((column) => !gathering.asked.has(column))
      if (fresh.length > 0) await this.#step(fresh, taken, gathering, null)
      else if (gathering.underWay.size > 0) await gathering.change()
      else throw this.#holders.tooFew(into.size)
    }
  }

  #gathering(good: () => number): Gathering {
    const { k } = this.#manifest
    return new Gathering(this.#holders.ports.clock, this.#usual, {
      isComplete: () => good() >= k,
      isMost: () => good() * 2 >= k,
    })
  }

  /**
   * Takes one step with all nodes of `columns` side by side. Who keeps the others waiting is set aside, and
   * goes on beside.
   */
  async #step<T>(
    columns: readonly number[],
    step: Step<T>,
    gathering: Gathering,
    stripe: number | null,
  ): Promise<void> {
    const wanted = new Set(columns)
    // Also those whose node is gone meanwhile: they are not asked again.
    for (const column of columns) gathering.asked.add(column)
    for (const [holder, download] of this.#open) {
      const own = holder.columns.filter((column) => wanted.has(column))
      if (own.length === 0) continue
      gathering.begin({ holder, columns: own }, async () => {
        try {
          const { bad } = await step(download, own)
          for (const [column, error] of bad)
            this.#blame(holder, column, error, stripe === null ? [] : [{ stripe, column }])
        } catch (error) {
          this.#drop(holder, asXcareError(error))
        }
      })
    }
    for (const turn of await gathering.ended()) this.#setAside(turn)
  }

  /** A node that keeps the others waiting is replaced and named; what it still brings is taken. */
  #setAside({ holder, columns }: Turn): void {
    for (const column of columns) this.#used.delete(column)
    if (this.#late.has(holder) || this.#away.has(holder)) return
    this.#late.add(holder)
    this.#holders.tellLate(holder)
  }

  /** Brings the columns in use to k. @throws XcareError TOO_FEW_FRAGMENTS */
  async #refill(): Promise<void> {
    const { k } = this.#manifest
    while (this.#used.size < k) {
      if (this.#isClosed) throw this.#holders.tooFew(this.#used.size)
      const fresh = this.#candidates((column) => !this.#holes.has(column) && !this.#used.has(column))
      const chosen = fresh.slice(0, k - this.#used.size)
      if (chosen.length < k - this.#used.size && this.#dialling.size > 0) {
        await this.#reach(chosen)
        const patience = this.#patience()
        await Promise.race([...this.#dialling.values(), patience.promise])
        patience.end()
        continue
      }
      const patchy = this.#candidates((column) => this.#holes.has(column) && !this.#used.has(column))
      const all = [...chosen, ...patchy.slice(0, k - this.#used.size - chosen.length)]
      if (all.length < k - this.#used.size && (await this.#seekMissed())) continue
      if (all.length === 0) throw this.#holders.tooFew(this.#used.size)
      await this.#reach(all)
      for (const column of all) if (this.#isOpen(column)) this.#used.add(column)
    }
  }

  /**
   * @returns columns to ask for single fragments of `stripe`, at most `count` of them, reachable and not
   * asked yet.
   */
  async #spare(stripe: number, asked: Set<number>, count: number): Promise<number[]> {
    for (;;) {
      if (this.#isClosed) return []
      const left = this.#candidates((column) => !asked.has(column) && !this.#holes.get(column)?.has(stripe))
      const chosen = left.slice(0, count)
      await this.#reach(chosen)
      const open = chosen.filter((column) => this.#isOpen(column))
      if (left.length === 0 && (await this.#seekMissed())) continue
      if (open.length > 0 || left.length === 0) return open
      if (chosen.every((column) => !this.#isOpen(column)) && this.#dialling.size > 0)
        await Promise.race(this.#dialling.values())
    }
  }

  /** @returns columns that may still serve, rising; those whose node is slow come last. */
  #candidates(isWanted: (column: number) => boolean): number[] {
    const able = this.#holders.all
      .filter((holder) => !this.#away.has(holder) && !this.#missed.has(holder))
      .flatMap((holder) => holder.columns.map((column) => ({ column, isLate: this.#isLate(holder) })))
      .filter(({ column }) => !this.#gone.has(column) && isWanted(column))
    return able
      .sort((a, b) => Number(a.isLate) - Number(b.isLate) || a.column - b.column)
      .map(({ column }) => column)
  }

  #isLate(holder: Holder): boolean {
    return this.#dialling.has(holder) || this.#late.has(holder)
  }

  /** Opens the nodes of `columns`; one that takes longer than HEDGE_MS is not waited for. */
  async #reach(columns: readonly number[]): Promise<void> {
    const wanted = new Set(columns)
    const needed = this.#holders.all.filter(
      (holder) =>
        !this.#open.has(holder) &&
        !this.#away.has(holder) &&
        !this.#missed.has(holder) &&
        holder.columns.some((column) => wanted.has(column)),
    )
    if (needed.length === 0) return
    const patience = this.#patience()
    await Promise.race([Promise.all(needed.map((holder) => this.#dial(holder))), patience.promise])
    patience.end()
  }

  /** Looks in the DHT for the nodes that did not answer. @returns whether there were any. */
  async #seekMissed(): Promise<boolean> {
    const missed = [...this.#missed]
    this.#missed.clear()
    await Promise.all(
      missed.map((holder) => this.#join(holder, this.#holders.dialElsewhere(holder), this.#away)),
    )
    return missed.length > 0
  }

  #dial(holder: Holder): Promise<void> {
    const known = this.#dialling.get(holder)
    if (known) return known
    const dialled = this.#join(holder, this.#holders.dial(holder), this.#missed)
    const done = dialled.finally(() => this.#dialling.delete(holder))
    this.#dialling.set(holder, done)
    return done
  }

  async #join(holder: Holder, dialled: Promise<FrameStream>, failed: Set<Holder>): Promise<void> {
    let stream: FrameStream
    try {
      stream = await dialled
    } catch {
      failed.add(holder)
      if (failed === this.#missed) this.#holders.tellAway(holder)
      return
    }
    const download = new NodeDownload(stream, this.#manifest, this.#holders.ports.clock, () =>
      this.#nodesInUse(),
    )
    if (this.#isClosed) download.close()
    else this.#open.set(holder, download)
  }

  #nodesInUse(): number {
    return new Set([...this.#used].map((column) => this.#holders.byColumn[column])).size
  }

  #patience(): { promise: Promise<void>; end(): void } {
    const over = new AbortController()
    const promise = this.#holders.ports.clock.sleep(HEDGE_MS, over.signal).catch(() => {})
    return { promise, end: () => over.abort() }
  }

  #isOpen(column: number): boolean {
    const holder = this.#holders.byColumn[column]
    return holder !== null && this.#open.has(holder!)
  }

  /** One column of a node turned out bad: it is replaced, and tried again only for other stripes when no better one is left. */
  #blame(
    { peer }: Holder,
    column: number,
    error: XcareError,
    places: readonly { stripe: number; column: number }[],
  ): void {
    this.#used.delete(column)
    this.#told.delete(column)
    const holes = this.#holes.get(column) ?? new Set()
    for (const place of places) if (place.column === column) holes.add(place.stripe)
    this.#holes.set(column, holes)
    if (places.length === 0 || holes.size > HOLES_MAX) this.#gone.add(column)
    this.#holders.accuse(peer.nodeId, [column], error)
  }

  /** A node whose stream broke is of no use any more. */
  #drop(holder: Holder, error: XcareError): void {
    const download = this.#open.get(holder)
    if (!download) return
    this.#open.delete(holder)
    this.#away.add(holder)
    download.abort(error)
    for (const column of holder.columns) {
      this.#used.delete(column)
      this.#told.delete(column)
    }
    this.#holders.accuse(holder.peer.nodeId, holder.columns, error)
  }

  #compare(download: NodeDownload, column: number, proven: Uint8Array[]): void {
    const told = this.#told.get(column)
    if (!told || proven.every((share, at) => equalBytes(share, told[at]!))) return
    const lie = `storage node ${download.node} told key shares that are not those of its fragments`
    this.#holders.accuse(download.node, [column], new XcareError('INTEGRITY', lie))
  }

  #byStripe(byColumn: Map<number, Uint8Array[]>): Uint8Array[][] {
    const used = [...this.#used].map((column) => byColumn.get(column)!)
    return Array.from({ length: this.#manifest.stripes }, (_, stripe) =>
      used.map((shares) => shares[stripe]!),
    )
  }
}
