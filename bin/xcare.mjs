#!/usr/bin/env node
import { fileURLToPath } from 'node:url'
import { runNode } from './node24.mjs'

// Records pass through in large buffers: a small nursery lets go of them early and keeps the process small.
const SMALL_NURSERY = '--max-semi-space-size=2'

runNode([
  SMALL_NURSERY,
  fileURLToPath(new URL('../src/cli/main.ts', import.meta.url)),
  ...process.argv.slice(2),
])
