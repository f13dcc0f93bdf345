import { failStart, requireCommand } from './invocation.ts'
import { xcareProgram } from './program.ts'

// Whatever a library creates beside our own files is nobody else's to read either.
process.umask(0o077)

const words = process.argv.slice(2)
try {
  const program = await xcareProgram(words)
  requireCommand(program, words)
  await program.parseAsync()
} catch (error) {
  failStart(error, words)
}
