#!/usr/bin/env node
import { fileURLToPath } from 'node:url'
import { runNode } from './node24.mjs'

runNode([fileURLToPath(new URL('../src/cli/main.ts', import.meta.url)), ...process.argv.slice(2)])
