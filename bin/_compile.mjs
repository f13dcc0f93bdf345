// Loads every source file under the flags this process runs with, so that Node keeps what it made of them.
import { flushCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'
import { SOURCES, sourceFiles } from './compiled.mjs'

const PROGRAM = 'cli/main.ts'

for (const name of sourceFiles()) {
  if (name === PROGRAM || name.endsWith('.browser.ts')) continue
  // The entry of a thread refuses to run as a program; it is compiled by then.
  await import(new URL(name, SOURCES)).catch(() => {})
}
// The program itself does what its arguments say: the help has no consequences.
process.argv = [process.argv[0], fileURLToPath(new URL(PROGRAM, SOURCES)), 'help']
await import(new URL(PROGRAM, SOURCES))
flushCompileCache()
process.exit(0)
