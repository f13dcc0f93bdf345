#!/usr/bin/env node
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { compileFirst } from './compiled.mjs'
import { findNode, runNode } from './node24.mjs'
import { isInstalled, isWhole, PROGRAM, ROOT, SOURCES } from './place.mjs'

// Two sets of flags of Node, measured in docs/adr/0096 and 0106.
// A client passes records on in large buffers: a small nursery lets go of them early, and two whole collections are not 8 MB apart.
// A part of a network shares its cores with others: helper threads cost more than they save, and little of its code pays for compiling well.
const FLAGS = JSON.parse(readFileSync(new URL('sdk/roles/runtime-flags.json', SOURCES), 'utf8'))

// Threads that pass large buffers on free them in each other's pools: with two pools a light node that goes on holds 20 MiB less.
const POOLS = { MALLOC_ARENA_MAX: '2' }

const words = process.argv.slice(2)
const isPart = /^(anchor|node|guardian) run\b/.test(words.join(' '))
const startsParts = words.some((word) => word === 'up' || word === 'bench')

if (isInstalled && !isWhole()) completePackage()

await compileFirst(
  startsParts ? [FLAGS.client, FLAGS.role] : isPart ? [FLAGS.role] : [],
  () => process.stderr.isTTY && process.stderr.write('Compiling the program, once.\n'),
)
runNode(
  [...(isPart ? FLAGS.role : FLAGS.client), PROGRAM, ...words],
  process.env.MALLOC_ARENA_MAX ? {} : POOLS,
)

/** A package that was packed without its JavaScript makes it when it is first started. */
function completePackage() {
  const build = fileURLToPath(new URL('bin/build-dist.mjs', ROOT))
  spawnSync(findNode(), ['--disable-warning=ExperimentalWarning', build], { stdio: 'ignore' })
  if (isWhole()) return
  process.stderr.write(
    `error: the package in ${fileURLToPath(ROOT)} has no JavaScript, and it cannot be made there.\n  next: run this once as a user who may write to that folder, or pack it with \`npm run package\`\n`,
  )
  process.exit(10)
}
