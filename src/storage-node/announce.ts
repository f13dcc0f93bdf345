import { asXcareError } from '../errors.ts'
import { type ObjectId, objectIdFromBytes } from '../ids.ts'
import { ANNOUNCE_QUEUE_MAX, ANNOUNCERS_MAX } from '../limits.ts'
import type { Clock, Directory, Random, XcareEvent } from '../ports.ts'

const GROUP_MAX = 256
/**
 * Objects of so long are told in one go, on average: each telling asks a dozen peers, however many objects it is about. Half of it to half as
 * much again, drawn anew each time: all holders of a put would tell at the same moment, and whoever puts something then would wait for all of them.
 */
const GATHER_MS = 5_000

/** A finished column, as far as announcing it goes. */
export interface CompletedColumn {
  objectId: Uint8Array
  column: number
  k: number
  n: number
}

/** @returns whether the holder of this column is one of the few that tell the DHT about the object. */
export function isAnnouncer({ column, k, n }: CompletedColumn): boolean {
  return column < Math.min(ANNOUNCERS_MAX, n - k + 1)
}

/** Tells the DHT about objects, one group after the other, in the background: a put never waits for it. */
export class AnnounceQueue {
  readonly #directory: Directory
  readonly #clock: Pick<Clock, 'sleep'>
  readonly #random: Random
  readonly #log: (event: XcareEvent) => void
  readonly #waiting = new Set<ObjectId>()
  readonly #stopping = new AbortController()
  #running: Promise<void> | null = null

  constructor(
    directory: Directory,
    { clock, random }: { clock: Pick<Clock, 'sleep'>; random: Random },
    log: (event: XcareEvent) => void,
  ) {
    this.#directory = directory
    this.#clock = clock
    this.#random = random
    this.#log = log
  }

  /** Queues the object of `column`, when this node is to announce it. Above the cap it is left to the other holders. */
  add(column: CompletedColumn): void {
    if (!isAnnouncer(column) || this.#waiting.size >= ANNOUNCE_QUEUE_MAX || this.#stopping.signal.aborted)
      return
    this.#waiting.add(objectIdFromBytes(column.objectId))
    this.#running ??= this.#run().finally(() => {
      this.#running = null
    })
  }

  /** Ends after the announcement under way. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  #gatherMs(): number {
    return GATHER_MS / 2 + (GATHER_MS * this.#random.bytes(1)[0]!) / 255
  }

  async #run(): Promise<void> {
    while (this.#waiting.size > 0 && !this.#stopping.signal.aborted) {
      await this.#clock.sleep(this.#gatherMs(), this.#stopping.signal).catch(() => {})
      if (this.#stopping.signal.aborted) return
      // The directory sends what it gets together in few messages.
      const group = [...this.#waiting].slice(0, GROUP_MAX)
      for (const objectId of group) this.#waiting.delete(objectId)
      const told = await Promise.allSettled(
        group.map((objectId) => this.#directory.announce(objectId, this.#stopping.signal)),
      )
      const failure = told.find((one) => one.status === 'rejected')
      if (failure && !this.#stopping.signal.aborted)
        this.#log({ type: 'failed', what: 'announce', code: asXcareError(failure.reason).code })
    }
  }
}
