#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { compileFirst } from './compiled.mjs'
import { runNode } from './node24.mjs'

// Two sets of flags of Node, measured in docs/adr/0096 and 0106.
// A client passes records on in large buffers: a small nursery lets go of them early, and two whole collections are not 8 MB apart.
// A part of a network shares its cores with others: helper threads cost more than they save, and little of its code pays for compiling well.
const FLAGS = JSON.parse(
  readFileSync(new URL('../src/sdk/roles/runtime-flags.json', import.meta.url), 'utf8'),
)

// Threads that pass large buffers on free them in each other's pools: with two pools a light node that goes on holds 20 MiB less.
const POOLS = { MALLOC_ARENA_MAX: '2' }

const words = process.argv.slice(2)
const isPart = /^(anchor|node|guardian) run\b/.test(words.join(' '))
const startsParts = words.some((word) => word === 'up' || word === 'bench')
const program = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))

await compileFirst(
  startsParts ? [FLAGS.client, FLAGS.role] : isPart ? [FLAGS.role] : [],
  () => process.stderr.isTTY && process.stderr.write('Compiling the program, once.\n'),
)
runNode(
  [...(isPart ? FLAGS.role : FLAGS.client), program, ...words],
  process.env.MALLOC_ARENA_MAX ? {} : POOLS,
)
