import { equalBytes } from '../../bytes.ts'
import { asXcareError } from '../../errors.ts'
import { PUT_JOURNAL_KEPT_MS } from '../../limits.ts'
import type { Progress, Random } from '../../ports.ts'
import { type DropPorts, dropObject } from './drop-object.ts'
import {
  type JournalContent,
  type JournalObject,
  openJournal,
  type SourceIdentity,
  sealJournal,
} from './journal-format.ts'
import type { Shelf, ShelfFile } from './shelf.ts'

/** Where unfinished puts are noted, and the key that seals the notes. */
export interface JournalPorts extends DropPorts {
  progress: Progress
  random: Random
  journals: { shelf: Shelf; key: Uint8Array } | null
}

/** What is about to be put. */
export interface PutIdentity {
  source: SourceIdentity
  name: string
  /** Whatever else must be the same for what is stored to be of use. */
  shape: string
}

/** Takes note of one object while it is put, so that whatever happens it is finished or removed. */
export interface ObjectNotes {
  /** Durable before the first fragment leaves. */
  begun(object: Pick<JournalObject, 'objectId' | 'version' | 'custodyKey' | 'nodes'>): Promise<void>
  /** Durable before the transaction leaves. */
  sent(): Promise<void>
}

/** The journal of one put: what is stored of it, what is under way, durable at each step. */
export class PutJournal {
  readonly #ports: JournalPorts
  readonly #key: Uint8Array
  readonly #file: ShelfFile
  #content: JournalContent

  private constructor(ports: JournalPorts, key: Uint8Array, file: ShelfFile, content: JournalContent) {
    this.#ports = ports
    this.#key = key
    this.#file = file
    this.#content = content
  }

  /**
   * Opens the journal of a put that was begun before, or begins one. What was under way then is removed: it
   * is sealed anew. A source that has changed since is put from its start, and what was stored of it is
   * removed.
   * @returns null where no journals are kept.
   */
  static async open(ports: JournalPorts, { source, name, shape }: PutIdentity): Promise<PutJournal | null> {
    if (!ports.journals) return null
    const { shelf, key } = ports.journals
    const found = await findJournal(ports.journals, source.path)
    const begunMs = ports.clock.nowMs()
    const fresh: JournalContent = { v: 1, begunMs, source, name, shape, objects: [] }
    if (!found) {
      const journal = new PutJournal(ports, key, await shelf.begin(), fresh)
      await journal.#write()
      return journal
    }
    const { file, content } = found
    const isSame =
      content.shape === shape &&
      content.source?.bytes === source.bytes &&
      content.source.modifiedMs === source.modifiedMs
    // One that is gone on with is not given up.
    const journal = new PutJournal(ports, key, file, { ...fresh, objects: content.objects })
    await journal.#dropAll(({ stored }) => !isSame || stored === null)
    const bytes = journal.#bytes
    if (isSame) ports.progress({ type: 'put-resumed', name, bytes, of: source.bytes })
    else ports.progress({ type: 'put-changed', name })
    return journal
  }

  get #bytes(): number {
    return this.#content.objects.reduce((sum, { bytes, stored }) => sum + (stored ? bytes : 0), 0)
  }

  /** @returns the object that is stored at this place of the record already, or null. */
  storedAt(offset: number, bytes: number): JournalObject | null {
    const { objects } = this.#content
    return (
      objects.find((object) => object.stored && object.offset === offset && object.bytes === bytes) ?? null
    )
  }

  /** @returns the notes of an object that is about to be put. */
  notesAt(offset: number, bytes: number): ObjectNotes {
    let id: Uint8Array | null = null
    return {
      begun: async (object) => {
        id = object.objectId
        const begunMs = this.#ports.clock.nowMs()
        await this.#change([
          ...this.#content.objects,
          { offset, bytes, begunMs, isSent: false, stored: null, ...object },
        ])
      },
      sent: () => this.#mark(id, { isSent: true }),
    }
  }

  /** The object is durable elsewhere; with this its key is here as well. */
  stored(objectId: Uint8Array, stored: NonNullable<JournalObject['stored']>): Promise<void> {
    return this.#mark(objectId, { stored })
  }

  /** The put is over and its keys are in the vault. */
  async end(): Promise<void> {
    await this.#dropAll(({ stored }) => stored === null)
    const left = this.#content.objects.filter(({ stored }) => stored === null)
    if (left.length === 0) return this.#file.remove()
    this.#content = { ...this.#content, source: null, objects: left }
    await this.#write()
    this.#file.leave()
  }

  /**
   * The put failed: what is stored stays for the next time, what was under way is removed.
   * @returns bytes stored, and objects still to be removed.
   */
  async fail(): Promise<{ stored: number; left: number }> {
    try {
      await this.#dropAll(({ stored }) => stored === null)
      const { objects } = this.#content
      if (objects.length === 0) await this.#file.remove()
      return { stored: this.#bytes, left: objects.filter(({ stored }) => stored === null).length }
    } finally {
      this.#file.leave()
    }
  }

  async #dropAll(isWanted: (object: JournalObject) => boolean): Promise<void> {
    const objects = await dropEach(this.#ports, this.#content.objects, isWanted)
    await this.#change(objects)
  }

  #mark(id: Uint8Array | null, change: Partial<JournalObject>): Promise<void> {
    return this.#change(
      this.#content.objects.map((object) =>
        id && equalBytes(object.objectId, id) ? { ...object, ...change } : object,
      ),
    )
  }

  async #change(objects: JournalObject[]): Promise<void> {
    this.#content = { ...this.#content, objects }
    await this.#write()
  }

  async #write(): Promise<void> {
    await this.#file.write(sealJournal(this.#key, this.#ports.random, this.#content))
  }
}

/**
 * Notes an object that could not be removed, so that the next command of the wallet sees to it.
 * @returns whether that was possible.
 */
export async function noteLeftover(
  ports: JournalPorts,
  object: JournalObject,
  name: string,
): Promise<boolean> {
  if (!ports.journals) return false
  const { shelf, key } = ports.journals
  const file = await shelf.begin()
  try {
    const begunMs = object.begunMs
    const content: JournalContent = { v: 1, begunMs, source: null, name, shape: 'none', objects: [object] }
    await file.write(sealJournal(key, ports.random, content))
    return true
  } finally {
    file.leave()
  }
}

/**
 * Removes what earlier puts of this wallet left, and tells of those that can be gone on with. Journals that
 * another process uses are not touched; one that nobody came back to for PUT_JOURNAL_KEPT_MS is given up.
 */
export async function sweepUnfinished(ports: JournalPorts): Promise<void> {
  if (!ports.journals) return
  const { shelf, key } = ports.journals
  for (const name of await shelf.list()) {
    const file = await shelf.take(name)
    if (!file) continue
    try {
      const content = await contentOf(file, key)
      // Of another wallet, or damaged: nothing can be known of it, and nothing be done.
      if (content) await sweepOne(ports, file, content)
    } catch (error) {
      const { code, message } = asXcareError(error)
      ports.progress({ type: 'sweep-failed', code, message })
    } finally {
      file.leave()
    }
  }
}

async function sweepOne(ports: JournalPorts, file: ShelfFile, content: JournalContent): Promise<void> {
  const { source, name, begunMs } = content
  const isGivenUp = source === null || ports.clock.nowMs() - begunMs > PUT_JOURNAL_KEPT_MS
  const objects = await dropEach(ports, content.objects, ({ stored }) => isGivenUp || stored === null)
  const bytes = objects.reduce((sum, object) => sum + (object.stored ? object.bytes : 0), 0)
  if (source && !isGivenUp && bytes > 0)
    ports.progress({ type: 'put-unfinished', name, file: source.path, bytes, of: source.bytes })
  if (objects.length === 0) return file.remove()
  const left = { ...content, source: isGivenUp ? null : source, objects }
  await file.write(sealJournal(ports.journals!.key, ports.random, left))
}

async function dropEach(
  ports: DropPorts,
  objects: readonly JournalObject[],
  isWanted: (object: JournalObject) => boolean,
): Promise<JournalObject[]> {
  const left = await Promise.all(
    objects.map((object) => (isWanted(object) ? dropObject(ports, object) : object)),
  )
  return left.filter((object) => object !== null)
}

async function findJournal(
  { shelf, key }: NonNullable<JournalPorts['journals']>,
  path: string,
): Promise<{ file: ShelfFile; content: JournalContent } | null> {
  for (const name of await shelf.list()) {
    const file = await shelf.take(name)
    if (!file) continue
    const content = await contentOf(file, key)
    if (content?.source?.path === path) return { file, content }
    file.leave()
  }
  return null
}

async function contentOf(file: ShelfFile, key: Uint8Array): Promise<JournalContent | null> {
  const sealed = await file.read()
  if (!sealed) return null
  try {
    return openJournal(key, sealed)
  } catch {
    return null
  }
}
