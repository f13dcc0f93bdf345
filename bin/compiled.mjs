import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { accessSync, constants, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compileCache, findNode } from './node24.mjs'
import { CODE, CODE_KIND, filesOf } from './place.mjs'

const COMPILE = fileURLToPath(new URL('./_compile.mjs', import.meta.url))
/** Packages were installed, and Node with them, when this file was written. */
const INSTALLED = new URL('../node_modules/.package-lock.json', import.meta.url)
/** Then it starts uncompiled, as it would without this. */
const COMPILE_MS_MAX = 60_000
const ENDINGS = ['SIGINT', 'SIGTERM', 'SIGHUP']

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
  const cold = flagSets.filter((flags) => contentOf(markOf(cache, flags)) !== state)
  if (cold.length === 0 || !canKeep(cache)) return
  onBegin()
  await Promise.all(cold.map((flags) => compile(cache, flags)))
  // However it ended, but not when it was interrupted: what fails or takes too long once would do so at each start.
  for (const flags of cold) keep(markOf(cache, flags), state)
}

function contentOf(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}

/** Where nothing can be kept, nobody compiles each time anew. */
function canKeep(folder) {
  try {
    mkdirSync(folder, { recursive: true })
    accessSync(folder, constants.W_OK)
    return true
  } catch {
    return false
  }
}

function keep(file, content) {
  try {
    writeFileSync(file, content)
  } catch {
    // Then the next start compiles again.
  }
}

/** A file that says which sources were compiled, of this copy of the project: Node keeps what it compiled by path, too. */
function markOf(cache, flags) {
  const name = createHash('sha256').update(JSON.stringify([CODE.href, findNode(), flags]))
  return join(cache, `sources-${name.digest('hex').slice(0, 16)}`)
}

/** @returns {string} another one when a source file or an installed package has changed. */
function stateOfSources() {
  const times = [INSTALLED, ...filesOf(CODE, CODE_KIND).map((name) => new URL(name, CODE))].map(
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
    const interrupt = (signal) => {
      child.kill(signal)
      process.exit(130)
    }
    // Whoever is told to end meanwhile leaves no compiler behind.
    for (const signal of ENDINGS) process.once(signal, interrupt)
    const done = () => {
      for (const signal of ENDINGS) process.off(signal, interrupt)
      resolve()
    }
    child.on('error', done)
    child.on('exit', done)
  })
}
