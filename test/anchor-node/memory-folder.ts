import { concat } from '../../src/bytes.ts'
import type { Folder } from '../../src/ports.ts'

/** A folder that lives in memory. */
export class MemoryFolder implements Folder {
  readonly files = new Map<string, Uint8Array>()

  async read(name: string): Promise<Uint8Array | null> {
    return this.files.get(name) ?? null
  }

  async replace(name: string, content: Uint8Array): Promise<void> {
    this.files.set(name, content)
  }

  async append(name: string, content: Uint8Array): Promise<void> {
    this.files.set(name, concat(this.files.get(name) ?? new Uint8Array(0), content))
  }

  async remove(name: string): Promise<void> {
    this.files.delete(name)
  }

  async list(): Promise<string[]> {
    return [...this.files.keys()].sort()
  }
}
