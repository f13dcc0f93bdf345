import type { Shelf, ShelfFile } from '../../src/light-node/unfinished/shelf.ts'

/** A shelf in memory. `crash` ends whoever uses a file of it. */
export class MemoryShelf implements Shelf {
  readonly files = new Map<string, Uint8Array>()
  readonly #used = new Set<string>()
  #next = 0

  async list(): Promise<string[]> {
    return [...this.files.keys()].sort()
  }

  async take(name: string): Promise<ShelfFile | null> {
    return this.#used.has(name) || !this.files.has(name) ? null : this.#taken(name)
  }

  async begin(): Promise<ShelfFile> {
    return this.#taken(`put-${this.#next++}`)
  }

  crash(): void {
    this.#used.clear()
  }

  #taken(name: string): ShelfFile {
    this.#used.add(name)
    const leave = () => void this.#used.delete(name)
    return {
      name,
      read: async () => this.files.get(name)?.slice() ?? null,
      write: async (content) => void this.files.set(name, content.slice()),
      remove: async () => {
        this.files.delete(name)
        leave()
      },
      leave,
    }
  }
}
