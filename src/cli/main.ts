import { failStart, requireCommand } from './invocation.ts'
import { xcareProgram } from './program.ts'

const words = process.argv.slice(2)
try {
  const program = await xcareProgram(words)
  requireCommand(program, words)
  await program.parseAsync()
} catch (error) {
  failStart(error, words)
}
