import { concat, equalBytes, toHex, u32be, utf8 } from '../../bytes.ts'
import { sha256 } from '../../crypto/hash.ts'
import { XcareError } from '../../errors.ts'
import type { Folder } from '../../ports.ts'
import { decodeHeader, decodeLightBlock } from '../comet/decode.ts'
import { encodeHeader, encodeLightBlock } from '../comet/encode.ts'
import type { Header, LightBlock } from '../comet/types.ts'
import type { Fork } from './detector.ts'

const BLOCK_FILE = 'light-block'
const LOG_FILE = 'headers.log'
const HASH_BYTES = 32
const TAG_BYTES = 8
const LENGTH_BYTES = 2
const CHECK_BYTES = 4
const DAY_SECONDS = 86_400

/**
 * What a light client keeps of one chain: the newest verified light block and one header a day. The trust
 * root it began from does not matter: what was verified once is not forgotten because somebody names another
 * root. Files that are torn or damaged read as absent; the block of another chain stays beside. Spec:
 * docs/spec/light-client.md.
 */
export class LightStore {
  readonly #folder: Folder
  readonly #chainId: string | null
  readonly #trustHash: Uint8Array
  #file = BLOCK_FILE
  #lastDay = -1

  /**
   * @param chainId null for whatever chain is kept.
   * @param trustHash 32-byte hash of the trust root, kept as a note.
   */
  constructor(folder: Folder, chainId: string | null, trustHash: Uint8Array = new Uint8Array(HASH_BYTES)) {
    this.#folder = folder
    this.#chainId = chainId
    this.#trustHash = trustHash
  }

  /** @returns the newest light block that was kept, or null. Its signatures are to be checked again. */
  async load(): Promise<LightBlock | null> {
    const last = (await this.dailyHeaders()).at(-1)
    this.#lastDay = last ? dayOf(last) : -1
    const found = await this.#read(BLOCK_FILE)
    const chainId = this.#chainId
    if (!found || chainId === null || found.header.chainId === chainId) return found
    this.#file = `${BLOCK_FILE}-${toHex(sha256(utf8(chainId)).slice(0, TAG_BYTES))}`
    return this.#read(this.#file)
  }

  async #read(file: string): Promise<LightBlock | null> {
    const content = await this.#folder.read(file)
    if (!content || content.length < 2 * HASH_BYTES) return null
    const body = content.subarray(HASH_BYTES)
    if (!equalBytes(sha256(body), content.subarray(0, HASH_BYTES))) return null
    return ignoreMalformed(() => decodeLightBlock(body.slice(HASH_BYTES)))
  }

  /** Keeps `block` as the newest one, and its header when it is the first of its UTC day. */
  async save(block: LightBlock): Promise<void> {
    const body = concat(this.#trustHash, encodeLightBlock(block))
    await this.#folder.replace(this.#file, concat(sha256(body), body))
    if (dayOf(block.header) <= this.#lastDay) return
    await this.#folder.append(LOG_FILE, frame(block.header))
    this.#lastDay = dayOf(block.header)
  }

  /**
   * @returns the headers of this chain in the log, one a day, oldest first. A torn or damaged tail is cut off
   * the file.
   */
  async dailyHeaders(): Promise<Header[]> {
    const content = await this.#folder.read(LOG_FILE)
    if (!content) return []
    const { headers, end } = readLog(content)
    if (end < content.length) await this.#folder.replace(LOG_FILE, content.slice(0, end))
    return headers.filter(({ chainId }) => this.#chainId === null || chainId === this.#chainId)
  }

  /**
   * Takes `block` for the newest, whatever was known before: a person said so, knowing what that costs. Days
   * from it on are told anew.
   * @returns what was known before.
   */
  async trust(block: LightBlock): Promise<LightBlock | null> {
    const before = await this.load()
    const headers = (await this.dailyHeaders()).filter(({ height }) => height < block.header.height)
    await this.#folder.replace(LOG_FILE, concat(...headers.map(frame)))
    this.#lastDay = headers.length > 0 ? dayOf(headers.at(-1)!) : -1
    await this.save(block)
    return before
  }

  /** Keeps the evidence of a fork for people to hand on: three light blocks, each behind its 4-byte length. */
  async saveFork({ common, primary, witness }: Fork): Promise<void> {
    const blocks = [common, primary, witness].map(encodeLightBlock)
    const parts = blocks.flatMap((block) => [u32be(block.length), block])
    await this.#folder.replace(`fork-${primary.header.height}`, concat(...parts))
  }
}

function frame(header: Header): Uint8Array {
  const encoded = encodeHeader(header)
  return concat(Uint8Array.of(encoded.length >> 8, encoded.length & 0xff), encoded, checkOf(encoded))
}

function readLog(content: Uint8Array): { headers: Header[]; end: number } {
  const headers: Header[] = []
  let end = 0
  while (end + LENGTH_BYTES <= content.length) {
    const from = end + LENGTH_BYTES
    const to = from + content[end]! * 256 + content[end + 1]!
    const encoded = content.slice(from, to)
    if (
      to + CHECK_BYTES > content.length ||
      !equalBytes(checkOf(encoded), content.subarray(to, to + CHECK_BYTES))
    )
      break
    const header = ignoreMalformed(() => decodeHeader(encoded))
    if (!header) break
    headers.push(header)
    end = to + CHECK_BYTES
  }
  return { headers, end }
}

function checkOf(encoded: Uint8Array): Uint8Array {
  return sha256(encoded).slice(0, CHECK_BYTES)
}

function dayOf(header: Header): number {
  return Math.floor(header.time.seconds / DAY_SECONDS)
}

function ignoreMalformed<T>(read: () => T): T | null {
  try {
    return read()
  } catch (error) {
    if (error instanceof XcareError && error.code === 'MALFORMED') return null
    throw error
  }
}
