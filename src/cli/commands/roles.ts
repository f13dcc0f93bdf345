import type { Command } from 'commander'
import type { Progress } from '../../ports.ts'
import { openPartLog } from '../../sdk/roles/part-log.ts'
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

type Start = (dir: string, log: Progress, takesOver: boolean) => Promise<StartedRole>

/** Each part loads its own code only: seventeen of them start together. */
const START: Record<RoleKind, Start> = {
  node: async (...given) => (await import('../../sdk/roles/start-node.ts')).startNodeRole(...given),
  guardian: async (...given) =>
    (await import('../../sdk/roles/start-guardian.ts')).startGuardianRole(...given),
  anchor: async (...given) => (await import('../../sdk/roles/start-anchor.ts')).startAnchorRole(...given),
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
      .option('--take-over', 'also when its identity lives elsewhere, which is then no longer found')
      .action(
        action(async (invocation: Invocation, { takeOver }: { takeOver?: boolean }) => {
          invocation.atInterrupt = null
          const { dir } = invocation
          const isForPeople = process.stdout.isTTY === true && !invocation.out.json
          const log = isForPeople
            ? openPartLog((await import('../part/part-lines.ts')).partLine)
            : openPartLog()
          await runRole(dir, log, () => START[kind](dir, log.event, takeOver === true))
          return null
        }),
      )
  }
  return commands
}
