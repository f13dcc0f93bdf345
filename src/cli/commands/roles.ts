import type { Command } from 'commander'
import { runRole } from '../../sdk/role.ts'
import { startAnchorRole, startGuardianRole, startNodeRole } from '../../sdk/start-role.ts'
import { action, type Invocation } from '../invocation.ts'

/** Adds `node run`, `guardian run` and `anchor run`: one part of a network as this process, its folder given with --dir. */
export function addRoleCommands(program: Command): void {
  const parts = [
    { kind: 'node', what: 'contribute disk: a storage node', start: startNodeRole },
    { kind: 'guardian', what: 'hold key shares: a guardian', start: startGuardianRole },
    { kind: 'anchor', what: 'the anchoring chain of a local network', start: startAnchorRole },
  ]
  for (const { kind, what, start } of parts)
    program
      .command(kind)
      .description(what)
      .command('run')
      .description(`run the ${kind} of the folder given with --dir until it is told to stop`)
      .action(
        action(async (invocation: Invocation) => {
          invocation.atInterrupt = null
          await runRole(invocation.dir, () => start(invocation.dir))
          return null
        }),
      )
}
