import type { Command } from 'commander'
import { runRole, type StartedRole } from '../../sdk/roles/role.ts'
import { action, type Invocation } from '../invocation.ts'

/** Kinds of long-running parts; the first word of their commands. */
export const ROLE_KINDS = ['node', 'guardian', 'anchor'] as const

type RoleKind = (typeof ROLE_KINDS)[number]

const WHAT: Record<RoleKind, string> = {
  node: 'contribute disk: a storage node',
  guardian: 'hold key shares: a guardian',
  anchor: 'the anchoring chain of a local network',
}

/** Each part loads its own code only: seventeen of them start together. */
const START: Record<RoleKind, (dir: string) => Promise<StartedRole>> = {
  node: async (dir) => (await import('../../sdk/roles/start-node.ts')).startNodeRole(dir),
  guardian: async (dir) => (await import('../../sdk/roles/start-guardian.ts')).startGuardianRole(dir),
  anchor: async (dir) => (await import('../../sdk/roles/start-anchor.ts')).startAnchorRole(dir),
}

/**
 * Adds `node run`, `guardian run` and `anchor run`: one part of a network as this process, its folder given with --dir.
 * @returns the commands by kind, for more to be added.
 */
export function addRoleCommands(program: Command): Record<RoleKind, Command> {
  const commands = {} as Record<RoleKind, Command>
  for (const kind of ROLE_KINDS) {
    commands[kind] = program.command(kind).description(WHAT[kind])
    commands[kind]
      .command('run')
      .description(`run the ${kind} of the folder given with --dir until it is told to stop`)
      .action(
        action(async (invocation: Invocation) => {
          invocation.atInterrupt = null
          await runRole(invocation.dir, () => START[kind](invocation.dir))
          return null
        }),
      )
  }
  return commands
}
