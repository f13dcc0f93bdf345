import { concat } from '../bytes.ts'
import { asXcareError } from '../errors.ts'
import type { Folder } from '../ports.ts'

/**
 * A folder for what is better kept but not needed: where it cannot be written, it goes on in memory, so that
 * a wallet on a disk that is read-only still reads records.
 * @param tell called at the first write that did not reach the disk.
 */
export async function forgivingFolder(open: () => Promise<Folder>, tell: () => void): Promise<Folder> {
  const disk = await open().catch(() => null)
  const memory = new Map<string, Uint8Array | null>()
  let told = false
  const orElse = async (write: Promise<void> | undefined, remember: () => Promise<void> | void) => {
    try {
      if (write) return await write
    } catch (error) {
      // A full disk is another matter than one that may not be written.
      if (asXcareError(error).code === 'NO_SPACE') throw error
    }
    if (!told) tell()
    told = true
    await remember()
  }
  const read = async (name: string) =>
    memory.has(name) ? memory.get(name)! : ((await disk?.read(name)) ?? null)
  return {
    read,
    replace: (name, content) =>
      orElse(
        memory.has(name) ? undefined : disk?.replace(name, content),
        () => void memory.set(name, content),
      ),
    append: (name, content) =>
      orElse(memory.has(name) ? undefined : disk?.append(name, content), async () => {
        memory.set(name, concat((await read(name)) ?? new Uint8Array(0), content))
      }),
    remove: (name) => orElse(disk?.remove(name), () => void memory.set(name, null)),
    list: async () => {
      const names = new Set((await disk?.list().catch(() => [])) ?? [])
      for (const [name, content] of memory) content ? names.add(name) : names.delete(name)
      return [...names].sort()
    },
  }
}
