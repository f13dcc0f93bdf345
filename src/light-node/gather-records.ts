import { XcareError } from '../errors.ts'
import { BundleNames, type BundleRecord, bundledBytes } from '../fragment/bundle.ts'
import type { Profile } from '../fragment/profile.ts'
import { GATHERED_BYTES_MAX, GATHERED_RECORDS_MAX } from '../limits.ts'
import {
  loadRecord,
  type PutRecordPorts,
  putLoadedBundle,
  type RecordSource,
  requireRecordName,
  type StoredRecord,
} from './put-record.ts'

/**
 * A bundle begins so long after its first record. Callers that put their next record as soon as the last one is stored all come
 * within this time; a bundle that began with the first of them would leave the others to the next one, and from then on
 * bundles of one and bundles of all the others would take turns. Beside the put of an object, which waits for a block, it is little.
 */
const GATHER_MS = 2
/** Room for the records of so many bundles in memory: one is under way while the next one is gathered. */
const BUNDLES_HELD = 2

/** A record that is stored in a gathered bundle: `readBundleRecord` reads it from there under `name`. */
export interface GatheredRecord {
  name: string
  bytes: number
  /** The bundle as a whole: its object, its name in the vault, what it can count on. */
  bundle: StoredRecord
}

/** Puts small records together that come at the same time. */
export interface RecordGatherer {
  /**
   * Stores one record in a bundle with others. Resolves when that bundle is durable, no sooner than `putRecord` would. The source
   * is read when there is room for it; until then nothing is kept but the call.
   * @throws XcareError USAGE for a record that has no valid name or type, is too large, or has another length than promised, and
   * after `close`; whatever its source throws; what `putBundle` throws, the same for each record of a bundle that fails.
   */
  put(source: RecordSource): Promise<GatheredRecord>
  /** Refuses further records. Resolves when each one before is stored or has failed. */
  close(): Promise<void>
}

/**
 * Gathers small records into bundles: those that come while a bundle is under way wait and are the next one, so that many at
 * the same time cost little more than one.
 *
 * A permission names objects. Whoever may read one record of a gathered bundle may read **all** of them; they are removed
 * together; and a notice of a reading names the bundle. Which records meet in one is left to chance. Gather only what the
 * same people may read and what is kept equally long, and put everything else by `putRecord`. Spec: docs/spec/bundle.md.
 * @param name what the list of the owner's records shows, followed by how many are in the bundle and when it began.
 * @throws XcareError USAGE when no bundle can be called so
 */
export function gatherRecords(ports: PutRecordPorts, name: string, profile: Profile): RecordGatherer {
  const nameOf = (records: number) => bundleName(name, records, ports.clock.nowMs())
  requireRecordName({ name: nameOf(GATHERED_RECORDS_MAX), mediaType: 'text/plain' })
  return new Gatherer(
    () => ports.clock.sleep(GATHER_MS),
    (records) => putLoadedBundle(ports, nameOf(records.length), records, profile),
  )
}

/** A record in memory, waiting for its bundle. */
interface Waiting {
  record: BundleRecord
  bytes: number
  done: PromiseWithResolvers<GatheredRecord>
}

class Gatherer implements RecordGatherer {
  readonly #pause: () => Promise<void>
  readonly #store: (records: BundleRecord[]) => Promise<StoredRecord>
  readonly #room = new Room()
  #waiting: Waiting[] = []
  #isUnderWay = false
  #isClosed = false
  #accepted = 0
  #idle: PromiseWithResolvers<void> | null = null

  constructor(pause: () => Promise<void>, store: (records: BundleRecord[]) => Promise<StoredRecord>) {
    this.#pause = pause
    this.#store = store
  }

  async put(source: RecordSource): Promise<GatheredRecord> {
    const { name, mediaType, length } = source
    // Looked at once: a source that changes while it waits must not harm the bundle.
    const record = { name, mediaType, length, read: (at: number, count: number) => source.read(at, count) }
    const bytes = this.#admit(record)
    this.#accepted++
    await this.#room.take(bytes)
    try {
      const loaded = await loadRecord(record)
      const done = Promise.withResolvers<GatheredRecord>()
      this.#waiting.push({ record: loaded, bytes, done })
      if (!this.#isUnderWay) void this.#putAll()
      return await done.promise
    } finally {
      this.#room.give(bytes)
      if (--this.#accepted === 0) this.#idle?.resolve()
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#accepted === 0) return
    this.#idle ??= Promise.withResolvers<void>()
    await this.#idle.promise
  }

  /** @returns bytes that the record adds to its bundle, at most. @throws XcareError USAGE for what is refused before it is read. */
  #admit(record: RecordSource): number {
    if (this.#isClosed)
      throw new XcareError('USAGE', 'these records are gathered no longer', {
        next: 'begin anew with gatherRecords',
      })
    requireRecordName(record)
    const { name, length } = record
    const bytes = bundledBytes(record)
    if (Number.isSafeInteger(length) && length >= 0 && bytes <= GATHERED_BYTES_MAX) return bytes
    throw new XcareError(
      'USAGE',
      `"${name}" has ${length} bytes, a gathered bundle at most ${GATHERED_BYTES_MAX}`,
      { next: 'put it singly, with putRecord' },
    )
  }

  /** One bundle after the other, until nothing waits any more. */
  async #putAll(): Promise<void> {
    this.#isUnderWay = true
    while (this.#waiting.length > 0) {
      await this.#pause()
      const taken = this.#takeBundle()
      try {
        const bundle = await this.#store(taken.map(({ record }) => record))
        for (const { record, done } of taken)
          done.resolve({ name: record.name, bytes: record.bytes.length, bundle })
      } catch (error) {
        for (const { done } of taken) done.reject(error)
      }
    }
    this.#isUnderWay = false
  }

  /** Those that fit, in the order they came. The first one always does, so that none waits forever. */
  #takeBundle(): Waiting[] {
    const names = new BundleNames()
    const taken: Waiting[] = []
    const left: Waiting[] = []
    let bytes = 0
    for (const one of this.#waiting) {
      const hasRoom = taken.length < GATHERED_RECORDS_MAX && bytes + one.bytes <= GATHERED_BYTES_MAX
      if (hasRoom && names.add(one.record.name) === null) {
        taken.push(one)
        bytes += one.bytes
      } else left.push(one)
    }
    this.#waiting = left
    return taken
  }
}

/** What may be in memory at the same time. Whoever comes first is let in first. */
class Room {
  #bytes = BUNDLES_HELD * GATHERED_BYTES_MAX
  #records = BUNDLES_HELD * GATHERED_RECORDS_MAX
  #last: Promise<void> = Promise.resolve()
  #given = Promise.withResolvers<void>()

  /** Resolves when there is room for one more record of `bytes`, which is then taken. */
  take(bytes: number): Promise<void> {
    this.#last = this.#last.then(() => this.#takeNext(bytes))
    return this.#last
  }

  give(bytes: number): void {
    this.#bytes += bytes
    this.#records++
    this.#given.resolve()
  }

  async #takeNext(bytes: number): Promise<void> {
    while (this.#bytes < bytes || this.#records === 0) {
      this.#given = Promise.withResolvers<void>()
      await this.#given.promise
    }
    this.#bytes -= bytes
    this.#records--
  }
}

/** Two bundles of one gatherer never begin in the same millisecond, so that their names differ. */
function bundleName(name: string, records: number, nowMs: number): string {
  // Unpacked, a bundle is a folder: not every disk takes a colon.
  const began = new Date(nowMs).toISOString().replace('T', ' ').replaceAll(':', '.').replace('Z', ' UTC')
  return `${name}, ${records} ${records === 1 ? 'record' : 'records'} of ${began}`
}
