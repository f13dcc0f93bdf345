#!/usr/bin/env node
// Runs a program under the Node 24 that the project brings along, whatever Node started this file.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isInstalled, ROOT } from './place.mjs'

/** @returns {string} path of a Node of at least version 24. Exits with code 10 and a next step when there is none. */
export function findNode() {
  const pinned = pinnedNode()
  if (pinned) return pinned
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath
  process.stderr.write(
    isInstalled || existsSync(new URL('node_modules', ROOT))
      ? `error: no Node 24 for ${process.platform}-${process.arch} comes with this project, and this is Node ${process.versions.node}.\n  next: install Node 24 and run the command again.\n`
      : 'error: the packages are not installed yet.\n  next: npm install\n',
  )
  process.exit(10)
}

/** It lies where Node looks for any package: beside an installed one, too. */
function pinnedNode() {
  const name = join('node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node')
  for (let folder = fileURLToPath(ROOT); ; folder = dirname(folder)) {
    if (existsSync(join(folder, name))) return join(folder, name)
    if (folder === dirname(folder)) return null
  }
}

/** @returns {string} folder where Node keeps what it compiled. */
export function compileCache() {
  return process.env.NODE_COMPILE_CACHE ?? fileURLToPath(new URL('node_modules/.cache/compiled', ROOT))
}

/** Runs Node 24 with these arguments, hands it our terminal and signals, and ends with its exit code. */
export function runNode(args, env = {}) {
  const child = spawn(findNode(), args, {
    stdio: 'inherit',
    env: { ...process.env, NODE_COMPILE_CACHE: compileCache(), ...env },
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 1)
  })
}

if (process.argv[1] && fileURLToPath(import.meta.url) === process.argv[1]) runNode(process.argv.slice(2))
