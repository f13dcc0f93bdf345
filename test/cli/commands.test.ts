import { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { addCommands } from '../../src/cli/commands.ts'
import { xcare } from './xcare.ts'

/** Commands of the design that this version has, each with its sub-commands. */
const PROMISED = [
  'up',
  'down',
  'status',
  'put',
  'get',
  'ls',
  'rm',
  'repair',
  'grant',
  'grants',
  'contact add',
  'contact list',
  'contact rm',
  'revoke',
  'notices',
  'wallet create',
  'wallet list',
  'wallet passphrase',
  'wallet backup',
  'wallet restore',
  'node init',
  'node reset',
  'node run',
  'node status',
  'guardian run',
  'anchor run',
  'chain status',
  'light status',
  'light trust',
  'bench run',
  'bench compare',
]

const program = new Command('xcare')
addCommands(program)

function leavesOf(command: Command, words: string[] = []): { words: string; command: Command }[] {
  if (command.commands.length === 0) return [{ words: words.join(' '), command }]
  return command.commands.flatMap((inner) => leavesOf(inner, [...words, inner.name()]))
}

describe('the commands', () => {
  const leaves = leavesOf(program)

  test('are those of the design', () => {
    expect(leaves.map(({ words }) => words).sort()).toEqual([...PROMISED].sort())
  })

  test.each(leaves)('$words says what it does', ({ command }) => {
    expect(command.description().length).toBeGreaterThan(10)
    for (const option of command.options) expect(option.description.length).toBeGreaterThan(5)
  })

  test('take no secret as an argument, where process lists would show it', () => {
    const options = leaves.flatMap(({ command }) => command.options.map(({ long }) => long))
    const args = leaves.flatMap(({ command }) =>
      command.registeredArguments.map((argument) => argument.name()),
    )
    expect(
      [...options, ...args].filter((name) =>
        /(pass|secret|key|token|pin|seed)(?!.*-file$)/i.test(name ?? ''),
      ),
    ).toEqual([])
  })

  test('help lists them, and names a passphrase only by its file', async () => {
    const { exit, stdout, stderr } = await xcare(['--help'])
    expect(exit).toBe(0)
    expect(stderr).toBe('')
    for (const word of new Set(PROMISED.map((words) => words.split(' ')[0])))
      expect(stdout).toMatch(new RegExp(`^  ${word} `, 'm'))
    expect(stdout.match(/--pass\S*/g)).toEqual(['--passphrase-file'])
  })
})
