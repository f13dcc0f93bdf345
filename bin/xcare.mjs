#!/usr/bin/env node
import { fileURLToPath } from 'node:url'
import { runNode } from './node24.mjs'

// Records pass through in large buffers: a small nursery lets go of them early and keeps the process small; helper threads
// of the collector cost more than they save where a dozen processes share two cores.
const MEMORY = ['--max-semi-space-size=2', '--single-threaded-gc']

const program = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))
runNode([...MEMORY, program, ...process.argv.slice(2)])
