import { concat, equalBytes, u32be, u64be, utf8 } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { openSmall, sealSmall } from '../crypto/secretbox.ts'
import { XcareError } from '../errors.ts'
import type { Folder, Random } from '../ports.ts'

const MAGIC = utf8('xcarevl1')
const LOG_ID_BYTES = 16
const HEAD_BYTES = MAGIC.length + LOG_ID_BYTES
const LENGTH_BYTES = 4
const FRAME_HEAD_BYTES = LENGTH_BYTES + 4
const NONCE_BYTES = 24
const TAG_BYTES = 16
const LOG_BYTES_MAX = 256 * 1024 * 1024

/**
 * An append-only file of sealed entries. Each is bound to this log and to its place, so that none can be taken out, moved or
 * brought in from another log. What a crash left of a last append is dropped.
 */
export class SealedLog {
  /** Plaintext of the entries found at opening. */
  readonly entries: Uint8Array[]
  #folder: Folder
  #name: string
  #key: Uint8Array
  #random: Random
  #id: Uint8Array
  /** Bytes of the file that hold good entries, and those bytes when the file must be written anew before it can grow. */
  #goodBytes: number
  #rewrite: Uint8Array | null
  #count: number
  #last: Promise<unknown> = Promise.resolve()

  private constructor(
    file: { folder: Folder; name: string; key: Uint8Array; random: Random },
    found: FoundLog,
  ) {
    this.#folder = file.folder
    this.#name = file.name
    this.#key = file.key
    this.#random = file.random
    this.#id = found.id
    this.#goodBytes = found.goodBytes
    this.#rewrite = found.rewrite
    this.entries = found.entries
    this.#count = found.entries.length
  }

  /** @throws XcareError INTEGRITY when an entry before the torn tail does not open. */
  static async open(folder: Folder, name: string, key: Uint8Array, random: Random): Promise<SealedLog> {
    const content = await folder.read(name)
    const file = { folder, name, key, random }
    if (content === null || content.length < HEAD_BYTES) {
      const id = random.bytes(LOG_ID_BYTES)
      return new SealedLog(file, { id, entries: [], goodBytes: HEAD_BYTES, rewrite: concat(MAGIC, id) })
    }
    return new SealedLog(file, readLog(content, key))
  }

  /** Entries in the file. */
  get count(): number {
    return this.#count
  }

  /**
   * Appends one entry; one after the other however many are called at once.
   * @param appended called when it is durable; may return all entries that still count, to rewrite the file with.
   */
  append(plain: Uint8Array, appended: () => Uint8Array[] | null): Promise<void> {
    const turn = this.#last.then(async () => {
      await this.#write(plain)
      const live = appended()
      if (live) await this.#compact(live)
    })
    this.#last = turn.catch(() => {})
    return turn
  }

  async #write(plain: Uint8Array): Promise<void> {
    const frame = sealFrame(this.#key, this.#random, this.#id, this.#count, plain)
    if (this.#rewrite) await this.#folder.replace(this.#name, concat(this.#rewrite, frame))
    else
      await this.#folder.append(this.#name, frame).catch(async (error: unknown) => {
        // Part of the frame may be in the file: the next entry must not land behind it.
        const content = await this.#folder.read(this.#name).catch(() => null)
        if (content) this.#rewrite = content.slice(0, this.#goodBytes)
        throw error
      })
    this.#rewrite = null
    this.#goodBytes += frame.length
    this.#count++
  }

  async #compact(live: Uint8Array[]): Promise<void> {
    const id = this.#random.bytes(LOG_ID_BYTES)
    const frames = live.map((plain, at) => sealFrame(this.#key, this.#random, id, at, plain))
    const content = concat(MAGIC, id, ...frames)
    await this.#folder.replace(this.#name, content)
    this.#id = id
    this.#goodBytes = content.length
    this.#count = live.length
  }
}

/** What a log file holds. `rewrite` is its good part when something else stands behind it. */
interface FoundLog {
  id: Uint8Array
  entries: Uint8Array[]
  goodBytes: number
  rewrite: Uint8Array | null
}

function readLog(content: Uint8Array, key: Uint8Array): FoundLog {
  if (content.length > LOG_BYTES_MAX || !equalBytes(content.subarray(0, MAGIC.length), MAGIC))
    throw new XcareError('INTEGRITY', 'the vault is not one of this version')
  const id = content.slice(MAGIC.length, HEAD_BYTES)
  const entries: Uint8Array[] = []
  let at = HEAD_BYTES
  while (at < content.length) {
    const frame = readFrame(content.subarray(at), id, entries.length)
    if (!frame) return { id, entries, goodBytes: at, rewrite: content.slice(0, at) }
    entries.push(openFrame(key, id, entries.length, frame))
    at += FRAME_HEAD_BYTES + frame.length
  }
  return { id, entries, goodBytes: at, rewrite: null }
}

/**
 * @returns the sealed entry at the start of `rest`, or null when a crash cut it off: too short, or ending in the zeros of a file
 * that grew before its bytes arrived. @throws XcareError INTEGRITY when it was damaged in another way.
 */
function readFrame(rest: Uint8Array, id: Uint8Array, at: number): Uint8Array | null {
  if (rest.length < FRAME_HEAD_BYTES) return null
  const length = new DataView(rest.buffer, rest.byteOffset).getUint32(0)
  if (!equalBytes(frameHead(length, id, at), rest.subarray(0, FRAME_HEAD_BYTES))) {
    if (isZero(rest)) return null
    throw new XcareError('INTEGRITY', `entry ${at} of the vault is damaged`)
  }
  const end = FRAME_HEAD_BYTES + length
  const isLast = rest.length <= end
  if (rest.length < end || (isLast && isZero(rest.subarray(end - TAG_BYTES, end)))) return null
  return rest.subarray(FRAME_HEAD_BYTES, end)
}

function openFrame(key: Uint8Array, id: Uint8Array, at: number, sealed: Uint8Array): Uint8Array {
  try {
    return openSmall(key, sealed, frameAad(id, at))
  } catch (cause) {
    throw new XcareError('INTEGRITY', `entry ${at} of the vault was altered, or is not of this wallet`, {
      cause,
    })
  }
}

function sealFrame(
  key: Uint8Array,
  random: Random,
  id: Uint8Array,
  at: number,
  plain: Uint8Array,
): Uint8Array {
  const sealed = sealSmall(key, random.bytes(NONCE_BYTES), plain, frameAad(id, at))
  return concat(frameHead(sealed.length, id, at), sealed)
}

/** Length and a check of it: a damaged length must not pass for a cut-off end and swallow the entries behind it. */
function frameHead(length: number, id: Uint8Array, at: number): Uint8Array {
  const text = u32be(length)
  return concat(text, sha256(text, frameAad(id, at)).slice(0, FRAME_HEAD_BYTES - LENGTH_BYTES))
}

function frameAad(id: Uint8Array, at: number): Uint8Array {
  return concat(MAGIC, id, u64be(at))
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0)
}
