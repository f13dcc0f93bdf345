#!/usr/bin/env node
import { fileURLToPath } from 'node:url'
import { runNode } from './node24.mjs'

// Records pass through in large buffers: a small nursery lets go of them early, which keeps a put or get of any size below 300 MiB.
// Room to grow between two whole collections, which network buffers would else bring about every 8 MB: docs/adr/0096.
const MEMORY = ['--max-semi-space-size=1', '--heap-growing-percent=100']

// Threads that pass large buffers on free them in each other's pools: with two pools a light node that goes on holds 20 MiB less.
const POOLS = { MALLOC_ARENA_MAX: '2' }

const program = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))
runNode([...MEMORY, program, ...process.argv.slice(2)], process.env.MALLOC_ARENA_MAX ? {} : POOLS)
