import { Command } from 'commander'
import { addRoleCommands, ROLE_KINDS } from './commands/roles.ts'
import { failStart } from './invocation.ts'

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
else (await import('./commands.ts')).addCommands(program)

// A reader that goes away (`xcare ls | head`) is no error; a part of a network goes on without its log.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE' && !isRole) process.exit(0)
})

try {
  await program.parseAsync()
} catch (error) {
  failStart(error, process.argv)
}
