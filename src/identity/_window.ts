import type { Folder } from '../ports.ts'

const STEP_BYTES = 1024 * 1024

/** A file seen piece by piece, so that a large one is never in memory as a whole. */
export class Window {
  readonly #folder: Folder
  readonly #name: string
  #from = 0
  #bytes: Uint8Array = new Uint8Array(0)
  #whole: Uint8Array | null = null

  constructor(folder: Folder, name: string) {
    this.#folder = folder
    this.#name = name
  }

  /** @returns `length` bytes from `offset` on, fewer where the file ends. Valid until the next call. */
  async at(offset: number, length: number): Promise<Uint8Array> {
    const start = offset - this.#from
    if (start >= 0 && start + length <= this.#bytes.length) return this.#bytes.subarray(start, start + length)
    this.#from = offset
    this.#bytes = await this.#read(offset, Math.max(length, STEP_BYTES))
    return this.#bytes.subarray(0, length)
  }

  /**
   * @returns as many bytes from `offset` on as are at hand or one step brings; none at the end of the file.
   */
  async some(offset: number): Promise<Uint8Array> {
    const start = offset - this.#from
    if (start >= 0 && start < this.#bytes.length) return this.#bytes.subarray(start)
    return this.at(offset, STEP_BYTES)
  }

  async #read(offset: number, length: number): Promise<Uint8Array> {
    if (this.#folder.readFrom)
      return (await this.#folder.readFrom(this.#name, offset, length)) ?? new Uint8Array(0)
    this.#whole ??= (await this.#folder.read(this.#name)) ?? new Uint8Array(0)
    return this.#whole.subarray(offset, offset + length)
  }
}
