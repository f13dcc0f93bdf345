// Loads every file of the program under the flags this process runs with, so that Node keeps what it made of
// them.
import { flushCompileCache } from 'node:module'
import { pathToFileURL } from 'node:url'
import { CODE, CODE_KIND, filesOf, PROGRAM } from './place.mjs'

const program = pathToFileURL(PROGRAM).href

for (const name of filesOf(CODE, CODE_KIND)) {
  const file = new URL(name, CODE).href
  if (file === program || name.endsWith(`.browser${CODE_KIND}`)) continue
  // The entry of a thread refuses to run as a program; it is compiled by then.
  await import(file).catch(() => {})
}
// The program itself does what its arguments say: the help has no consequences.
process.argv = [process.argv[0], PROGRAM, 'help']
await import(program)
flushCompileCache()
process.exit(0)
