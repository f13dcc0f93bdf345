import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compileCache, findNode } from './node24.mjs'

/** Folder of the sources. */
export const SOURCES = new URL('../src/', import.meta.url)

const COMPILE = fileURLToPath(new URL('./_compile.mjs', import.meta.url))
/** Packages were installed, and Node with them, when this file was written. */
const INSTALLED = new URL('../node_modules/.package-lock.json', import.meta.url)
/** Then it starts uncompiled, as it would without this. */
const COMPILE_MS_MAX = 60_000

/** @returns {string[]} paths of all source files below SOURCES, with forward slashes. */
export function sourceFiles() {
  return readdirSync(fileURLToPath(SOURCES), { recursive: true })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => name.replaceAll('\\', '/'))
}

/**
 * Compiles the sources for each set of flags that has not seen them as they are now. A process that finds a file uncompiled loads a compiler for it,
 * which it never gives back, and the parts of a network would all do so at the same time. Reasons and figures: docs/adr/0111.
 * @param {string[][]} flagSets what the processes to come are started with: Node keeps what it compiled by flags.
 * @param {() => void} onBegin called when there is something to do: it takes a second or more.
 */
export async function compileFirst(flagSets, onBegin) {
  const cache = compileCache()
  if (!cache || process.env.NODE_DISABLE_COMPILE_CACHE) return
  const state = stateOfSources()
  const cold = flagSets.filter((flags) => takeOver(cache, flags, state))
  if (cold.length === 0) return
  onBegin()
  await Promise.all(cold.map((flags) => compile(cache, flags)))
}

/** Marks these flags as done before anything is: of two programs that start together one compiles, and where no mark can be kept nobody does so each time anew. */
function takeOver(cache, flags, state) {
  const mark = join(cache, `sources-${nameOf(flags)}`)
  try {
    if (readFileSync(mark, 'utf8') === state) return false
  } catch {}
  try {
    mkdirSync(cache, { recursive: true })
    writeFileSync(mark, state)
    return true
  } catch {
    return false
  }
}

/** Of one copy of the project: Node keeps what it compiled by path, too. */
function nameOf(flags) {
  return createHash('sha256')
    .update(JSON.stringify([SOURCES.href, findNode(), flags]))
    .digest('hex')
    .slice(0, 16)
}

/** @returns {string} another one when a source file or an installed package has changed. */
function stateOfSources() {
  const times = [INSTALLED, ...sourceFiles().map((name) => new URL(name, SOURCES))].map(
    (file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0,
  )
  return `${times.length} files, newest ${Math.max(...times)}`
}

function compile(cache, flags) {
  return new Promise((resolve) => {
    const child = spawn(findNode(), [...flags, COMPILE], {
      stdio: 'ignore',
      env: { ...process.env, NODE_COMPILE_CACHE: cache },
      timeout: COMPILE_MS_MAX,
    })
    child.on('error', resolve)
    child.on('exit', resolve)
  })
}
