// Where the program is: TypeScript in a checkout, which Node runs as it is; JavaScript inside node_modules,
// where Node refuses that.
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Folder of the project or of the installed package. */
export const ROOT = new URL('../', import.meta.url)
/** Whether this is an installed package. */
export const isInstalled = /[\\/]node_modules[\\/]/.test(fileURLToPath(ROOT))
/** Folder of the sources. */
export const SOURCES = new URL('src/', ROOT)
/** Folder and kind of the files that run. */
export const CODE = isInstalled ? new URL('dist/', ROOT) : SOURCES
export const CODE_KIND = isInstalled ? '.js' : '.ts'
/** The program, for a command line. */
export const PROGRAM = fileURLToPath(new URL(`cli/main${CODE_KIND}`, CODE))

/** @returns {string[]} paths of all files of that kind below `folder`, with forward slashes. */
export function filesOf(folder, kind) {
  return readdirSync(fileURLToPath(folder), { recursive: true })
    .filter((name) => name.endsWith(kind) && !name.endsWith('.d.ts'))
    .map((name) => name.replaceAll('\\', '/'))
}

/** @returns {boolean} whether what runs is there: a package that was packed without has its sources only. */
export function isWhole() {
  return existsSync(PROGRAM)
}
