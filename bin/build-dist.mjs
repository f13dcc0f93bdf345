#!/usr/bin/env node
// Makes dist/ of src/: the same program as JavaScript, which Node runs also inside node_modules, and with
// --types its type declarations. `npm run package` does both before it packs; a package that was packed
// without is completed by its first start (bin/dist.mjs).
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { filesOf, isWhole, SOURCES } from './place.mjs'

const root = fileURLToPath(new URL('../', import.meta.url))
const target = join(root, 'dist')
const fresh = join(root, `.dist-${process.pid}.part`)

/** What package.json exports; whatever it uses gets its declarations as well. */
const OFFERED = ['sdk/*.ts', 'light-node/**/*.ts']

/** Names of files of the project, in imports and where threads and processes are started. */
const OWN_FILE = /((?:from|import)\s*\(?\s*|new URL\(\s*)(['"])(\.{1,2}\/[^'"\n]+)\.ts\2/g
const asJs = (code) => code.replace(OWN_FILE, '$1$2$3.js$2')

function write(name, content) {
  const path = join(fresh, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
}

function programs() {
  for (const name of filesOf(SOURCES, '.ts')) {
    const code = readFileSync(new URL(name, SOURCES), 'utf8')
    write(name.replace(/\.ts$/, '.js'), asJs(stripTypeScriptTypes(code)))
  }
  const flags = 'sdk/roles/runtime-flags.json'
  write(flags, readFileSync(new URL(flags, SOURCES)))
  // The nearest package.json says what the names with # mean.
  const { imports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const built = JSON.stringify({ type: 'module', imports }, null, 2)
  write('package.json', built.replaceAll('./src/', './').replaceAll('.ts"', '.js"'))
}

/** The compiler writes declarations that name the sources; they are to name what is beside them. */
function types() {
  const config = join(fresh, 'tsconfig.json')
  const compilerOptions = {
    ...{
      noEmit: false,
      declaration: true,
      emitDeclarationOnly: true,
      rootDir: join(root, 'src'),
      outDir: fresh,
    },
    ...{ typeRoots: [join(root, 'node_modules/@types')], customConditions: [] },
  }
  const include = OFFERED.map((name) => join(root, 'src', name))
  const whole = { extends: join(root, 'tsconfig.json'), include, compilerOptions }
  writeFileSync(config, JSON.stringify(whole))
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const { status } = spawnSync(process.execPath, [compiler, '-p', config], { stdio: 'inherit' })
  if (status !== 0) process.exit(1)
  rmSync(config)
  for (const name of readdirSync(fresh, { recursive: true }).filter((name) => name.endsWith('.d.ts')))
    write(name, asJs(readFileSync(join(fresh, name), 'utf8')))
}

try {
  rmSync(fresh, { recursive: true, force: true })
  programs()
  if (process.argv.includes('--types')) types()
  rmSync(target, { recursive: true, force: true })
  renameSync(fresh, target)
} catch (error) {
  // Another first start may have been faster.
  if (!isWhole()) throw error
} finally {
  rmSync(fresh, { recursive: true, force: true })
}
