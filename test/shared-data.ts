import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** @returns the absolute path of `path` inside the shared data folder, or null when that folder is not there. */
export function shared(path: string): string | null {
  const root = process.env.XCARE_SHARED ?? resolve(import.meta.dirname, '../../shared')
  const full = join(root, path)
  return existsSync(full) ? full : null
}
