import { Command } from 'commander'
import { addChainCommands } from './commands/chain.ts'
import { addDownCommand } from './commands/down.ts'
import { addGetCommand } from './commands/get.ts'
import { addGrantCommands } from './commands/grant.ts'
import { addLsCommand } from './commands/ls.ts'
import { addNoticesCommand } from './commands/notices.ts'
import { addPutCommand } from './commands/put.ts'
import { addRmCommand } from './commands/rm.ts'
import { addRoleCommands } from './commands/roles.ts'
import { addStatusCommand } from './commands/status.ts'
import { addUpCommand } from './commands/up.ts'
import { addWalletCommands } from './commands/wallet.ts'
import { failStart } from './invocation.ts'

const program = new Command('xcare')
  .description('Keeps medical records so that no single machine can read them, lose them or give them away.')
  .option('--dir <folder>', 'folder of the network or of the node', process.env.XCARE_DIR ?? '.xcare')
  .option('--json', 'one JSON event a line, the last one {"type":"result"}')
  .option('--as <wallet>', 'whose wallet to use', process.env.XCARE_WALLET ?? 'owner')
  .option('--passphrase-file <file>', 'file whose first line is the passphrase of the wallet')
  .showHelpAfterError('(see `npx xcare help`)')
  .configureOutput({ outputError: () => {} })
  .exitOverride()

for (const add of [
  addUpCommand,
  addDownCommand,
  addStatusCommand,
  addPutCommand,
  addGetCommand,
  addLsCommand,
  addRmCommand,
  addGrantCommands,
  addNoticesCommand,
  addWalletCommands,
  addRoleCommands,
  addChainCommands,
])
  add(program)

// A reader that goes away (`xcare ls | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
})

try {
  await program.parseAsync()
} catch (error) {
  failStart(error, process.argv)
}
