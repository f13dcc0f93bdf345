import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { addRoleCommands, ROLE_KINDS } from './commands/roles.ts'

/**
 * @param words what was typed. Parts of a network start by the dozen: for them no other command is loaded.
 * @returns the program with its commands. Errors are thrown, not written.
 */
export async function xcareProgram(words: string[]): Promise<Command> {
  const program = new Command('xcare')
    .description(
      'Keeps medical records so that no single machine can read them, lose them or give them away.',
    )
    .option('--dir <folder>', 'folder of the network or of the node', process.env.XCARE_DIR ?? '.xcare')
    .option('--json', 'one JSON event a line, the last one {"type":"result"}')
    .option('--as <wallet>', 'whose wallet to use', process.env.XCARE_WALLET ?? 'owner')
    .option('--passphrase-file <file>', 'file whose first line is the passphrase of the wallet')
    .configureOutput({ outputError: () => {} })
    .exitOverride()
  if (ROLE_KINDS.some((kind) => words[0] === kind) && words[1] === 'run') {
    addRoleCommands(program)
    return program
  }
  program.version(version(), '--version', 'which version this is')
  const { addCommands } = await import('./commands.ts')
  addCommands(program)
  return program
}

function version(): string {
  return String(JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version)
}
