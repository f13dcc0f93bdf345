import { allZero, concatAll, equalBytes, toHex } from '../bytes.ts'
import { XcareError } from '../errors.ts'
import { VAULT_RESERVE_BYTES } from '../limits.ts'
import type { Folder, Random } from '../ports.ts'
import { FRAME_HEAD_BYTES, framesOf, headOf, LOG_ID_BYTES, sealFrame } from './_frame.ts'
import { type LogHead, openHead, sealHead } from './_log-head.ts'
import { isOldLog, oldEntriesOf } from './_old-log.ts'
import { Window } from './_window.ts'
import type { VaultLoss } from './vault-entry.ts'

/** The second file is written again when it lags behind this far, and when the log is closed. */
const HEAD_LAG_MAX = 64
const TAG_BYTES = 16

/** Who keeps what the entries say. */
export interface LogKeeper {
  /**
   * The log is read from its beginning: what is applied from now on replaces everything before, once it is
   * ready.
   */
  reset(): void
  ready(): void
  /** @returns false when these bytes are no entry. */
  apply(plain: Uint8Array): boolean
  /** All entries that still count, in an order in which they may be applied. */
  live(): Uint8Array[]
  /** Whether so many of `count` entries no longer count that the log should be written anew. */
  isWasteful(count: number): boolean
  /** The first entry of a new log: the log it replaces, and what was lost by then. */
  origin(origin: LogOrigin): Uint8Array
  /** What the first entry of the log says, or null when it was not applied. */
  readOrigin(): LogOrigin | null
  /** The error of a log that takes no more. */
  full(): XcareError
}

/** Where a log comes from. */
export interface LogOrigin {
  previous: Uint8Array | null
  loss: VaultLoss
}

/** What a log is made of. `mustExist`: one was begun before, so that none at all is a loss. */
export interface LogOptions {
  folder: Folder
  /** Its file; the second one has `.head` for `.log`. */
  name: string
  key: Uint8Array
  random: Random
  keeper: LogKeeper
  mustExist: boolean
  /** Bytes of the file, at most, when something is added; one that has more is read all the same. */
  bytesMax: number
}

interface Waiting {
  plain: Uint8Array
  /** May use the room that is left for making room. */
  makesRoom: boolean
  done: PromiseWithResolvers<void>
}

/**
 * Where reading a log stands. `old` logs are of version 1; `none` has no whole entry, and `rubbish` says
 * whether it has bytes.
 */
interface Reading {
  state: 'none' | 'old' | 'current'
  rubbish: boolean
  id: Uint8Array | null
  /** Offset behind the last whole frame, and whether more bytes follow. */
  end: number
  trailing: boolean
  /** The next free place, whole entries, and places of which nothing is left. */
  count: number
  found: number
  missing: number
}

const NO_LOSS: VaultLoss = { entries: 0, unknown: false }

/**
 * An append-only file of sealed entries that several processes may have open at the same time. Each entry is
 * bound to its log and to its place, so that none can be taken out, moved or brought in from another log
 * without being missed. A damaged one costs itself alone.
 */
export class SealedLog {
  readonly #options: LogOptions
  readonly #folder: Folder
  readonly #queue: Waiting[] = []
  #reading: Reading = unread()
  /** What the second file says was there. */
  #head: LogHead | null = null
  #draining: Promise<void> | null = null
  /** One reading or writing at a time. */
  #last: Promise<unknown> = Promise.resolve()

  private constructor(options: LogOptions) {
    this.#options = options
    this.#folder = options.folder
  }

  /** Reads the log, without a turn and without writing. */
  static async open(options: LogOptions): Promise<SealedLog> {
    const log = new SealedLog(options)
    await log.refresh()
    return log
  }

  /** Bytes of the log. */
  get bytes(): number {
    return this.#reading.end
  }

  /**
   * Entries that were there and do not open any more, since the log was begun or last declared complete; null
   * when there are none.
   */
  loss(): VaultLoss | null {
    const before = this.#options.keeper.readOrigin()?.loss ?? NO_LOSS
    const now = this.#newLoss()
    const entries = before.entries + now.entries
    return entries > 0 || before.unknown || now.unknown
      ? { entries, unknown: before.unknown || now.unknown }
      : null
  }

  /**
   * Appends one entry; resolves when it is durable. Many at once share one write.
   * @throws XcareError NO_SPACE, LOCKED, of the disk
   */
  append(plain: Uint8Array, makesRoom = false): Promise<void> {
    const done = Promise.withResolvers<void>()
    this.#queue.push({ plain, makesRoom, done })
    this.#draining ??= this.#drain()
    return done.promise
  }

  /** Reads what other processes appended since. */
  refresh(): Promise<void> {
    return this.#oneByOne(async () => {
      await this.#readNew()
      // Half of what another process writes at this moment looks like damage: then it is looked at while
      // nobody writes.
      if (!this.#isDamaged() || !this.#folder.exclusive) return
      await this.#folder
        .exclusive(() => this.#readAll())
        .catch((error: unknown) => {
          // Where there is no turn to be had, what was seen counts.
          if (!(error instanceof XcareError)) throw error
        })
    })
  }

  /** Writes the log anew, without what no longer counts. @param loss what is lost from now on */
  rewrite(loss: VaultLoss | null): Promise<void> {
    return this.#exclusively(async () => {
      await this.#readNew()
      await this.#compact(loss ?? NO_LOSS)
    })
  }

  /** Lets the second file catch up; where it cannot be written, it is not needed. */
  async close(): Promise<void> {
    await this.#draining
    if (this.#reading.count <= this.#headCount() || this.#reading.state !== 'current') return
    await this.#exclusively(async () => {
      await this.#readNew()
      await this.#writeHead()
    }).catch(() => {})
  }

  async #drain(): Promise<void> {
    // One turn later, so that what is added at the same time is written at the same time.
    await Promise.resolve()
    for (let batch = this.#queue.splice(0); batch.length > 0; batch = this.#queue.splice(0))
      await this.#writeBatch(batch)
    this.#draining = null
  }

  async #writeBatch(batch: Waiting[]): Promise<void> {
    try {
      await this.#exclusively(() => this.#write(batch))
      for (const { done } of batch) done.resolve()
    } catch (error) {
      const isFull = error instanceof XcareError && error.code === 'NO_SPACE'
      // Where not all fit, some may.
      if (isFull && batch.length > 1) for (const one of batch) await this.#writeBatch([one])
      else for (const { done } of batch) done.reject(error)
    }
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    return this.#oneByOne(() => (this.#folder.exclusive ? this.#folder.exclusive(work) : work()))
  }

  #oneByOne<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work)
    this.#last = turn.catch(() => {})
    return turn
  }

  async #write(batch: Waiting[]): Promise<void> {
    const { key, random, keeper, name, bytesMax } = this.#options
    await this.#readNew()
    if (this.#reading.state !== 'current' || this.#isDamaged()) await this.#compact(this.loss() ?? NO_LOSS)
    const bytes = batch.reduce((sum, { plain }) => sum + plain.length + FRAME_HEAD_BYTES + 40, 0)
    const makesRoom = batch.every((waiting) => waiting.makesRoom)
    const room = bytesMax + (makesRoom ? VAULT_RESERVE_BYTES : 0)
    if (this.#reading.end + bytes > room) await this.#compact(this.loss() ?? NO_LOSS)
    if (this.#reading.end + bytes > room) throw keeper.full()
    const { id, count } = this.#reading
    const frames = batch.map(({ plain }, at) => sealFrame(key, random, id!, count + at, plain))
    await this.#folder.append(name, concatAll(frames))
    await this.#appended(batch, bytes)
    if (keeper.isWasteful(this.#reading.found)) await this.#compact(this.loss() ?? NO_LOSS)
    else if (this.#reading.count - this.#headCount() >= HEAD_LAG_MAX) await this.#writeHead()
  }

  /** What is durable counts, also where something torn lies in front of it. */
  async #appended(batch: Waiting[], bytes: number): Promise<void> {
    const reading = this.#reading
    const before = reading.count
    if (reading.trailing) await this.#readNew()
    else {
      for (const { plain } of batch) this.#options.keeper.apply(plain)
      reading.end += bytes
      reading.count += batch.length
      reading.found += batch.length
    }
    if (this.#reading.count < before + batch.length)
      throw new XcareError('INTERNAL', 'the disk did not keep what was written to the vault')
  }

  async #readAll(): Promise<void> {
    this.#options.keeper.reset()
    // The second file first: the log is never behind it.
    this.#head = openHead(this.#options.key, await this.#folder.read(this.#headName()))
    this.#reading = unread()
    const window = this.#window()
    try {
      if (await isOldLog(window)) await this.#readOld(window)
      else await this.#readOn(window)
    } catch (error) {
      // Half read is not read: the next use begins anew.
      this.#reading = unread()
      throw error
    }
    this.#options.keeper.ready()
  }

  async #readNew(): Promise<void> {
    const { state, id, end } = this.#reading
    if (state !== 'current' || this.#isDamaged()) return this.#readAll()
    const first = headOf(await this.#bytesAt(0, FRAME_HEAD_BYTES))
    const window = this.#window()
    const isShorter = (await window.at(end - 1, 1)).length === 0
    if (isShorter || (first && !equalBytes(first.id, id!))) return this.#readAll()
    await this.#readOn(window)
  }

  async #readOn(window: Window): Promise<void> {
    const reading = this.#reading
    const { key, keeper } = this.#options
    for await (const { id, at, plain, end } of framesOf(window, key, reading.end)) {
      // Of another log, or moved from its place.
      if ((reading.id && !equalBytes(id, reading.id)) || at < reading.count) continue
      reading.state = 'current'
      reading.id = id
      reading.missing += at - reading.count
      reading.count = at + 1
      reading.end = end
      if (!keeper.apply(plain)) reading.missing++
      else if (at > 0) reading.found++
    }
    reading.trailing = (await window.at(reading.end, 1)).length > 0
    if (reading.state === 'none') reading.rubbish = reading.trailing
    else if (reading.trailing && (await this.#isBruised(window))) {
      // Damage means that the next reading begins anew.
      reading.missing++
      reading.count++
    }
  }

  /**
   * Whether a whole entry stood behind the last one that opens. A crash leaves one that is cut off, or zeros.
   */
  async #isBruised(window: Window): Promise<boolean> {
    const { id, end, count } = this.#reading
    const head = headOf((await window.at(end, FRAME_HEAD_BYTES)).slice())
    if (!head || !equalBytes(head.id, id!) || head.at !== count) return false
    const sealed = await window.at(end + FRAME_HEAD_BYTES, head.length)
    return sealed.length === head.length && !allZero(sealed.slice(-TAG_BYTES))
  }

  async #readOld(window: Window): Promise<void> {
    const reading = this.#reading
    reading.state = 'old'
    for await (const { plain } of oldEntriesOf(window, this.#options.key)) {
      reading.count++
      if (plain && this.#options.keeper.apply(plain)) reading.found++
      else reading.missing++
    }
  }

  #headCount(): number {
    const { state, id } = this.#reading
    if (!this.#head || state === 'old') return 0
    return id === null || equalBytes(this.#head.id, id) ? this.#head.count : 0
  }

  /** What is missing that no origin told. */
  #newLoss(): VaultLoss {
    const { state, count, missing, rubbish } = this.#reading
    const known = this.#options.keeper.readOrigin()
    const gone = missing + Math.max(0, this.#headCount() - count)
    // Nobody put the origin there.
    const entries = Math.max(0, gone - (known || state === 'old' ? 0 : 1))
    const isGone = state === 'none' && (rubbish || this.#options.mustExist) && entries === 0
    return { entries, unknown: isGone || this.#isOther(known?.previous ?? null) }
  }

  /** Whether the second file speaks of a log that neither this one is nor the one it came from. */
  #isOther(previous: Uint8Array | null): boolean {
    const { state, id } = this.#reading
    if (!this.#head || state === 'none') return false
    if (state === 'old') return true
    return !equalBytes(this.#head.id, id!) && !(previous && equalBytes(this.#head.id, previous))
  }

  #isDamaged(): boolean {
    const { entries, unknown } = this.#newLoss()
    return entries > 0 || unknown || this.#reading.missing > 0
  }

  /** Writes what counts to a new log in one step; what is damaged is kept aside. */
  async #compact(loss: VaultLoss): Promise<void> {
    const { name, key, random, keeper } = this.#options
    if (this.#isDamaged()) await this.#keepAside()
    const id = random.bytes(LOG_ID_BYTES)
    const origin = keeper.origin({ previous: this.#reading.id, loss })
    const entries = [origin, ...keeper.live()]
    const content = concatAll(entries.map((plain, at) => sealFrame(key, random, id, at, plain)))
    await this.#folder.replace(name, content)
    keeper.apply(origin)
    const counts = { count: entries.length, found: entries.length - 1 }
    this.#reading = { ...unread(), ...counts, state: 'current', id, end: content.length }
    await this.#writeHead()
  }

  async #keepAside(): Promise<void> {
    const { name, random } = this.#options
    const content = await this.#folder.read(name)
    if (content && content.length > 0)
      await this.#folder.replace(`${name}.damaged-${toHex(random.bytes(4))}`, content)
  }

  /** After the log itself, so that it never leads. A crash in between is known by the origin. */
  async #writeHead(): Promise<void> {
    const { key, random } = this.#options
    const { id, count } = this.#reading
    if (!id) return
    const head = { id, count }
    await this.#folder.replace(this.#headName(), sealHead(key, random, head)).catch(() => {})
    this.#head = head
  }

  #headName(): string {
    return this.#options.name.replace(/\.log$/, '.head')
  }

  #window(): Window {
    return new Window(this.#folder, this.#options.name)
  }

  async #bytesAt(offset: number, length: number): Promise<Uint8Array> {
    const { name } = this.#options
    if (this.#folder.readFrom) return (await this.#folder.readFrom(name, offset, length)) ?? new Uint8Array(0)
    return ((await this.#folder.read(name)) ?? new Uint8Array(0)).subarray(offset, offset + length)
  }
}

function unread(): Reading {
  const counts = { end: 0, count: 0, found: 0, missing: 0 }
  return { state: 'none', rubbish: false, id: null, trailing: false, ...counts }
}
