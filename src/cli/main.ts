import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { addRoleCommands, ROLE_KINDS } from './commands/roles.ts'
import { failStart, requireCommand } from './invocation.ts'

const program = new Command('xcare')
  .description('Keeps medical records so that no single machine can read them, lose them or give them away.')
  .option('--dir <folder>', 'folder of the network or of the node', process.env.XCARE_DIR ?? '.xcare')
  .option('--json', 'one JSON event a line, the last one {"type":"result"}')
  .option('--as <wallet>', 'whose wallet to use', process.env.XCARE_WALLET ?? 'owner')
  .option('--passphrase-file <file>', 'file whose first line is the passphrase of the wallet')
  .configureOutput({ outputError: () => {} })
  .exitOverride()

// Parts of a network start by the dozen: they load no other command.
const isRole = ROLE_KINDS.some((kind) => process.argv[2] === kind) && process.argv[3] === 'run'
if (isRole) addRoleCommands(program)
else {
  program.version(versionOf(), '--version', 'which version this is')
  ;(await import('./commands.ts')).addCommands(program)
}

try {
  requireCommand(program, process.argv.slice(2))
  await program.parseAsync()
} catch (error) {
  failStart(error, process.argv)
}

function versionOf(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return String(version)
}
