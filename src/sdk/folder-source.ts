import { type Dirent, readdir } from 'node:fs'
import { promisify } from 'node:util'
import { type LocalPath, shown } from './file-source.ts'

const entriesOf = promisify(readdir)

/** A file below a folder. */
export interface FoundFile {
  path: LocalPath
  /** Its path below the folder, with `/`; what is no text shows as such. */
  name: string
}

/** What lies below a folder. */
export interface FoundFiles {
  /** Sorted by name. */
  files: FoundFile[]
  /** What is there and no file, with the reason why it is left out. */
  leftOut: { path: string; reason: string }[]
}

/**
 * @returns all files below `folder`. Links are not followed: they may lead out of it, or round in circles.
 * Never fails.
 */
export async function filesBelow(folder: LocalPath): Promise<FoundFiles> {
  const found: FoundFiles = { files: [], leftOut: [] }
  const waiting: FoundFile[] = [{ path: folder, name: '' }]
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { path, name } = next
    const entries = await entriesOf(path, { withFileTypes: true, encoding: 'buffer' }).catch(() => null)
    if (!entries) found.leftOut.push({ path: shown(path), reason: 'the folder cannot be read' })
    for (const entry of entries ?? []) {
      const inner = { path: pathIn(path, entry.name), name: `${name}${name ? '/' : ''}${entry.name}` }
      if (entry.isDirectory()) waiting.push(inner)
      else if (entry.isFile()) found.files.push(inner)
      else found.leftOut.push({ path: shown(inner.path), reason: reasonOf(entry) })
    }
  }
  found.files.sort((a, b) => (a.name < b.name ? -1 : 1))
  return found
}

/** Text where it is text, so that errors can show it. */
function pathIn(folder: LocalPath, name: Buffer): LocalPath {
  const path = Buffer.concat([Buffer.from(folder), Buffer.from('/'), name])
  const text = path.toString()
  return Buffer.from(text).equals(path) ? text : path
}

function reasonOf(entry: Dirent<Buffer>): string {
  return entry.isSymbolicLink() ? 'it is a link; name it to store what it points to' : 'it is not a file'
}
