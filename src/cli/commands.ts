import type { Command } from 'commander'
import { addBenchCommand } from './commands/bench.ts'
import { addChainCommands, addLightCommands } from './commands/chain.ts'
import { addDownCommand } from './commands/down.ts'
import { addGetCommand } from './commands/get.ts'
import { addLsCommand } from './commands/ls.ts'
import { addNodeCommands } from './commands/node.ts'
import { addNoticesCommand } from './commands/notices.ts'
import { addPutCommand } from './commands/put.ts'
import { addRepairCommand } from './commands/repair.ts'
import { addRmCommand } from './commands/rm.ts'
import { addRoleCommands } from './commands/roles.ts'
import { addStatusCommand } from './commands/status.ts'
import { addUpCommand } from './commands/up.ts'
import { addWalletCommands } from './commands/wallet.ts'
import { addContactCommands } from './permissions/contact.ts'
import { addGrantCommands } from './permissions/grant.ts'
import { addGrantsCommand } from './permissions/grants.ts'

/** Adds every command to `program`, in the order help lists them. */
export function addCommands(program: Command): void {
  addUpCommand(program)
  addDownCommand(program)
  addStatusCommand(program)
  addPutCommand(program)
  addGetCommand(program)
  addLsCommand(program)
  addRmCommand(program)
  addRepairCommand(program)
  addGrantCommands(program)
  addGrantsCommand(program)
  addContactCommands(program)
  addNoticesCommand(program)
  addWalletCommands(program)
  addNodeCommands(addRoleCommands(program).node)
  addChainCommands(program)
  addLightCommands(program)
  addBenchCommand(program)
}
